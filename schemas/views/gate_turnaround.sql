-- How long vehicles and containers stayed in a zone, from its gate in to its gate out.
--
-- Reach: entered_at, 0 hours back, 168 hours ahead.
--
--   device: device at the gate in, or tracker of the vehicle
--   entered_at: when it came in
--   left_at: when it went out; none where there is a reason
--   seconds [s]: time between both
--   gate_in: gate by which it came in
--   gate_out: gate by which it went out
--   asset_class: what it is
--   reason: why there is no time: no_exit, no gate out within seven days or before the next gate in
--
-- Who is who is told by the hash of the plate, else by the number of the container, else by the tracker. The view shows none of them, and exists for roles that
-- see plates, hashed or not.
-- Source: the requirements.
with passes as (
  select
    province, zone, site, device, time, event, gate, asset_class,
    coalesce(plate_hash, container, device) as asset
  from public.assets
  where event in ('gate_in', 'gate_out')
), followed as (
  select
    *,
    lead(time) over of_asset as time_after,
    lead(event) over of_asset as event_after,
    lead(gate) over of_asset as gate_after
  from passes
  window of_asset as (partition by province, zone, asset order by time, event)
), stays as (
  select
    *,
    coalesce(event_after = 'gate_out' and time_after - time <= interval '168 hours', false) as has_left
  from followed
  where event = 'gate_in'
)
select
  province, zone, site, device,
  time as entered_at,
  case when has_left then time_after end as left_at,
  case when has_left then extract(epoch from time_after) - extract(epoch from time) end as seconds,
  gate as gate_in,
  case when has_left then gate_after end as gate_out,
  asset_class,
  case when not has_left then 'no_exit' end as reason
from stays
