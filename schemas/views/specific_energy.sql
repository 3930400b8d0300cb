-- Energy that a line takes for each piece that it makes, by local day.
--
-- Reach: day, 112 hours back, 64 hours ahead.
--
--   day: local day
--   meters: meters of the line that sent values
--   meters_expected: meters that the table line_meters has for the line
--   active_kwh [kWh]: active energy taken by all its meters
--   pieces: pieces made
--   good: good pieces made
--   kwh_per_piece [kWh]: energy of a piece; none where there is a reason
--   kwh_per_good_piece [kWh]: energy of a good piece; none where there is a reason or no good piece
--   reason: why there is no figure: meter_silent (a meter of the line sent nothing), no_counts or nothing_made
--
-- A line without a row in the table line_meters has no rows here.
-- Source: energy of the view energy_intervals, pieces of the view counters.
with taken as (
  select
    province, zone, device as meter, day, sum(active_kwh) as active_kwh
  from public.energy_intervals
  group by province, zone, device, day
), lines as (
  select
    l.province, l.zone, l.device, e.day,
    count(*) as meters,
    cast(sum(e.active_kwh) as double precision) as active_kwh
  from public.line_meters l
  join taken e
    on e.province = l.province
    and e.zone = l.zone
    and e.meter = l.meter
    and e.day between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
  group by l.province, l.zone, l.device, e.day
), expected as (
  select
    n.province, n.zone, n.device, n.day, n.meters, n.active_kwh,
    count(l.meter) as meters_expected
  from lines n
  join public.line_meters l
    on l.province = n.province
    and l.zone = n.zone
    and l.device = n.device
    and n.day between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
  group by n.province, n.zone, n.device, n.day, n.meters, n.active_kwh
), made as (
  select
    province, zone, device, cast(timezone(time_zone, time - interval '1 microsecond') as date) as day,
    cast(sum(total) as bigint) as pieces,
    cast(sum(good) as bigint) as good
  from public.counters
  group by province, zone, device, cast(timezone(time_zone, time - interval '1 microsecond') as date)
), judged as (
  select
    x.province, x.zone, x.device, x.day, x.meters, x.meters_expected, x.active_kwh, m.pieces, m.good,
    case
      when x.meters < x.meters_expected then 'meter_silent'
      when m.pieces is null then 'no_counts'
      when m.pieces = 0 then 'nothing_made' end as reason
  from expected x
  left join made m on m.province = x.province and m.zone = x.zone and m.device = x.device and m.day = x.day
)
select
  province, zone, device, day, meters, meters_expected, active_kwh, pieces, good,
  case when reason is null then active_kwh / pieces end as kwh_per_piece,
  case when reason is null then active_kwh / nullif(good, 0) end as kwh_per_good_piece,
  reason
from judged
