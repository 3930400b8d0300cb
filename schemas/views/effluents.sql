-- What effluents hold in each hour, against the value that the permit allows: C · Kq · Kf.
--
-- Reach: hour, 1 hours back, 0 hours ahead.
--
--   hour: end of the hour
--   parameter: parameter
--   readings: good readings of the hour
--   mean [mg/l]: mean of the hour; pH has no unit
--   regulation: regulation of the permit
--   permit_column: column of the permit, A or B
--   limit_min: least value that is allowed; pH alone has one
--   limit_max [mg/l]: limit of the regulation
--   permitted [mg/l]: limit times Kq and Kf of the permit; the limit alone for pH (decision S6); compared exactly
--   verdict: exceeded or met; none where there is a reason
--   reason: why there is no verdict: no_permit, limit_not_at_hand (see the table missing_limits), factors_unknown,
--     or too_few_readings, less than three quarters of those expected (decision A20)
--
-- Source: QCVN 40:2011/BTNMT, in the table waste_water_limits; which regulation a site is under is said by its permit (decision S4).
with readings as (
  select province, zone, site, device,
    time_bucket(interval '1 hour', time - interval '1 microsecond') + interval '1 hour' as hour,
    unnest(make_array(
      named_struct('parameter', 'pH', 'value', ph),
      named_struct('parameter', 'BOD5', 'value', bod5),
      named_struct('parameter', 'COD', 'value', cod),
      named_struct('parameter', 'TSS', 'value', tss),
      named_struct('parameter', 'NH4-N', 'value', nh4_n),
      named_struct('parameter', 'total N', 'value', total_n),
      named_struct('parameter', 'total P', 'value', total_p),
      named_struct('parameter', 'residual chlorine', 'value', residual_chlorine),
      named_struct('parameter', 'mineral oil', 'value', oil)
    )) as of_one
  from public.environment
  where quality = 'good'
), hours as (
  select province, zone, site, device, hour, of_one['parameter'] as parameter, count(*) as readings, avg(of_one['value']) as mean
  from readings
  where of_one['value'] is not null
  group by province, zone, site, device, hour, of_one['parameter']
), permitted as (
  select
    h.province, h.zone, h.site, h.device, h.hour, h.parameter, h.readings, h.mean, s.regulation, s.permit_column, s.interval_seconds, l.limit_min, l.limit_max,
    cast(cast(l.limit_max as decimal(12, 3)) * case when l.kq_kf
      then cast(s.kq as decimal(6, 3)) * cast(s.kf as decimal(6, 3)) else 1 end as decimal(24, 9)) as permitted
  from hours h
  left join public.stations s
    on s.province = h.province
    and s.zone = h.zone
    and s.device = h.device
    and s.kind = 'water'
    and cast(timezone('Asia/Ho_Chi_Minh', h.hour - interval '1 microsecond') as date)
      between s.valid_from and coalesce(s.valid_to, date '9999-12-31')
  left join public.waste_water_limits l
    on l.regulation = s.regulation
    and l.permit_column = s.permit_column
    and l.applies_to = s.applies_to
    and l.parameter = h.parameter
    and cast(timezone('Asia/Ho_Chi_Minh', h.hour - interval '1 microsecond') as date)
      between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
), judged as (
  select
    *,
    case
      when regulation is null then 'no_permit'
      when limit_max is null then 'limit_not_at_hand'
      when permitted is null then 'factors_unknown'
      when readings * interval_seconds * 4 < 3 * 3600 then 'too_few_readings' end as reason
  from permitted
)
select
  province, zone, site, device, hour, parameter, readings, mean, regulation, permit_column, limit_min, limit_max, cast(permitted as double precision) as permitted,
  case when reason is null then case when cast(mean as decimal(24, 9)) > permitted or mean < limit_min then 'exceeded' else 'met' end end as verdict,
  reason
from judged
