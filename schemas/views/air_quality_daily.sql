-- VN_AQI of each air-quality day of each station, to be published (three quarters of the hours) and by the text alone (any hour).
--
-- Reach: day, 40 hours back, 64 hours ahead.
--
--   day: air-quality day, 01:00 to 24:00 in the station's own time; a day of one hour is one
--   aqi: index where a parameter has 18 of 24 hours, and O3 over 8 hours 18 windows of 6 hours at least (decision A5)
--   parameter: parameter that is responsible for aqi; of equal ones PM2.5, PM10, O3, NO2, SO2, CO in this order (decision A7)
--   reason: why there is no aqi: no_data, no_pm or too_few_hours
--   band_vi: band of aqi in Vietnamese
--   band_en: band of aqi in English
--   colour: colour of the band
--   aqi_any: index by the text of the Decision, which asks for no number of hours
--   parameter_any: parameter that is responsible for aqi_any
--   reason_any: why there is no aqi_any: no_data or no_pm
--   aqi_pm2_5: sub-index of PM2.5 where there are enough hours, unrounded
--   aqi_pm10: sub-index of PM10 where there are enough hours, unrounded
--   aqi_o3: sub-index of O3 where there are enough hours, unrounded
--   aqi_no2: sub-index of NO2 where there are enough hours, unrounded
--   aqi_so2: sub-index of SO2 where there are enough hours, unrounded
--   aqi_co: sub-index of CO where there are enough hours, unrounded
--   aqi_pm2_5_any: sub-index of PM2.5 of any hours, unrounded
--   aqi_pm10_any: sub-index of PM10 of any hours, unrounded
--   aqi_o3_any: sub-index of O3 of any hours, unrounded
--   aqi_no2_any: sub-index of NO2 of any hours, unrounded
--   aqi_so2_any: sub-index of SO2 of any hours, unrounded
--   aqi_co_any: sub-index of CO of any hours, unrounded
--   pm2_5_24h [µg/m³]: mean of PM2.5 over the hours of the day, however many
--   pm2_5_hours: hours with a mean of PM2.5
--   pm10_24h [µg/m³]: mean of PM10 over the hours of the day, however many
--   pm10_hours: hours with a mean of PM10
--   o3_max_1h [µg/m³]: greatest mean of O3 over an hour
--   o3_hours: hours with a mean of O3
--   no2_max_1h [µg/m³]: greatest mean of NO2 over an hour
--   no2_hours: hours with a mean of NO2
--   so2_max_1h [µg/m³]: greatest mean of SO2 over an hour
--   so2_hours: hours with a mean of SO2
--   co_max_1h [µg/m³]: greatest mean of CO over an hour
--   co_hours: hours with a mean of CO
--   o3_max_8h [µg/m³]: greatest mean of O3 over 8 hours, of windows with 6 hours at least
--   o3_max_8h_any [µg/m³]: greatest mean of O3 over 8 hours, of any windows
--   o3_windows: windows that end in the day with 6 hours at least
--
-- Source: Decision 1459/QĐ-TCMT: PM by the mean over 24 hours, SO2, NO2 and CO by the greatest hour, O3 by the greatest hour and the greatest
-- of 24 moving means over 8 hours, which reach back before midnight (decision A12) and are left out above 400 (decision A9). The number of
-- hours is a recommendation, not a rule of the Decision.
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
), hours as (
  select
    province, zone, site, device, day, pm2_5, pm10, o3, no2, so2, co,
    avg(o3) over eight as o3_8h,
    count(o3) over eight as o3_8h_hours
  from public.air_hours
  window eight as (
    partition by province, zone, site, device order by hour range between interval '7 hours' preceding and current row
  )
), days as (
  select
    province, zone, site, device, day,
    cast(avg(pm2_5) as decimal(38, 20)) as pm2_5_24h,
    count(pm2_5) as pm2_5_hours,
    cast(avg(pm10) as decimal(38, 20)) as pm10_24h,
    count(pm10) as pm10_hours,
    max(o3) as o3_max_1h,
    count(o3) as o3_hours,
    cast(max(case when o3_8h_hours >= 6 then o3_8h end) as decimal(38, 20)) as o3_max_8h,
    cast(max(o3_8h) as decimal(38, 20)) as o3_max_8h_any,
    count(case when o3_8h_hours >= 6 then o3_8h end) as o3_windows,
    max(no2) as no2_max_1h,
    count(no2) as no2_hours,
    max(so2) as so2_max_1h,
    count(so2) as so2_hours,
    max(co) as co_max_1h,
    count(co) as co_hours
  from hours
  group by province, zone, site, device, day
), indexed as (
  select
    d.*,
    case when d.pm2_5_hours >= 18 then vn_aqi(d.pm2_5_24h, s.pm2_5, s.aqi) end as i_pm2_5,
    case when d.pm10_hours >= 18 then vn_aqi(d.pm10_24h, s.pm10, s.aqi) end as i_pm10,
    greatest(
      case when d.o3_hours >= 18 then vn_aqi(d.o3_max_1h, s.o3_1h, s.aqi) end,
      case when d.o3_windows >= 18 then vn_aqi(d.o3_max_8h, s.o3_8h, s.aqi) end
    ) as i_o3,
    case when d.no2_hours >= 18 then vn_aqi(d.no2_max_1h, s.no2, s.aqi) end as i_no2,
    case when d.so2_hours >= 18 then vn_aqi(d.so2_max_1h, s.so2, s.aqi) end as i_so2,
    case when d.co_hours >= 18 then vn_aqi(d.co_max_1h, s.co, s.aqi) end as i_co,
    case when d.pm2_5_hours >= 1 then vn_aqi(d.pm2_5_24h, s.pm2_5, s.aqi) end as i_pm2_5_any,
    case when d.pm10_hours >= 1 then vn_aqi(d.pm10_24h, s.pm10, s.aqi) end as i_pm10_any,
    greatest(
      case when d.o3_hours >= 1 then vn_aqi(d.o3_max_1h, s.o3_1h, s.aqi) end,
      case when true then vn_aqi(d.o3_max_8h_any, s.o3_8h, s.aqi) end
    ) as i_o3_any,
    case when d.no2_hours >= 1 then vn_aqi(d.no2_max_1h, s.no2, s.aqi) end as i_no2_any,
    case when d.so2_hours >= 1 then vn_aqi(d.so2_max_1h, s.so2, s.aqi) end as i_so2_any,
    case when d.co_hours >= 1 then vn_aqi(d.co_max_1h, s.co, s.aqi) end as i_co_any
  from days d cross join steps s
), greatest_ones as (
  select
    *,
    case when i_pm2_5 is not null or i_pm10 is not null
      then greatest(i_pm2_5, i_pm10, i_o3, i_no2, i_so2, i_co) end as best,
    case when i_pm2_5_any is not null or i_pm10_any is not null
      then greatest(i_pm2_5_any, i_pm10_any, i_o3_any, i_no2_any, i_so2_any, i_co_any) end as best_any,
    case
      when pm2_5_hours + pm10_hours + o3_hours + no2_hours + so2_hours + co_hours = 0 then 'no_data'
      when pm2_5_hours + pm10_hours = 0 then 'no_pm'
      else 'too_few_hours' end as why
  from indexed
), rounded as (
  select
    *,
    cast(cast(best as decimal(20, 0)) as bigint) as aqi,
    cast(cast(best_any as decimal(20, 0)) as bigint) as aqi_any
  from greatest_ones
)
select
  r.province,
  r.zone,
  r.site,
  r.device,
  r.day,
  r.aqi,
  case
      when r.i_pm2_5 = r.best then 'PM2.5'
      when r.i_pm10 = r.best then 'PM10'
      when r.i_o3 = r.best then 'O3'
      when r.i_no2 = r.best then 'NO2'
      when r.i_so2 = r.best then 'SO2'
      when r.i_co = r.best then 'CO' end as parameter,
  case when r.aqi is null then r.why end as reason,
  b.name_vi as band_vi,
  b.name_en as band_en,
  b.hex as colour,
  r.aqi_any,
  case
      when r.i_pm2_5_any = r.best_any then 'PM2.5'
      when r.i_pm10_any = r.best_any then 'PM10'
      when r.i_o3_any = r.best_any then 'O3'
      when r.i_no2_any = r.best_any then 'NO2'
      when r.i_so2_any = r.best_any then 'SO2'
      when r.i_co_any = r.best_any then 'CO' end as parameter_any,
  case when r.aqi_any is null then r.why end as reason_any,
  cast(r.i_pm2_5 as double precision) as aqi_pm2_5,
  cast(r.i_pm10 as double precision) as aqi_pm10,
  cast(r.i_o3 as double precision) as aqi_o3,
  cast(r.i_no2 as double precision) as aqi_no2,
  cast(r.i_so2 as double precision) as aqi_so2,
  cast(r.i_co as double precision) as aqi_co,
  cast(r.i_pm2_5_any as double precision) as aqi_pm2_5_any,
  cast(r.i_pm10_any as double precision) as aqi_pm10_any,
  cast(r.i_o3_any as double precision) as aqi_o3_any,
  cast(r.i_no2_any as double precision) as aqi_no2_any,
  cast(r.i_so2_any as double precision) as aqi_so2_any,
  cast(r.i_co_any as double precision) as aqi_co_any,
  cast(r.pm2_5_24h as double precision) as pm2_5_24h,
  r.pm2_5_hours,
  cast(r.pm10_24h as double precision) as pm10_24h,
  r.pm10_hours,
  cast(r.o3_max_1h as double precision) as o3_max_1h,
  r.o3_hours,
  cast(r.no2_max_1h as double precision) as no2_max_1h,
  r.no2_hours,
  cast(r.so2_max_1h as double precision) as so2_max_1h,
  r.so2_hours,
  cast(r.co_max_1h as double precision) as co_max_1h,
  r.co_hours,
  cast(r.o3_max_8h as double precision) as o3_max_8h,
  cast(r.o3_max_8h_any as double precision) as o3_max_8h_any,
  r.o3_windows
from rounded r
left join public.aqi_bands b on r.aqi between b.aqi_from and b.aqi_to and b.valid_to is null
