-- Number of incidents by kind, severity, zone and local day of the detection, and how many of them are open.
--
-- Reach: day, 17 hours back, 2200 hours ahead.
--
--   day: local day of the detection, Asia/Ho_Chi_Minh
--   event: what happened
--   severity: critical, high, medium or info
--   incidents: incidents that were detected
--   open: those of them that are not closed
--   unhandled: those of them that nobody handled yet
--   confirmed: those of them that were confirmed
--
-- Source: the view incidents.
select
  province, zone, event, severity,
  cast(timezone('Asia/Ho_Chi_Minh', detected_at) as date) as day,
  count(*) as incidents,
  count(case when is_open then 1 end) as open,
  count(case when is_open and state = 'detected' then 1 end) as unhandled,
  count(confirmed_at) as confirmed
from public.incidents
where detected_at is not null
group by province, zone, event, severity, cast(timezone('Asia/Ho_Chi_Minh', detected_at) as date)
