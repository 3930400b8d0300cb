-- Shares of each day in which the machines of a line were starved or blocked, and which of them the others wait for.
--
-- Reach: day, 64 hours back, 88 hours ahead.
--
--   day: local day
--   line: line
--   position: place of the machine in the line
--   planned_seconds [s]: time of all states but planned stops
--   running_percent [%]: running
--   starved_percent [%]: waiting for what comes before
--   blocked_percent [%]: waiting for what comes behind
--   waiting_percent [%]: starved or blocked
--   is_bottleneck: true for the machine that waits least, the first in the line of several; none where there is a reason
--   reason: why no machine is named: one_machine, no_waiting (no machine of the line waited), or state_unknown
--
-- Source: states of ISO 22400-2; that the machine which waits least is the bottleneck is usual practice, not a rule of a text.
with machines as (
  select
    s.province, s.zone, s.site, s.device, s.line, s.day,
    min(l.position) as position,
    sum(case when s.state <> 'planned_stop' then s.seconds end) as planned_seconds,
    sum(case when s.state = 'running' then s.seconds else 0 end) as running_seconds,
    sum(case when s.state = 'starved' then s.seconds else 0 end) as starved_seconds,
    sum(case when s.state = 'blocked' then s.seconds else 0 end) as blocked_seconds,
    max(s.reason) as reason
  from public.state_intervals s
  join public.production_lines l
    on l.province = s.province
    and l.zone = s.zone
    and l.device = s.device
    and l.line = s.line
    and s.day between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
  group by province, zone, site, device, line, day
), shares as (
  select
    *,
    (starved_seconds + blocked_seconds) / nullif(planned_seconds, 0) as waiting
  from machines
), compared as (
  select
    *,
    count(*) over of_line as machines,
    max(waiting) over of_line as most_waiting,
    max(reason) over of_line as reason_of_line,
    row_number() over (partition by province, zone, site, line, day order by waiting nulls last, position, device) as place
  from shares
  window of_line as (partition by province, zone, site, line, day)
), judged as (
  select
    *,
    case
      when machines = 1 then 'one_machine'
      when reason_of_line is not null then reason_of_line
      when coalesce(most_waiting, 0) = 0 then 'no_waiting' end as no_bottleneck
  from compared
)
select
  province, zone, site, device, day, line, position, planned_seconds,
  100.0 * running_seconds / nullif(planned_seconds, 0) as running_percent,
  100.0 * starved_seconds / nullif(planned_seconds, 0) as starved_percent,
  100.0 * blocked_seconds / nullif(planned_seconds, 0) as blocked_percent,
  100.0 * waiting as waiting_percent,
  case when no_bottleneck is null then place = 1 end as is_bottleneck,
  no_bottleneck as reason
from judged
