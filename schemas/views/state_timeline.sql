-- States of a machine one after the other: intervals of one state that follow each other are one, by local day.
--
-- Reach: day, 88 hours back, 88 hours ahead.
--
--   day: local day
--   started_at: beginning in that day
--   ended_at: end in that day
--   seconds [s]: length
--   state: running, idle, starved, blocked, setup, planned_stop, breakdown, minor_stop or offline; none where the code has no state
--   alarm: first alarm that stood in it
--   is_continued: true where the state went on from the day before, and so did not begin in that day
--   line: line of the machine
--   reason: why there is no length or no state: line_unknown or state_unknown
--
-- Source: states of ISO 22400-2; the view state_intervals.
with marked as (
  select
    *,
    case when (state is not distinct from lag(state) over of_machine)
      and (reason is not distinct from lag(reason) over of_machine)
      and started_at = lag(ended_at) over of_machine then 0 else 1 end as is_new
  from public.state_intervals
  window of_machine as (partition by province, zone, site, device order by started_at, ended_at)
), placed as (
  select
    *,
    sum(is_new) over (partition by province, zone, site, device order by started_at, ended_at
      rows between unbounded preceding and current row) as island
  from marked
)
select
  province, zone, site, device, day,
  min(started_at) as started_at,
  max(ended_at) as ended_at,
  sum(seconds) as seconds,
  state,
  first_value(alarm order by alarm is null, started_at) as alarm,
  max(is_new) = 0 as is_continued,
  line,
  reason
from placed
group by province, zone, site, device, day, island, state, line, reason
