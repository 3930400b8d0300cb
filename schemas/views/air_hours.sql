-- Means of ambient air over each hour, by station and parameter, exact to 20 digits behind the point.
--
-- Reach: hour, 1 hours back, 0 hours ahead.
--
--   hour: end of the hour; a reading at 10:00 belongs to the hour that ends at 10:00 (decision A1)
--   local_hour: end of the hour in the station's own time
--   day: air-quality day, 01:00 to 24:00 in the station's own time (Decision 1459/QĐ-TCMT)
--   time_zone: of the station; Asia/Ho_Chi_Minh where the table stations does not have it (decision A13)
--   expected: readings of a parameter in the hour, by the interval in the table stations; unknown without it
--   received: rows of the hour, of any quality
--   pm2_5 [µg/m³]: mean of the good readings of PM2.5; none where less than three quarters of those expected are good (decision A20)
--   pm2_5_good: good readings of PM2.5
--   pm2_5_received: readings of PM2.5, of any quality
--   pm10 [µg/m³]: mean of the good readings of PM10; none where less than three quarters of those expected are good (decision A20)
--   pm10_good: good readings of PM10
--   pm10_received: readings of PM10, of any quality
--   tsp [µg/m³]: mean of the good readings of TSP; none where less than three quarters of those expected are good (decision A20)
--   tsp_good: good readings of TSP
--   tsp_received: readings of TSP, of any quality
--   o3 [µg/m³]: mean of the good readings of O3; none where less than three quarters of those expected are good (decision A20)
--   o3_good: good readings of O3
--   o3_received: readings of O3, of any quality
--   no2 [µg/m³]: mean of the good readings of NO2; none where less than three quarters of those expected are good (decision A20)
--   no2_good: good readings of NO2
--   no2_received: readings of NO2, of any quality
--   so2 [µg/m³]: mean of the good readings of SO2; none where less than three quarters of those expected are good (decision A20)
--   so2_good: good readings of SO2
--   so2_received: readings of SO2, of any quality
--   co [µg/m³]: mean of the good readings of CO; none where less than three quarters of those expected are good (decision A20)
--   co_good: good readings of CO
--   co_received: readings of CO, of any quality
--
-- Source: Circular 10/2021/TT-BTNMT (status 00 alone counts for a mean); the share of three quarters is a recommendation, not a rule of a text.
with readings as (
  select
    province, zone, site, device,
    time_bucket(interval '1 hour', time - interval '1 microsecond') + interval '1 hour' as hour,
    quality = 'good' as is_good,
    pm2_5,
    pm10,
    tsp,
    o3,
    no2,
    so2,
    co
  from public.environment
  -- Stations of water, stacks and noise alone have no hours of air; one of air whose values are all missing has.
  where pm2_5 is not null or pm10 is not null or tsp is not null or o3 is not null or no2 is not null or so2 is not null or co is not null
    or temperature is not null or humidity is not null or pressure is not null or wind_speed is not null
), hours as (
  select
    province, zone, site, device,
    hour,
    count(*) as received,
    avg(case when is_good then cast(cast(pm2_5 as decimal(18, 4)) as decimal(38, 16)) end) as pm2_5,
    count(case when is_good then pm2_5 end) as pm2_5_good,
    count(pm2_5) as pm2_5_received,
    avg(case when is_good then cast(cast(pm10 as decimal(18, 4)) as decimal(38, 16)) end) as pm10,
    count(case when is_good then pm10 end) as pm10_good,
    count(pm10) as pm10_received,
    avg(case when is_good then cast(cast(tsp as decimal(18, 4)) as decimal(38, 16)) end) as tsp,
    count(case when is_good then tsp end) as tsp_good,
    count(tsp) as tsp_received,
    avg(case when is_good then cast(cast(o3 as decimal(18, 4)) as decimal(38, 16)) end) as o3,
    count(case when is_good then o3 end) as o3_good,
    count(o3) as o3_received,
    avg(case when is_good then cast(cast(no2 as decimal(18, 4)) as decimal(38, 16)) end) as no2,
    count(case when is_good then no2 end) as no2_good,
    count(no2) as no2_received,
    avg(case when is_good then cast(cast(so2 as decimal(18, 4)) as decimal(38, 16)) end) as so2,
    count(case when is_good then so2 end) as so2_good,
    count(so2) as so2_received,
    avg(case when is_good then cast(cast(co as decimal(18, 4)) as decimal(38, 16)) end) as co,
    count(case when is_good then co end) as co_good,
    count(co) as co_received
  from readings
  group by province, zone, site, device, hour
)
select
  h.province,
  h.zone,
  h.site,
  h.device,
  h.hour,
  timezone(coalesce(s.time_zone, 'Asia/Ho_Chi_Minh'), h.hour) as local_hour,
  cast(timezone(coalesce(s.time_zone, 'Asia/Ho_Chi_Minh'), h.hour - interval '1 microsecond') as date) as day,
  coalesce(s.time_zone, 'Asia/Ho_Chi_Minh') as time_zone,
  3600 / s.interval_seconds as expected,
  h.received,
  case when s.interval_seconds is null or h.pm2_5_good * s.interval_seconds * 4 >= 3 * 3600 then h.pm2_5 end as pm2_5,
  h.pm2_5_good,
  h.pm2_5_received,
  case when s.interval_seconds is null or h.pm10_good * s.interval_seconds * 4 >= 3 * 3600 then h.pm10 end as pm10,
  h.pm10_good,
  h.pm10_received,
  case when s.interval_seconds is null or h.tsp_good * s.interval_seconds * 4 >= 3 * 3600 then h.tsp end as tsp,
  h.tsp_good,
  h.tsp_received,
  case when s.interval_seconds is null or h.o3_good * s.interval_seconds * 4 >= 3 * 3600 then h.o3 end as o3,
  h.o3_good,
  h.o3_received,
  case when s.interval_seconds is null or h.no2_good * s.interval_seconds * 4 >= 3 * 3600 then h.no2 end as no2,
  h.no2_good,
  h.no2_received,
  case when s.interval_seconds is null or h.so2_good * s.interval_seconds * 4 >= 3 * 3600 then h.so2 end as so2,
  h.so2_good,
  h.so2_received,
  case when s.interval_seconds is null or h.co_good * s.interval_seconds * 4 >= 3 * 3600 then h.co end as co,
  h.co_good,
  h.co_received
from hours h
left join public.stations s
  on s.province = h.province
  and s.zone = h.zone
  and s.device = h.device
  and s.kind = 'ambient'
  and cast(timezone('Asia/Ho_Chi_Minh', h.hour - interval '1 microsecond') as date)
    between s.valid_from and coalesce(s.valid_to, date '9999-12-31')
