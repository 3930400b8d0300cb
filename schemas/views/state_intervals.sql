-- Intervals in which a machine was in one state, each cut at local midnight, with the gaps between rows as offline.
--
-- Reach: day, 64 hours back, 88 hours ahead.
--
--   day: local day
--   started_at: beginning of the interval
--   ended_at: end of the interval; none where there is a reason line_unknown
--   seconds [s]: length of the interval
--   state: running, idle, starved, blocked, setup, planned_stop, breakdown, minor_stop or offline; none where the code has no state
--   code: state as the machine sent it
--   alarm: alarm that stood in the interval
--   line: line of the machine
--   calendar: calendar of its shifts
--   time_zone: of the machine
--   reason: why there is no length or no state: line_unknown (no row in the table production_lines), or state_unknown (no row in the
--     table line_states)
--
-- A state holds until the next row, if that comes within the seconds that the table production_lines gives; else for the length of a sample, and
-- the rest is offline (decision O1). Behind a row that no other one follows within 24 hours nothing is known.
-- Source: decision O1 of the requirements; states of ISO 22400-2.
with readings as (
  select
    province, zone, site, device, time, state,
    nullif(alarm, '') as alarm,
    lead(time) over of_machine as time_after
  from public.production
  where quality = 'good' and state is not null
  window of_machine as (partition by province, zone, site, device order by time, state)
), known as (
  select
    r.province, r.zone, r.site, r.device, r.time, r.state as code, r.alarm,
    case when r.time_after - r.time <= interval '24 hours' then r.time_after end as time_after,
    l.device is not null as is_known,
    l.line,
    l.calendar,
    l.state_map,
    l.gap_seconds,
    coalesce(l.sample_seconds, 0) as sample_seconds,
    coalesce(l.time_zone, 'Asia/Ho_Chi_Minh') as time_zone
  from readings r
  left join public.production_lines l
    on l.province = r.province
    and l.zone = r.zone
    and l.device = r.device
    and cast(timezone('Asia/Ho_Chi_Minh', r.time) as date) between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
), mapped as (
  select
    k.province, k.zone, k.site, k.device, k.time, k.time_after, k.code, k.alarm, k.is_known, k.line, k.calendar, k.sample_seconds, k.time_zone,
    coalesce(k.time_after <= k.time + k.gap_seconds * interval '1 second', false) as holds,
    coalesce(m.state, case when k.code in
      ('running', 'idle', 'starved', 'blocked', 'setup', 'planned_stop', 'breakdown', 'minor_stop', 'offline') then k.code end) as state
  from known k
  left join public.line_states m
    on m.state_map = k.state_map
    and m.code = k.code
    and cast(timezone('Asia/Ho_Chi_Minh', k.time) as date) between m.valid_from and coalesce(m.valid_to, date '9999-12-31')
), parts as (
  select *, time + sample_seconds * interval '1 second' as sampled_to, unnest(make_array(0, 1)) as part
  from mapped
), spans as (
  select
    province, zone, site, device, line, calendar, time_zone, code, is_known,
    case part when 0 then state else 'offline' end as state,
    case part when 0 then alarm end as alarm,
    case part when 0 then time else sampled_to end as started_at,
    case
      when not is_known then null
      when part = 1 or holds then time_after
      else least(sampled_to, coalesce(time_after, sampled_to)) end as ended_at
  from parts
  where part = 0 or (is_known and not holds and time_after > sampled_to)
), placed as (
  select *, cast(timezone(time_zone, started_at) as date) as first_day from spans
), days as (
  select *, unnest(make_array(0, 1)) as days_on from placed
), cut as (
  select
    province, zone, site, device, line, calendar, time_zone, code, is_known, state, alarm, days_on,
    cast(first_day + days_on * interval '1 day' as date) as day,
    case days_on when 0 then started_at else timezone(time_zone, first_day + interval '1 day') end as started_at,
    -- least() passes over what is not known.
    case when days_on = 0 and ended_at is not null then least(ended_at, timezone(time_zone, first_day + interval '1 day'))
      else ended_at end as ended_at
  from days
)
select
  province, zone, site, device, day, started_at, ended_at,
  extract(epoch from ended_at) - extract(epoch from started_at) as seconds,
  state, code, alarm, line, calendar, time_zone,
  case when not is_known then 'line_unknown' when state is null then 'state_unknown' end as reason
from cut
where ended_at > started_at or (not is_known and days_on = 0)
