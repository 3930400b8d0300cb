-- Limits of ambient air that were in force and were exceeded, by station, day, parameter and averaging time, with duration and worst value.
--
-- Reach: day, 40 hours back, 64 hours ahead.
--
--   day: air-quality day, 01:00 to 24:00 in the station's own time
--   parameter: parameter
--   averaging: time over which is averaged: 1h, 8h or 24h
--   regulation: regulation of the limit
--   limit_value [µg/Nm³]: limit that was in force at that day
--   averages: averages of the day that are made of enough hours
--   exceeded: averages above the limit; of 8h windows, so that a row is a day of the count of days (decision A17)
--   duration [h]: hours in which the average that ends with them is above the limit; for 24h the hours of the day
--   worst [µg/m³]: greatest average of the day
--   worst_at: end of the hour or window with the greatest average; none for 24h
--
-- Days before the first limit have no row here. They are judged as of a date by the view air_checks, where the limit of that date stands in
-- the row.
-- Source: QCVN 05:2023/BTNMT, in the table air_limits.
select
  province, zone, site, device, day, parameter, averaging, regulation, limit_value,
  averages, exceeded, duration, worst, worst_at
from public.air_checks
where in_force and verdict = 'exceeded'
