-- Incidents with the times of their steps, from detection to closing, and how long each took.
--
-- Reach: detected_at, 1 hours back, 2160 hours ahead.
--
--   device: device that took the first step
--   event_id: incident
--   event: what happened
--   severity: critical, high, medium or info
--   location: where
--   detected_at: when it was detected: the first step detected, or what a later step says of it; none where neither is there
--   handling_at: first step handling
--   confirmed_at: first step confirmed
--   closed_at: first step closed
--   state: the furthest step: detected, handling, confirmed or closed
--   is_open: true where it is not closed
--   handling_seconds [s]: from detection to handling
--   confirmed_seconds [s]: from detection to confirmation
--   closed_seconds [s]: from detection to closing
--   signal_seconds [s]: from detection to receipt of the step detected, none where it came as back-fill; a fire signal is to take one second at most
--   reason: why there are no durations: not_detected, or step_before_detection
--
-- Steps within 90 days of the detection count. An id names one incident: of one that is used again later, the rows depend on the times asked for.
-- Source: the life of an event by the requirements.
with steps as (
  select
    province, zone, site, device, time, event_id, event, severity, location, state,
    case when not backfill then extract(epoch from ingested_at) - extract(epoch from time) end as signal_seconds,
    min(least(detected_at, case when state = 'detected' then time end)) over (partition by province, zone, event_id) as detected_at
  from public.security
  where event_id is not null and state in ('detected', 'handling', 'confirmed', 'closed')
), lives as (
  select
    province, zone, event_id, detected_at,
    first_value(site order by time, state) as site,
    first_value(device order by time, state) as device,
    first_value(event order by event is null, time) as event,
    first_value(severity order by severity is null, time) as severity,
    first_value(location order by location is null, time) as location,
    min(case when state = 'handling' then time end) as handling_at,
    min(case when state = 'confirmed' then time end) as confirmed_at,
    min(case when state = 'closed' then time end) as closed_at,
    min(case when state = 'detected' then signal_seconds end) as signal_seconds
  from steps
  where detected_at is null or time <= detected_at + interval '90 days'
  group by province, zone, event_id, detected_at
), judged as (
  select
    *,
    case
      when detected_at is null then 'not_detected'
      when least(handling_at, confirmed_at, closed_at) < detected_at then 'step_before_detection' end as reason
  from lives
)
select
  province, zone, site, device, event_id, event, severity, location, detected_at, handling_at, confirmed_at, closed_at,
  case when closed_at is not null then 'closed' when confirmed_at is not null then 'confirmed'
    when handling_at is not null then 'handling' else 'detected' end as state,
  closed_at is null as is_open,
  case when reason is null then extract(epoch from handling_at) - extract(epoch from detected_at) end as handling_seconds,
  case when reason is null then extract(epoch from confirmed_at) - extract(epoch from detected_at) end as confirmed_seconds,
  case when reason is null then extract(epoch from closed_at) - extract(epoch from detected_at) end as closed_seconds,
  signal_seconds,
  reason
from judged
