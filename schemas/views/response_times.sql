-- How long it took until incidents of a kind were handled and closed, by zone and local day of the detection.
--
-- Reach: day, 17 hours back, 2200 hours ahead.
--
--   day: local day of the detection, Asia/Ho_Chi_Minh
--   event: what happened
--   severity: critical, high, medium or info
--   incidents: incidents that were detected
--   handled: those of them that someone handled
--   closed: those of them that are closed
--   handling_p50_seconds [s]: half of those handled were by then
--   handling_p95_seconds [s]: 95 % of those handled were by then
--   handling_max_seconds [s]: longest time until one was handled
--   closed_p50_seconds [s]: half of those closed were by then
--   closed_max_seconds [s]: longest time until one was closed
--   signal_max_seconds [s]: longest time from detection to receipt
--
-- Incidents that are not handled yet have no time, and are in no percentile: compare handled with incidents.
-- Source: the view incidents.
select
  province, zone, event, severity,
  cast(timezone('Asia/Ho_Chi_Minh', detected_at) as date) as day,
  count(*) as incidents,
  count(handling_seconds) as handled,
  count(closed_seconds) as closed,
  percentile_cont(0.5) within group (order by handling_seconds) as handling_p50_seconds,
  percentile_cont(0.95) within group (order by handling_seconds) as handling_p95_seconds,
  max(handling_seconds) as handling_max_seconds,
  percentile_cont(0.5) within group (order by closed_seconds) as closed_p50_seconds,
  max(closed_seconds) as closed_max_seconds,
  max(signal_seconds) as signal_max_seconds
from public.incidents
where reason is null
group by province, zone, event, severity, cast(timezone('Asia/Ho_Chi_Minh', detected_at) as date)
