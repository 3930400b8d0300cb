-- Trackers that have to report, with how long each has been silent at the moment of the question.
--
-- Reach: none, it is of the moment at which it is asked.
--
--   device: tracker
--   last_at: its last row of the last seven days, of any quality
--   silent_for_seconds [s]: time since then
--   silent_seconds [s]: silence from which it counts as silent, by the table reporting_intervals
--   is_silent: true where it counts as silent; a tracker without a row in seven days does
--   reason: why there is no last row: not_seen_for_seven_days
--
-- Source: the table reporting_intervals, kind tracker.
with seen as (
  select province, zone, device, max(time) as last_at
  from public.assets
  where time >= now() - interval '7 days' and time <= now() + interval '1 hour'
  group by province, zone, device
)
select
  i.province, i.zone, i.device, s.last_at,
  extract(epoch from now()) - extract(epoch from s.last_at) as silent_for_seconds,
  i.silent_seconds,
  coalesce(extract(epoch from now()) - extract(epoch from s.last_at) > i.silent_seconds, true) as is_silent,
  case when s.last_at is null then 'not_seen_for_seven_days' end as reason
from public.reporting_intervals i
left join seen s on s.province = i.province and s.zone = i.zone and s.device = i.device
where i.kind = 'tracker'
  and cast(timezone('Asia/Ho_Chi_Minh', now()) as date) between i.valid_from and coalesce(i.valid_to, date '9999-12-31')
