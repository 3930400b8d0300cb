-- What stacks emit in each hour: as measured, at the oxygen of reference, as a mass, and against the limit of the permit.
--
-- Reach: hour, 1 hours back, 0 hours ahead.
--
--   hour: end of the hour
--   parameter: dust, SO2, NOx or CO
--   readings: good readings of the hour
--   measured [mg/Nm³]: mean as measured
--   o2_ref_percent [%]: oxygen of reference, of the permit or else of the limit; none where neither gives one
--   corrected [mg/Nm³]: mean of readings that are each corrected by their own oxygen, C · (20.9 − O2ref) / (20.9 − O2) (decision S3)
--   corrected_reason: why there is no corrected value: no_o2_reference (decision S1), or o2_missing_or_too_high (20.9 % or above, decision S2)
--   corrected_readings: readings that the corrected mean is of; one with oxygen of 20.9 % or above, or without oxygen, is not among them
--   o2_above_18: readings with oxygen above 18 %, whose corrected values are huge
--   mass_flow [kg/h]: mean of concentration as measured times flow
--   regulation: regulation of the permit
--   limit_value [mg/Nm³]: limit of the regulation
--   permitted [mg/Nm³]: limit times the factors that the regulation names (Kp, Kv), compared exactly
--   value_judged [mg/Nm³]: corrected value where there is an oxygen of reference, else as measured
--   verdict: exceeded or met; none where there is a reason
--   reason: why there is no verdict: no_permit, limit_not_at_hand (see the table missing_limits), factors_unknown,
--     or too_few_readings, less than three quarters of those expected (decision A20)
--
-- Source: QCVN 19:2009/BTNMT, in the table emission_limits; which regulation a site is under is said by its permit (decision S4).
with readings as (
  select province, zone, site, device,
    time_bucket(interval '1 hour', time - interval '1 microsecond') + interval '1 hour' as hour,
    stack_o2,
    stack_flow,
    unnest(make_array(
      named_struct('parameter', 'dust', 'value', stack_dust),
      named_struct('parameter', 'SO2', 'value', stack_so2),
      named_struct('parameter', 'NOx', 'value', stack_nox),
      named_struct('parameter', 'CO', 'value', stack_co)
    )) as of_one
  from public.environment
  where quality = 'good'
), known as (
  select province, zone, site, device, hour, stack_o2, stack_flow, of_one['parameter'] as parameter, of_one['value'] as value
  from readings
  where of_one['value'] is not null
), permitted as (
  select
    k.province, k.zone, k.site, k.device, k.hour, k.parameter, k.value, k.stack_o2, k.stack_flow,
    s.regulation,
    s.interval_seconds,
    l.limit_value,
    cast(cast(l.limit_value as decimal(12, 3)) * case when l.factors = 'Kp*Kv'
      then cast(s.kp as decimal(6, 3)) * cast(s.kv as decimal(6, 3)) else 1 end as decimal(24, 9)) as permitted,
    coalesce(s.o2_ref_percent, l.o2_ref_percent) as o2_ref_percent
  from known k
  left join public.stations s
    on s.province = k.province
    and s.zone = k.zone
    and s.device = k.device
    and s.kind = 'stack'
    and cast(timezone('Asia/Ho_Chi_Minh', k.hour - interval '1 microsecond') as date)
      between s.valid_from and coalesce(s.valid_to, date '9999-12-31')
  left join public.emission_limits l
    on l.regulation = s.regulation
    and l.permit_column = s.permit_column
    and l.applies_to = s.applies_to
    and l.parameter = k.parameter
    and cast(timezone('Asia/Ho_Chi_Minh', k.hour - interval '1 microsecond') as date)
      between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
), hours as (
  select
    province, zone, site, device, hour, parameter, regulation, interval_seconds, limit_value, permitted, o2_ref_percent,
    count(*) as readings,
    avg(value) as measured,
    avg(case when stack_o2 < 20.9 then value * (20.9 - o2_ref_percent) / (20.9 - stack_o2) end) as corrected,
    count(case when stack_o2 < 20.9 then o2_ref_percent end) as corrected_readings,
    count(case when stack_o2 > 18 then 1 end) as o2_above_18,
    avg(value * stack_flow) / 1000000 as mass_flow
  from permitted
  group by province, zone, site, device, hour, parameter, regulation, interval_seconds, limit_value, permitted, o2_ref_percent
), judged as (
  select
    *,
    case when o2_ref_percent is null then measured else corrected end as value_judged,
    case
      when regulation is null then 'no_permit'
      when limit_value is null then 'limit_not_at_hand'
      when permitted is null then 'factors_unknown'
      when case when o2_ref_percent is null then readings else corrected_readings end * interval_seconds * 4 < 3 * 3600
        then 'too_few_readings' end as reason
  from hours
)
select
  province, zone, site, device, hour, parameter, readings, measured, o2_ref_percent, corrected,
  case
    when o2_ref_percent is null then 'no_o2_reference'
    when corrected is null then 'o2_missing_or_too_high' end as corrected_reason,
  corrected_readings, o2_above_18, mass_flow, regulation, limit_value, cast(permitted as double precision) as permitted, value_judged,
  case when reason is null then case when cast(value_judged as decimal(24, 9)) > permitted then 'exceeded' else 'met' end end as verdict,
  reason
from judged
