-- Energy of each meter and local day by tariff of the time of use, and its cost, in both schedules by name.
--
-- Reach: day, 64 hours back, 88 hours ahead.
--
--   day: local day
--   schedule: schedule of the windows: old, or new
--   is_billed: true for the schedule that the customer is billed by (table meters); the calendar alone never changes it (decision B2)
--   tariff: peak, normal or offpeak
--   active_kwh [kWh]: active energy taken
--   price [VND/kWh]: price before VAT
--   price_valid_from: first day of that price; where it is later than the day, the first price list that there is was taken (decision B9)
--   cost [VND]: cost before VAT, unrounded (decision B8)
--   reason: why there is no price: meter_unknown (table meters), or no_price
--
-- A public holiday counts as its weekday; only Sunday has no peak (decision B3). An interval belongs to the window in which it begins.
-- Source: Circular 16/2014/TT-BCT and Decision 963/QĐ-BCT (windows), Decision 1279/QĐ-BCT (prices), in the tables electricity_time_of_use and
-- electricity_prices.
with priced as (
  select
    customer_group, voltage, tariff, price, valid_from,
    coalesce(valid_to, date '9999-12-31') as last_day,
    min(valid_from) over (partition by customer_group, voltage, tariff) as first_day
  from public.electricity_prices
), placed as (
  select
    e.province, e.zone, e.site, e.device, e.day, w.schedule, w.tariff, e.active_kwh, e.customer_group, e.voltage,
    e.schedule = w.schedule as is_billed
  from public.energy_intervals e
  join public.electricity_time_of_use w
    on to_char(e.local_start, 'HH24:MI') >= w.starts
    and to_char(e.local_start, 'HH24:MI') < w.ends
    and (w.days = 'all' or (w.days = 'sun') = (extract(dow from e.local_start) = 0))
    and w.valid_to is null
), days as (
  select province, zone, site, device, day, schedule, is_billed, tariff, customer_group, voltage, sum(active_kwh) as active_kwh
  from placed
  group by province, zone, site, device, day, schedule, is_billed, tariff, customer_group, voltage
)
select
  d.province, d.zone, d.site, d.device, d.day, d.schedule, d.is_billed, d.tariff,
  cast(d.active_kwh as double precision) as active_kwh,
  p.price,
  p.valid_from as price_valid_from,
  cast(d.active_kwh * cast(p.price as decimal(12, 2)) as double precision) as cost,
  case when d.customer_group is null then 'meter_unknown' when p.price is null then 'no_price' end as reason
from days d
left join priced p
  on p.customer_group = d.customer_group
  and p.voltage = d.voltage
  and p.tariff = d.tariff
  and (d.day between p.valid_from and p.last_day or (d.day < p.first_day and p.valid_from = p.first_day))
