-- Readings received against those expected, by station, parameter and local day, by quality.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: day of the data, 00:00 exclusive to 24:00 in the station's own time, so that the stamp 24:00 closes it (decision A1)
--   parameter: parameter
--   field: column of the table environment
--   interval_seconds [s]: time between two readings, by the table stations; none where it is not known
--   expected: readings of the whole day, a partial first or last day included (decision A21); unknown without the interval
--   received: readings of any quality
--   good: readings of quality good, which alone count for means
--   uncertain: readings of quality uncertain: calibrating
--   bad: readings of quality bad: faults
--   received_percent [%]: received of those expected
--   good_percent [%]: good of those expected
--   reason: why there is no percentage: interval_unknown
--
-- A day on which a station sent nothing of a parameter has no row; a longer period is summed by its calendar and not by its rows.
-- Source: Circular 10/2021/TT-BTNMT for the status of readings; a least share was not found in a text (decision A20).
with readings as (
  select province, zone, site, device, time, quality, unnest(make_array(
      named_struct('parameter', 'PM2.5', 'field', 'pm2_5', 'value', pm2_5),
      named_struct('parameter', 'PM10', 'field', 'pm10', 'value', pm10),
      named_struct('parameter', 'TSP', 'field', 'tsp', 'value', tsp),
      named_struct('parameter', 'SO2', 'field', 'so2', 'value', so2),
      named_struct('parameter', 'NO2', 'field', 'no2', 'value', no2),
      named_struct('parameter', 'CO', 'field', 'co', 'value', co),
      named_struct('parameter', 'O3', 'field', 'o3', 'value', o3),
      named_struct('parameter', 'H2S', 'field', 'h2s', 'value', h2s),
      named_struct('parameter', 'NH3', 'field', 'nh3', 'value', nh3),
      named_struct('parameter', 'noise', 'field', 'noise', 'value', noise),
      named_struct('parameter', 'Flow', 'field', 'flow', 'value', flow),
      named_struct('parameter', 'Temp', 'field', 'water_temperature', 'value', water_temperature),
      named_struct('parameter', 'pH', 'field', 'ph', 'value', ph),
      named_struct('parameter', 'COD', 'field', 'cod', 'value', cod),
      named_struct('parameter', 'BOD5', 'field', 'bod5', 'value', bod5),
      named_struct('parameter', 'TOC', 'field', 'toc', 'value', toc),
      named_struct('parameter', 'TSS', 'field', 'tss', 'value', tss),
      named_struct('parameter', 'NH4-N', 'field', 'nh4_n', 'value', nh4_n),
      named_struct('parameter', 'total N', 'field', 'total_n', 'value', total_n),
      named_struct('parameter', 'total P', 'field', 'total_p', 'value', total_p),
      named_struct('parameter', 'Color', 'field', 'color', 'value', color),
      named_struct('parameter', 'stack flow', 'field', 'stack_flow', 'value', stack_flow),
      named_struct('parameter', 'stack temperature', 'field', 'stack_temperature', 'value', stack_temperature),
      named_struct('parameter', 'stack O2', 'field', 'stack_o2', 'value', stack_o2),
      named_struct('parameter', 'stack dust', 'field', 'stack_dust', 'value', stack_dust),
      named_struct('parameter', 'stack SO2', 'field', 'stack_so2', 'value', stack_so2),
      named_struct('parameter', 'stack NOx', 'field', 'stack_nox', 'value', stack_nox),
      named_struct('parameter', 'stack CO', 'field', 'stack_co', 'value', stack_co)
    )) as of_one
  from public.environment
), known as (
  select province, zone, site, device, time, quality, of_one['parameter'] as parameter, of_one['field'] as field
  from readings
  where of_one['value'] is not null
), placed as (
  select
    k.province, k.zone, k.site, k.device, k.parameter, k.field, k.quality,
    cast(timezone(coalesce(s.time_zone, 'Asia/Ho_Chi_Minh'), k.time - interval '1 microsecond') as date) as day,
    s.interval_seconds
  from known k
  left join public.stations s
    on s.province = k.province
    and s.zone = k.zone
    and s.device = k.device
    and s.kind = case
      when k.field in ('pm2_5', 'pm10', 'tsp', 'so2', 'no2', 'co', 'o3', 'h2s', 'nh3') then 'ambient'
      when k.field = 'noise' then 'noise'
      when k.field like 'stack%' then 'stack'
      else 'water' end
    and cast(timezone('Asia/Ho_Chi_Minh', k.time - interval '1 microsecond') as date)
      between s.valid_from and coalesce(s.valid_to, date '9999-12-31')
), days as (
  select
    province, zone, site, device, day, parameter, field, interval_seconds,
    count(*) as received,
    count(case when quality = 'good' then 1 end) as good,
    count(case when quality = 'uncertain' then 1 end) as uncertain
  from placed
  group by province, zone, site, device, day, parameter, field, interval_seconds
)
select
  province, zone, site, device, day, parameter, field, interval_seconds,
  86400 / interval_seconds as expected,
  received,
  good,
  uncertain,
  received - good - uncertain as bad,
  100.0 * received * interval_seconds / 86400 as received_percent,
  100.0 * good * interval_seconds / 86400 as good_percent,
  case when interval_seconds is null then 'interval_unknown' end as reason
from days
