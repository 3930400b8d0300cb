-- Last position of each asset in each local day, with its state then.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   time: time of the position
--   latitude [°]: latitude (WGS 84)
--   longitude [°]: longitude (WGS 84)
--   accuracy [m]: radius within which the position is, with 68 % probability; none where the tracker gives none
--   speed [km/h]: speed then
--   asset_class: what it is
--   status: in_use, idle, maintenance or lost: the last that it sent in the day
--   battery [%]: charge of the battery: the last that it sent in the day
--   positions: positions of the day
--
-- Positions are personal data where they are those of persons: the view exists for roles that see them unhashed.
-- Source: good rows of the table assets.
with readings as (
  select
    province, zone, site, device, time, latitude, longitude, accuracy, speed, asset_class, status, battery,
    cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day
  from public.assets
  where quality = 'good'
)
select
  province, zone, site, device, day,
  max(case when latitude is not null and longitude is not null then time end) as time,
  first_value(latitude order by latitude is null or longitude is null, time desc) as latitude,
  first_value(longitude order by latitude is null or longitude is null, time desc) as longitude,
  first_value(accuracy order by latitude is null or longitude is null, time desc) as accuracy,
  first_value(speed order by latitude is null or longitude is null, time desc) as speed,
  first_value(asset_class order by asset_class is null, time desc) as asset_class,
  first_value(status order by status is null, time desc) as status,
  first_value(battery order by battery is null, time desc) as battery,
  count(case when latitude is not null and longitude is not null then 1 end) as positions
from readings
group by province, zone, site, device, day
having count(case when latitude is not null and longitude is not null then 1 end) > 0
