-- How long each asset was in use, idle, in maintenance or lost, by local day.
--
-- Reach: day, 64 hours back, 88 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   in_use_seconds [s]: status in_use
--   idle_seconds [s]: status idle
--   maintenance_seconds [s]: status maintenance
--   lost_seconds [s]: status lost
--   known_percent [%]: part of the day in which the status is known
--   utilisation_percent [%]: in use of the time in which the status is known; none where there is a reason
--   reason: why there is no figure: interval_unknown, or nothing_known
--
-- A status holds until the next row, but no longer than the silence that the table reporting_intervals allows, kind tracker.
-- Source: the requirements.
with readings as (
  select
    province, zone, site, device, time, status,
    lead(time) over (partition by province, zone, site, device order by time, status) as time_after
  from public.assets
  where quality = 'good' and status is not null
), held as (
  select
    r.province, r.zone, r.site, r.device, r.time, r.status, i.silent_seconds,
    least(r.time_after, r.time + least(i.silent_seconds, 86400) * interval '1 second',
      r.time + interval '24 hours') as ended_at,
    cast(timezone('Asia/Ho_Chi_Minh', r.time) as date) as first_day
  from readings r
  left join public.reporting_intervals i
    on i.province = r.province
    and i.zone = r.zone
    and i.device = r.device
    and i.kind = 'tracker'
    and cast(timezone('Asia/Ho_Chi_Minh', r.time) as date) between i.valid_from and coalesce(i.valid_to, date '9999-12-31')
), days as (
  select *, unnest(make_array(0, 1)) as days_on from held
), cut as (
  select
    province, zone, site, device, status, silent_seconds, days_on,
    cast(first_day + days_on * interval '1 day' as date) as day,
    case days_on when 0 then time else timezone('Asia/Ho_Chi_Minh', first_day + interval '1 day') end as started_at,
    case days_on when 0 then least(ended_at, timezone('Asia/Ho_Chi_Minh', first_day + interval '1 day')) else ended_at end as ended_at
  from days
), spans as (
  select
    province, zone, site, device, day, status, silent_seconds,
    case when silent_seconds is not null then extract(epoch from ended_at) - extract(epoch from started_at) end as seconds
  from cut
  where days_on = 0 or (ended_at > started_at and silent_seconds is not null)
), summed as (
  select
    province, zone, site, device, day,
    max(silent_seconds) as silent_seconds,
    sum(case when status = 'in_use' then seconds end) as in_use_seconds,
    sum(case when status = 'idle' then seconds end) as idle_seconds,
    sum(case when status = 'maintenance' then seconds end) as maintenance_seconds,
    sum(case when status = 'lost' then seconds end) as lost_seconds,
    sum(case when status in ('in_use', 'idle', 'maintenance', 'lost') then seconds end) as known_seconds
  from spans
  group by province, zone, site, device, day
), filled as (
  select
    province, zone, site, device, day, silent_seconds, known_seconds,
    case when silent_seconds is not null then coalesce(in_use_seconds, 0) end as in_use_seconds,
    case when silent_seconds is not null then coalesce(idle_seconds, 0) end as idle_seconds,
    case when silent_seconds is not null then coalesce(maintenance_seconds, 0) end as maintenance_seconds,
    case when silent_seconds is not null then coalesce(lost_seconds, 0) end as lost_seconds
  from summed
)
select
  province, zone, site, device, day, in_use_seconds, idle_seconds, maintenance_seconds, lost_seconds,
  100.0 * known_seconds / 86400 as known_percent,
  100.0 * in_use_seconds / nullif(known_seconds, 0) as utilisation_percent,
  case when silent_seconds is null then 'interval_unknown' when coalesce(known_seconds, 0) = 0 then 'nothing_known' end as reason
from filled
