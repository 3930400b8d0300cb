-- Times in which a machine was not running, by month, state and alarm, the longest first: a Pareto list, with MTBF and MTTR.
--
-- Reach: month, 112 hours back, 856 hours ahead.
--
--   month: first day of the local month
--   state: state that was not running; planned stops have their rows, but no part of the share
--   alarm: first alarm that stood in the stop; none where none did
--   stops: stops that began in the month
--   seconds [s]: time stopped
--   share_percent [%]: of all time stopped in the month, planned stops apart
--   rank: place by time stopped, planned stops apart
--   cumulative_percent [%]: share of this and all longer ones
--   running_seconds [s]: time running in the month
--   breakdowns: breakdowns that began in the month
--   mtbf_seconds [s]: mean time between failures: time running by breakdowns; none without one
--   mttr_seconds [s]: mean time to repair: time broken down by breakdowns; none without one
--   line: line of the machine
--
-- A stop across midnight is one. Machines without a row in the table production_lines have no times, and so no rows here.
-- Source: ISO 22400-2; the view state_timeline.
with stops as (
  select
    province, zone, site, device, line, cast(date_trunc('month', day) as date) as month, state, alarm,
    count(case when not is_continued then 1 end) as stops,
    sum(seconds) as seconds
  from public.state_timeline
  where reason is null
  group by province, zone, site, device, line, cast(date_trunc('month', day) as date), state, alarm
), months as (
  select
    *,
    coalesce(sum(case when state = 'running' then seconds end) over of_month, 0) as running_seconds,
    coalesce(sum(case when state = 'breakdown' then seconds end) over of_month, 0) as breakdown_seconds,
    cast(coalesce(sum(case when state = 'breakdown' then stops end) over of_month, 0) as bigint) as breakdowns
  from stops
  window of_month as (partition by province, zone, site, device, month)
), stopped as (
  select *, state <> 'planned_stop' as is_lost from months where state <> 'running'
)
select
  province, zone, site, device, month, state, alarm, stops, seconds,
  case when is_lost then 100.0 * seconds / sum(seconds) over all_lost end as share_percent,
  case when is_lost then cast(row_number() over longest_first as bigint) end as rank,
  case when is_lost then 100.0 * sum(seconds) over longest_first / sum(seconds) over all_lost end as cumulative_percent,
  running_seconds,
  breakdowns,
  running_seconds / nullif(breakdowns, 0) as mtbf_seconds,
  breakdown_seconds / nullif(breakdowns, 0) as mttr_seconds,
  line
from stopped
window
  all_lost as (partition by province, zone, site, device, month, is_lost),
  longest_first as (partition by province, zone, site, device, month, is_lost order by seconds desc, state, alarm
    rows between unbounded preceding and current row)
