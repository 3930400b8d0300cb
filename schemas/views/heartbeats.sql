-- Heartbeats of fire panels and other devices of security, by local day: expected, received, and the longest silence.
--
-- Reach: day, 64 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   received: heartbeats of the day
--   expected: heartbeats of a whole day by the table reporting_intervals, kind fire_panel; unknown without it
--   received_percent [%]: received of those expected
--   last_at: last heartbeat of the day
--   longest_silence_seconds [s]: longest time before a heartbeat of the day since the one before it, which may be of the day before
--   silent_seconds [s]: silence from which the panel counts as silent
--   was_silent: true where the longest silence is above it; none where it is not known
--   faults: heartbeats with a fault
--   reason: why there is no percentage: interval_unknown
--
-- A day without a heartbeat has no row, and a silence above 48 hours is not measured: see zone_overview for who is silent now.
-- Source: the requirement that a fire signal comes with a heartbeat.
with beats as (
  select
    province, zone, site, device, time, fault,
    lag(time) over (partition by province, zone, site, device order by time) as time_before
  from public.security
  where event = 'heartbeat'
), days as (
  select
    province, zone, site, device,
    cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day,
    count(*) as received,
    max(time) as last_at,
    max(case when time - time_before <= interval '48 hours' then extract(epoch from time) - extract(epoch from time_before) end)
      as longest_silence_seconds,
    count(case when fault then 1 end) as faults
  from beats
  group by province, zone, site, device, cast(timezone('Asia/Ho_Chi_Minh', time) as date)
)
select
  d.province, d.zone, d.site, d.device, d.day, d.received,
  86400 / i.interval_seconds as expected,
  100.0 * d.received * i.interval_seconds / 86400 as received_percent,
  d.last_at,
  d.longest_silence_seconds,
  i.silent_seconds,
  d.longest_silence_seconds > i.silent_seconds as was_silent,
  d.faults,
  case when i.interval_seconds is null then 'interval_unknown' end as reason
from days d
left join public.reporting_intervals i
  on i.province = d.province
  and i.zone = d.zone
  and i.device = d.device
  and i.kind = 'fire_panel'
  and d.day between i.valid_from and coalesce(i.valid_to, date '9999-12-31')
