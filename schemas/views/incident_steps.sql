-- Steps of incidents: detected, handling, confirmed and closed, each with its time and who took it.
--
-- Reach: time, 0 hours back, 0 hours ahead.
--
--   time: when the step was taken
--   event_id: incident
--   event: what happened
--   severity: critical, high, medium or info
--   step: detected, handling, confirmed or closed
--   actor: role or account that took the step; personal, and none where a device did
--   taken_by: operator or device
--
-- Source: the life of an event by the requirements.
select
  province, zone, site, device, time, event_id, event, severity, state as step, actor,
  case when actor is null or actor = '' then 'device' else 'operator' end as taken_by
from public.security
where event_id is not null and state in ('detected', 'handling', 'confirmed', 'closed')
