-- Averages of ambient air of each day against every limit that there is or was, in force at that day or not.
--
-- Reach: day, 40 hours back, 64 hours ahead.
--
--   day: air-quality day, 01:00 to 24:00 in the station's own time; its label decides which limit is in force (decision A14)
--   parameter: parameter
--   averaging: time over which is averaged: 1h, 8h or 24h
--   regulation: regulation of the limit
--   limit_value [µg/Nm³]: limit
--   valid_from: first day of the limit
--   valid_to: last day of the limit; none where it is open
--   in_force: true where the limit is valid at the day; where it is not, the rest holds as of the limit's days alone (decision A16)
--   averages: averages of the day that are made of enough hours: 1h each hour, 8h windows with 6 hours at least, 24h with 18 at least
--   expected: averages that a whole day has
--   exceeded: averages above the limit: greater, unrounded, compared exactly (decision A15)
--   duration [h]: hours in which the average that ends with them is above the limit; for 24h the hours of the day
--   worst [µg/m³]: greatest average of the day
--   worst_at: end of the hour or window with the greatest average, the first of several; none for 24h
--   verdict: exceeded, met, or too_few_hours where there is no average
--
-- A parameter of which a day has neither a reading nor an average has no row.
--
-- Concentrations are taken as they were sent, without a conversion between temperatures (decision A19).
-- Source: QCVN 05:2023/BTNMT, in the table air_limits. The number of hours is the usual three quarters, not a rule of a text.
with long as (
  select province, zone, site, device, hour, day, unnest(make_array(
      named_struct('parameter', 'PM2.5', 'value', pm2_5, 'received', pm2_5_received),
      named_struct('parameter', 'PM10', 'value', pm10, 'received', pm10_received),
      named_struct('parameter', 'TSP', 'value', tsp, 'received', tsp_received),
      named_struct('parameter', 'O3', 'value', o3, 'received', o3_received),
      named_struct('parameter', 'NO2', 'value', no2, 'received', no2_received),
      named_struct('parameter', 'SO2', 'value', so2, 'received', so2_received),
      named_struct('parameter', 'CO', 'value', co, 'received', co_received)
    )) as of_one
  from public.air_hours
), hours as (
  select province, zone, site, device, hour, day, of_one['parameter'] as parameter, of_one['value'] as value,
    of_one['received'] as received
  from long
), averages as (
  select
    *,
    cast(avg(value) over eight as decimal(38, 18)) as value_8h,
    count(value) over eight as hours_8h
  from hours
  window eight as (
    partition by province, zone, site, device, parameter order by hour range between interval '7 hours' preceding and current row
  )
), compared as (
  select
    a.province, a.zone, a.site, a.device, a.day, a.hour, a.parameter, a.value, a.received,
    l.averaging, l.regulation, l.limit_value, l.valid_from, l.valid_to,
    case l.averaging when '1h' then a.value when '8h' then case when a.hours_8h >= 6 then a.value_8h end end as average,
    cast(l.limit_value as decimal(18, 4)) as threshold
  from averages a
  join public.air_limits l on l.parameter = a.parameter and l.averaging in ('1h', '8h', '24h')
), days as (
  select
    province, zone, site, device, day, parameter, averaging, regulation, limit_value, threshold, valid_from, valid_to,
    count(average) as averages,
    count(case when average > threshold then 1 end) as exceeded,
    max(average) as worst,
    count(value) as hours,
    sum(received) as received,
    cast(avg(value) as decimal(38, 18)) as mean,
    first_value(hour order by average desc nulls last, hour) as worst_at
  from compared
  group by province, zone, site, device, day, parameter, averaging, regulation, limit_value, threshold, valid_from, valid_to
), judged as (
  select
    province, zone, site, device, day, parameter, averaging, regulation, limit_value, valid_from, valid_to,
    case when averaging = '24h' then case when hours >= 18 then 1 else 0 end else averages end as averages,
    case when averaging = '24h' then 1 else 24 end as expected,
    case when averaging = '24h' then case when hours >= 18 and mean > threshold then 1 else 0 end else exceeded end as exceeded,
    case when averaging = '24h' then case when hours >= 18 and mean > threshold then hours else 0 end else exceeded end as duration,
    case when averaging = '24h' then case when hours >= 18 then mean end else worst end as worst,
    case when averaging <> '24h' and averages > 0 then worst_at end as worst_at
  from days
  -- A window of eight hours may end after the last reading.
  where received > 0 or averages > 0
)
select
  province, zone, site, device, day, parameter, averaging, regulation, limit_value, valid_from, valid_to,
  day between valid_from and coalesce(valid_to, date '9999-12-31') as in_force,
  averages,
  expected,
  exceeded,
  duration,
  cast(worst as double precision) as worst,
  worst_at,
  case when averages = 0 then 'too_few_hours' when exceeded > 0 then 'exceeded' else 'met' end as verdict
from judged
