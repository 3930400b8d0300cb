-- When assets entered areas, stayed in them for long, and left them.
--
-- Reach: time, 264 hours back, 0 hours ahead.
--
--   time: time of the position at which it is seen
--   geofence: area
--   name_vi: name of the area in Vietnamese
--   name_en: name of the area in English
--   event: enter, exit or dwell
--   entered_at: when the asset entered; none where that is more than seven days ago
--   seconds [s]: time since it entered
--   distance_m [m]: distance from the edge of the area, negative within it; a point on the edge is within
--
-- An asset has entered with a position within the area, and has left with one that is further outside than hysteresis_m of the table geofences: what is
-- between changes nothing. A position that no other one came before within 24 hours and that is within the area is an entry. Dwell is the first position after the
-- dwell_seconds of the area.
-- Source: the requirements; the table geofences.
with positions as (
  select
    a.province, a.zone, a.site, a.device, a.time, g.geofence, g.name_vi, g.name_en, g.hysteresis_m, g.dwell_seconds,
    geofence_distance(g.polygon, a.longitude, a.latitude) as distance_m
  from public.assets a
  join public.geofences g
    on g.province = a.province
    and g.zone = a.zone
    and cast(timezone('Asia/Ho_Chi_Minh', a.time) as date) between g.valid_from and coalesce(g.valid_to, date '9999-12-31')
  where a.quality = 'good' and a.latitude is not null and a.longitude is not null
), sides as (
  select
    *,
    case when distance_m <= 0 then time end as within_at,
    case when distance_m > hysteresis_m then time end as outside_at
  from positions
  where distance_m is not null
), held as (
  select
    *,
    max(within_at) over of_day as last_within_at,
    max(outside_at) over of_day as last_outside_at
  from sides
  window of_day as (partition by province, zone, site, device, geofence order by time
    range between interval '24 hours' preceding and current row)
), states as (
  select *, coalesce(last_within_at > coalesce(last_outside_at, timestamptz '1970-01-01 00:00+00'), false) as is_in from held
), followed as (
  select
    *,
    lag(time) over of_asset as time_before,
    lag(is_in) over of_asset as was_in
  from states
  window of_asset as (partition by province, zone, site, device, geofence order by time)
), changed as (
  select
    *,
    coalesce(was_in and time - time_before <= interval '24 hours', false) as was_in_before
  from followed
), entered as (
  select
    *,
    max(case when is_in and not was_in_before then time end) over (partition by province, zone, site, device, geofence order by time
      range between interval '7 days' preceding and current row) as entered_at
  from changed
), seen as (
  select
    *,
    case
      when is_in and not was_in_before then 'enter'
      when was_in_before and not is_in then 'exit'
      when is_in and time >= entered_at + dwell_seconds * interval '1 second'
        and time_before < entered_at + dwell_seconds * interval '1 second' then 'dwell' end as event
  from entered
)
select
  province, zone, site, device, time, geofence, name_vi, name_en, event, entered_at,
  extract(epoch from time) - extract(epoch from entered_at) as seconds,
  distance_m
from seen
where event is not null
