-- Overall equipment effectiveness of each machine by hour, shift and day, with its factors and the times and pieces that they are made of.
--
-- Reach: day, 112 hours back, 136 hours ahead.
--
--   day: local day; of a shift the one on which it began (decision O5)
--   period: hour, shift or day
--   started_at: beginning of the hour, shift or day in local time
--   shift: name of the shift
--   line: line of the machine
--   oee: availability · effectiveness · quality; none where one of them is none
--   availability: production time of planned busy time, APT / PBT
--   effectiveness: ideal time of the pieces of production time, PRI · PQ / APT; not capped at 1 (decision O3)
--   quality: good pieces of all, GQ / PQ
--   planned_seconds [s]: planned busy time, PBT: all states but planned stops; offline is in it (decision O2)
--   running_seconds [s]: production time, APT
--   ideal_seconds [s]: ideal time of the pieces, PRI · PQ, summed by article (decision O6); none where a piece has no ideal cycle time
--   pieces: pieces made, PQ
--   good: good pieces made, GQ
--   idle_seconds [s]: state idle
--   starved_seconds [s]: state starved
--   blocked_seconds [s]: state blocked
--   setup_seconds [s]: state setup
--   planned_stop_seconds [s]: state planned_stop
--   breakdown_seconds [s]: state breakdown
--   minor_stop_seconds [s]: state minor_stop
--   offline_seconds [s]: no row, or state offline
--   unknown_seconds [s]: codes without a state
--   reason: why there is no oee: line_unknown, state_unknown, nothing_planned, not_running, no_counts, nothing_made, or no_ideal_cycle_time
--
-- Times and pieces are summed over the period, then divided (decision O5); a factor whose divisor is 0 is none (decision O4). Pieces belong
-- to the period in which they were counted, and a count at its end is of it.
-- Source: ISO 22400-2; decisions O1 to O7 of the requirements.
with spans as (
  select
    province, zone, site, device, line, calendar, day, state, reason,
    timezone(time_zone, started_at) as local_start,
    timezone(time_zone, started_at) + coalesce(seconds, 0) * interval '1 second' as local_end,
    seconds
  from public.state_intervals
), made as (
  select
    province, zone, site, device, calendar, total, good, ideal_seconds,
    timezone(time_zone, time - interval '1 microsecond') as local_time
  from public.counters
), shifts as (
  select
    province, zone, calendar, shift, weekday, valid_from, coalesce(valid_to, date '9999-12-31') as last_day,
    cast(substr(starts, 1, 2) as int) * 60 + cast(substr(starts, 4, 2) as int) as from_minute,
    cast(substr(ends, 1, 2) as int) * 60 + cast(substr(ends, 4, 2) as int)
      + case when ends <= starts then 1440 else 0 end as to_minute
  from public.shift_calendars
), kinds as (
  select *, unnest(make_array('day', 'hour', 'shift', 'shift of the day before')) as kind from spans
), parts as (
  select
    *,
    cast(case kind when 'shift of the day before' then day - interval '1 day' else day end as date) as shift_day,
    -- A span is of one day, which has 25 hours at most; most are of one hour.
    unnest(case
      when kind <> 'hour' or local_end <= date_trunc('hour', local_start) + interval '1 hour' then make_array(0)
      when local_end <= date_trunc('hour', local_start) + interval '2 hours' then make_array(0, 1)
      else make_array(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24) end) as hours_on
  from kinds
), placed as (
  select
    p.province, p.zone, p.site, p.device, p.line, p.state, p.reason, p.seconds, p.local_start, p.local_end, p.kind, c.shift,
    case when p.kind in ('day', 'hour') then p.day else p.shift_day end as day,
    case p.kind
      when 'day' then cast(p.day as timestamp)
      when 'hour' then date_trunc('hour', p.local_start) + p.hours_on * interval '1 hour'
      else p.shift_day + c.from_minute * interval '1 minute' end as period_start,
    case p.kind
      when 'hour' then date_trunc('hour', p.local_start) + (p.hours_on + 1) * interval '1 hour'
      else p.shift_day + c.to_minute * interval '1 minute' end as period_end
  from parts p
  left join shifts c
    on c.province = p.province
    and c.zone = p.zone
    and c.calendar = p.calendar
    and c.weekday = extract(isodow from p.shift_day)
    and p.shift_day between c.valid_from and c.last_day
    and p.kind in ('shift', 'shift of the day before')
  where p.kind in ('day', 'hour') or c.shift is not null
), times as (
  select
    province, zone, site, device, line, state, reason, day, shift, period_start,
    case when kind in ('day', 'hour') then kind else 'shift' end as period,
    case kind when 'day' then seconds
      else extract(epoch from least(local_end, period_end)) - extract(epoch from greatest(local_start, period_start)) end as seconds
  from placed
  where kind = 'day' or least(local_end, period_end) > greatest(local_start, period_start)
), states as (
  select
    province, zone, site, device, line, day, period, shift, period_start,
    sum(case when state <> 'planned_stop' then seconds when seconds is not null then 0 end) as planned_seconds,
    sum(case when state = 'running' then seconds when seconds is not null then 0 end) as running_seconds,
    sum(case when state = 'idle' then seconds when seconds is not null then 0 end) as idle_seconds,
    sum(case when state = 'starved' then seconds when seconds is not null then 0 end) as starved_seconds,
    sum(case when state = 'blocked' then seconds when seconds is not null then 0 end) as blocked_seconds,
    sum(case when state = 'setup' then seconds when seconds is not null then 0 end) as setup_seconds,
    sum(case when state = 'planned_stop' then seconds when seconds is not null then 0 end) as planned_stop_seconds,
    sum(case when state = 'breakdown' then seconds when seconds is not null then 0 end) as breakdown_seconds,
    sum(case when state = 'minor_stop' then seconds when seconds is not null then 0 end) as minor_stop_seconds,
    sum(case when state = 'offline' then seconds when seconds is not null then 0 end) as offline_seconds,
    sum(case when state is null then seconds when seconds is not null then 0 end) as unknown_seconds,
    max(reason) as reason
  from times
  group by province, zone, site, device, line, day, period, shift, period_start
), kinds_of_pieces as (
  select
    *,
    unnest(make_array('day', 'hour', 'shift', 'shift of the day before')) as kind,
    cast(local_time as date) as local_day
  from made
), days_of_pieces as (
  select *, cast(case kind when 'shift of the day before' then local_day - interval '1 day' else local_day end as date) as shift_day
  from kinds_of_pieces
), counts as (
  select
    m.province, m.zone, m.site, m.device, m.total, m.good, m.ideal_seconds, c.shift,
    case when m.kind in ('day', 'hour') then m.kind else 'shift' end as period,
    case m.kind
      when 'day' then date_trunc('day', m.local_time)
      when 'hour' then date_trunc('hour', m.local_time)
      else m.shift_day + c.from_minute * interval '1 minute' end as period_start
  from days_of_pieces m
  left join shifts c
    on c.province = m.province
    and c.zone = m.zone
    and c.calendar = m.calendar
    and c.weekday = extract(isodow from m.shift_day)
    and m.shift_day between c.valid_from and c.last_day
    and m.local_time >= m.shift_day + c.from_minute * interval '1 minute'
    and m.local_time < m.shift_day + c.to_minute * interval '1 minute'
    and m.kind in ('shift', 'shift of the day before')
  where m.kind in ('day', 'hour') or c.shift is not null
), pieces as (
  select
    province, zone, site, device, period, coalesce(shift, '') as shift, period_start,
    sum(total) as pieces,
    sum(good) as good,
    case when count(case when total > 0 and ideal_seconds is null then 1 end) = 0 then sum(total * ideal_seconds) end as ideal_seconds
  from counts
  group by province, zone, site, device, period, coalesce(shift, ''), period_start
), joined as (
  select
    s.*, p.ideal_seconds,
    cast(p.pieces as bigint) as pieces,
    cast(p.good as bigint) as good,
    s.reason is null as is_known
  from states s
  left join pieces p
    on p.province = s.province
    and p.zone = s.zone
    and (p.site is not distinct from s.site)
    and p.device = s.device
    and p.period = s.period
    and p.shift = coalesce(s.shift, '')
    and p.period_start = s.period_start
), factors as (
  select
    *,
    case when is_known then running_seconds / nullif(planned_seconds, 0) end as availability,
    case when is_known then ideal_seconds / nullif(running_seconds, 0) end as effectiveness,
    cast(good as double precision) / nullif(pieces, 0) as quality
  from joined
)
select
  province, zone, site, device, day, period, period_start as started_at, shift, line,
  availability * effectiveness * quality as oee,
  availability, effectiveness, quality,
  planned_seconds, running_seconds, ideal_seconds, pieces, good,
  idle_seconds, starved_seconds, blocked_seconds, setup_seconds, planned_stop_seconds, breakdown_seconds, minor_stop_seconds, offline_seconds,
  unknown_seconds,
  case
    when reason is not null then reason
    when planned_seconds = 0 then 'nothing_planned'
    when running_seconds = 0 then 'not_running'
    when pieces is null then 'no_counts'
    when pieces = 0 then 'nothing_made'
    when ideal_seconds is null then 'no_ideal_cycle_time'
    when good is null then 'no_counts' end as reason
from factors
