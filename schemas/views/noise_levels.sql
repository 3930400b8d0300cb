-- Equivalent sound level of each day and each night, against the limit of the area.
--
-- Reach: day, 42 hours back, 64 hours ahead.
--
--   day: local day on which the period begins
--   period: day, 06:00 to 21:00, or night, 21:00 to 06:00
--   leq [dBA]: 10 · lg of the mean of 10^(L/10), weighted by duration; none where less than three quarters of the period are measured
--   measured_percent [%]: part of the period that is measured
--   regulation: regulation of the limit
--   limit_value [dBA]: limit of the area
--   verdict: exceeded or met; none where there is a reason
--   reason: why there is no verdict: station_unknown (no interval or area in the table stations), too_little_measured, or no_limit_in_force
--
-- A level speaks of the interval that ends with it; the interval is that of the table stations (decision S7).
-- Source: QCVN 26:2010/BTNMT, in the table noise_limits; the values of QCVN 26:2025/BNNMT are not at hand.
with readings as (
  select
    e.province, e.zone, e.site, e.device, e.noise, s.interval_seconds, s.noise_area,
    timezone(coalesce(s.time_zone, 'Asia/Ho_Chi_Minh'), e.time - interval '1 microsecond') as local_time
  from public.environment e
  left join public.stations s
    on s.province = e.province
    and s.zone = e.zone
    and s.device = e.device
    and s.kind = 'noise'
    and cast(timezone('Asia/Ho_Chi_Minh', e.time - interval '1 microsecond') as date)
      between s.valid_from and coalesce(s.valid_to, date '9999-12-31')
  where e.quality = 'good' and e.noise is not null
), placed as (
  select
    province, zone, site, device, noise, interval_seconds, noise_area,
    case when extract(hour from local_time) between 6 and 20 then 'day' else 'night' end as period,
    cast(local_time - interval '6 hours' as date) as day
  from readings
), periods as (
  select
    province, zone, site, device, day, period, noise_area, interval_seconds,
    sum(power(10.0, noise / 10.0)) / count(*) as mean_energy,
    100.0 * count(*) * interval_seconds / case period when 'day' then 54000 else 32400 end as measured_percent
  from placed
  group by province, zone, site, device, day, period, noise_area, interval_seconds
), limited as (
  select
    p.province, p.zone, p.site, p.device, p.day, p.period, p.measured_percent, p.noise_area,
    case when p.measured_percent >= 75 then 10 * log10(p.mean_energy) end as leq,
    l.regulation, l.limit_value
  from periods p
  left join public.noise_limits l
    on l.area = p.noise_area
    and l.period = p.period
    and p.day between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
), judged as (
  select
    *,
    case
      when noise_area is null or measured_percent is null then 'station_unknown'
      when leq is null then 'too_little_measured'
      when limit_value is null then 'no_limit_in_force' end as reason
  from limited
)
select
  province, zone, site, device, day, period, leq, measured_percent, regulation, limit_value,
  case when reason is null then case when leq > limit_value then 'exceeded' else 'met' end end as verdict,
  reason
from judged
