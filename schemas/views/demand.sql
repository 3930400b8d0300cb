-- Peak demand and load factor of each meter and local month, over quarter-hours and half-hours.
--
-- Reach: month, 64 hours back, 840 hours ahead.
--
--   month: first day of the local month
--   active_kwh [kWh]: active energy taken
--   peak_15_kw [kW]: greatest mean power of a quarter-hour; none for a meter whose intervals are longer
--   peak_15_at: end of that quarter-hour, the first of several (decision B10)
--   peak_30_kw [kW]: greatest mean power of a half-hour of the clock that is whole (decision B5)
--   peak_30_at: beginning of that half-hour in local time, the first of several
--   peak_30_sliding_kw [kW]: greatest mean power of two quarter-hours that follow each other
--   mean_kw [kW]: mean power over the time that was measured
--   load_factor: mean power divided by the peak of a quarter-hour
--
-- Source: decisions B5 and B10 of the requirements.
with intervals as (
  select
    province, zone, site, device, month, time, local_start, seconds, active_kwh,
    cast(active_kwh * 3600 as double precision) / seconds as kw,
    sum(active_kwh) over half as half_kwh,
    count(*) over half as half_count
  from public.energy_intervals
  window half as (partition by province, zone, site, device order by time range between interval '15 minutes' preceding and current row)
), half_hours as (
  select
    province, zone, site, device, month, time_bucket(interval '30 minutes', local_start) as starts,
    cast(sum(active_kwh) * 2 as double precision) as kw
  from intervals
  group by province, zone, site, device, month, time_bucket(interval '30 minutes', local_start)
  having sum(seconds) = 1800
), halves as (
  select province, zone, site, device, month, max(kw) as peak_30_kw, first_value(starts order by kw desc, starts) as peak_30_at
  from half_hours
  group by province, zone, site, device, month
), months as (
  select
    province, zone, site, device, month,
    cast(sum(active_kwh) as double precision) as active_kwh,
    max(case when seconds = 900 then kw end) as peak_15_kw,
    first_value(time order by case when seconds = 900 then kw end desc nulls last, time) as peak_15_at,
    max(case when seconds = 900 and half_count = 2 then cast(half_kwh * 2 as double precision) end) as peak_30_sliding_kw,
    cast(sum(active_kwh) as double precision) * 3600 / sum(seconds) as mean_kw
  from intervals
  group by province, zone, site, device, month
)
select
  m.province, m.zone, m.site, m.device, m.month, m.active_kwh, m.peak_15_kw,
  case when m.peak_15_kw is not null then m.peak_15_at end as peak_15_at,
  h.peak_30_kw, h.peak_30_at, m.peak_30_sliding_kw, m.mean_kw,
  m.mean_kw / nullif(m.peak_15_kw, 0) as load_factor
from months m
left join halves h
  on h.province = m.province and h.zone = m.zone and (h.site is not distinct from m.site) and h.device = m.device
  and h.month = m.month
