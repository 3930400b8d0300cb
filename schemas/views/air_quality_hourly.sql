-- VN_AQI of each hour of each station of ambient air, with the sub-indices, the responsible parameter and the band.
--
-- Reach: hour, 13 hours back, 0 hours ahead.
--
--   hour: end of the hour
--   local_hour: end of the hour in the station's own time
--   day: air-quality day, 01:00 to 24:00 in the station's own time
--   aqi: index, the greatest sub-index rounded half up (decision A2); none where PM2.5 and PM10 have no nowcast (decision A10)
--   parameter: parameter that is responsible; of equal ones PM2.5, PM10, O3, NO2, SO2, CO in this order (decision A7)
--   reason: why there is no index: no_data, or no_pm_nowcast
--   band_vi: band of the index in Vietnamese
--   band_en: band of the index in English
--   colour: colour of the band
--   aqi_norm: index with nowcasts that are divided by their weights; not the text of the Decision (decision A3)
--   parameter_norm: parameter that is responsible for aqi_norm
--   aqi_pm2_5: sub-index of PM2.5, unrounded
--   aqi_pm10: sub-index of PM10, unrounded
--   aqi_o3: sub-index of O3, unrounded
--   aqi_no2: sub-index of NO2, unrounded
--   aqi_so2: sub-index of SO2, unrounded
--   aqi_co: sub-index of CO, unrounded
--   pm2_5_nowcast [µg/m³]: nowcast of PM2.5 as the Decision writes it
--   pm2_5_nowcast_norm [µg/m³]: nowcast of PM2.5 divided by its weights
--   pm10_nowcast [µg/m³]: nowcast of PM10 as the Decision writes it
--   pm10_nowcast_norm [µg/m³]: nowcast of PM10 divided by its weights
--   o3 [µg/m³]: mean of O3 over the hour
--   no2 [µg/m³]: mean of NO2 over the hour
--   so2 [µg/m³]: mean of SO2 over the hour
--   co [µg/m³]: mean of CO over the hour
--
-- Source: Decision 1459/QĐ-TCMT: PM by nowcast over 12 hours, gases by the mean over 1 hour, O3 by its column of 1 hour.
with steps as (
  select
    array_agg(aqi order by aqi) as aqi,
    array_agg(o3_1h order by aqi) as o3_1h,
    array_agg(o3_8h order by aqi) as o3_8h,
    array_agg(co order by aqi) as co,
    array_agg(so2 order by aqi) as so2,
    array_agg(no2 order by aqi) as no2,
    array_agg(pm10 order by aqi) as pm10,
    array_agg(pm2_5 order by aqi) as pm2_5
  from public.vn_aqi_breakpoints
), nowcasts as (
  select
    province, zone, site, device, hour, local_hour, day, o3, no2, so2, co,
    pm2_5 is null and pm10 is null and o3 is null and no2 is null and so2 is null and co is null as is_empty,
    vn_nowcast(hour, pm2_5) over newest as pm2_5_nowcast,
    vn_nowcast_norm(hour, pm2_5) over newest as pm2_5_nowcast_norm,
    vn_nowcast(hour, pm10) over newest as pm10_nowcast,
    vn_nowcast_norm(hour, pm10) over newest as pm10_nowcast_norm
  from public.air_hours
  window newest as (
    partition by province, zone, site, device order by hour range between interval '11 hours' preceding and current row
  )
), indexed as (
  select
    n.*,
    vn_aqi(n.pm2_5_nowcast, s.pm2_5, s.aqi) as i_pm2_5,
    vn_aqi(n.pm10_nowcast, s.pm10, s.aqi) as i_pm10,
    vn_aqi(n.pm2_5_nowcast_norm, s.pm2_5, s.aqi) as n_pm2_5,
    vn_aqi(n.pm10_nowcast_norm, s.pm10, s.aqi) as n_pm10,
    vn_aqi(n.o3, s.o3_1h, s.aqi) as i_o3,
    vn_aqi(n.no2, s.no2, s.aqi) as i_no2,
    vn_aqi(n.so2, s.so2, s.aqi) as i_so2,
    vn_aqi(n.co, s.co, s.aqi) as i_co
  from nowcasts n cross join steps s
), greatest_ones as (
  select
    *,
    case when i_pm2_5 is not null or i_pm10 is not null
      then greatest(i_pm2_5, i_pm10, i_o3, i_no2, i_so2, i_co) end as best,
    case when n_pm2_5 is not null or n_pm10 is not null
      then greatest(n_pm2_5, n_pm10, i_o3, i_no2, i_so2, i_co) end as best_norm
  from indexed
), rounded as (
  select
    *,
    cast(cast(best as decimal(20, 0)) as bigint) as aqi,
    cast(cast(best_norm as decimal(20, 0)) as bigint) as aqi_norm
  from greatest_ones
)
select
  r.province,
  r.zone,
  r.site,
  r.device,
  r.hour,
  r.local_hour,
  r.day,
  r.aqi,
  case
      when r.i_pm2_5 = r.best then 'PM2.5'
      when r.i_pm10 = r.best then 'PM10'
      when r.i_o3 = r.best then 'O3'
      when r.i_no2 = r.best then 'NO2'
      when r.i_so2 = r.best then 'SO2'
      when r.i_co = r.best then 'CO' end as parameter,
  case when r.aqi is not null then null when r.is_empty then 'no_data' else 'no_pm_nowcast' end as reason,
  b.name_vi as band_vi,
  b.name_en as band_en,
  b.hex as colour,
  r.aqi_norm,
  case
      when r.n_pm2_5 = r.best_norm then 'PM2.5'
      when r.n_pm10 = r.best_norm then 'PM10'
      when r.i_o3 = r.best_norm then 'O3'
      when r.i_no2 = r.best_norm then 'NO2'
      when r.i_so2 = r.best_norm then 'SO2'
      when r.i_co = r.best_norm then 'CO' end as parameter_norm,
  cast(r.i_pm2_5 as double precision) as aqi_pm2_5,
  cast(r.i_pm10 as double precision) as aqi_pm10,
  cast(r.i_o3 as double precision) as aqi_o3,
  cast(r.i_no2 as double precision) as aqi_no2,
  cast(r.i_so2 as double precision) as aqi_so2,
  cast(r.i_co as double precision) as aqi_co,
  cast(r.pm2_5_nowcast as double precision) as pm2_5_nowcast,
  cast(r.pm2_5_nowcast_norm as double precision) as pm2_5_nowcast_norm,
  cast(r.pm10_nowcast as double precision) as pm10_nowcast,
  cast(r.pm10_nowcast_norm as double precision) as pm10_nowcast_norm,
  cast(r.o3 as double precision) as o3,
  cast(r.no2 as double precision) as no2,
  cast(r.so2 as double precision) as so2,
  cast(r.co as double precision) as co
from rounded r
left join public.aqi_bands b on r.aqi between b.aqi_from and b.aqi_to and b.valid_to is null
