-- Energy of each interval of each meter, from values of intervals or from registers that may be reset or exchanged.
--
-- Reach: time, 48 hours back, 0 hours ahead.
--
--   time: end of the interval
--   local_start: beginning of the interval in the meter's own time, which decides its window and its day (decisions B1, B4)
--   day: local day of the beginning
--   month: first day of the local month of the beginning
--   seconds [s]: length of the interval
--   active_kwh [kWh]: active energy taken
--   lagging_kvarh [kvarh]: reactive energy of lagging current
--   leading_kvarh [kvarh]: reactive energy of leading current
--   co2_t [t]: carbon dioxide that the meter gives for the interval
--   customer: customer of the meter
--   customer_group: group of prices
--   voltage: voltage of prices
--   schedule: schedule of the time of use that the customer is billed by; none where the table meters does not have the meter
--
-- A register that falls was reset or exchanged: its new value counts whole, since it began at 0. What it had counted between the last reading and
-- the exchange is not known. A register counts from a reading to the next, if that comes within 47 hours.
-- Source: decision B1 of the requirements; an interval has 900 s where the table meters does not say otherwise.
with readings as (
  select
    province, zone, site, device, time, active_energy, reactive_energy_lagging, reactive_energy_leading, co2, active_energy_total,
    lag(time) over of_meter as time_before,
    lag(active_energy_total) over of_meter as total_before
  from public.energy
  where quality = 'good' and (active_energy is not null or active_energy_total is not null)
  window of_meter as (partition by province, zone, site, device order by time)
), metered as (
  select
    r.province, r.zone, r.site, r.device, r.time,
    case when r.active_energy is not null then cast(r.active_energy as decimal(18, 3))
      when r.active_energy_total >= r.total_before
        then cast(r.active_energy_total as decimal(18, 3)) - cast(r.total_before as decimal(18, 3))
      else cast(r.active_energy_total as decimal(18, 3)) end as active_kwh,
    cast(r.reactive_energy_lagging as decimal(18, 3)) as lagging_kvarh,
    cast(r.reactive_energy_leading as decimal(18, 3)) as leading_kvarh,
    cast(r.co2 as decimal(18, 3)) as co2_t,
    case when r.active_energy is not null then coalesce(m.interval_seconds, 900)
      else cast(extract(epoch from r.time) - extract(epoch from r.time_before) as bigint) end as seconds,
    coalesce(m.time_zone, 'Asia/Ho_Chi_Minh') as time_zone,
    m.customer, m.customer_group, m.voltage, m.schedule
  from readings r
  left join public.meters m
    on m.province = r.province
    and m.zone = r.zone
    and m.device = r.device
    and cast(timezone('Asia/Ho_Chi_Minh', r.time - interval '1 microsecond') as date)
      between m.valid_from and coalesce(m.valid_to, date '9999-12-31')
  where r.active_energy is not null or r.time - r.time_before <= interval '47 hours'
), started as (
  select *, timezone(time_zone, time - seconds * interval '1 second') as local_start from metered
)
select
  province, zone, site, device, time, local_start,
  cast(local_start as date) as day,
  cast(date_trunc('month', local_start) as date) as month,
  seconds, active_kwh, lagging_kvarh, leading_kvarh, co2_t, customer, customer_group, voltage, schedule
from started
