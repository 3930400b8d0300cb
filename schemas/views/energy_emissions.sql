-- Carbon dioxide that the electricity of each meter and local day stands for, by the factor of an agency, beside what the meter says itself.
--
-- Reach: day, 64 hours back, 64 hours ahead.
--
--   day: local day
--   active_kwh [kWh]: active energy taken
--   kg_per_kwh [kg]: factor in force at that day
--   co2_t [t]: energy times factor; none where there is a reason
--   co2_meter_t [t]: sum of what the meter gives for its intervals
--   factor_source: where the factor is from
--   reason: why there is no co2_t: factor_not_at_hand
--
-- Source: the factor is a row of the table carbon_factors, which an agency brings; none is built in.
with days as (
  select
    province, zone, site, device, day, sum(active_kwh) as active_kwh, sum(co2_t) as co2_meter_t
  from public.energy_intervals
  group by province, zone, site, device, day
)
select
  d.province, d.zone, d.site, d.device, d.day,
  cast(d.active_kwh as double precision) as active_kwh,
  f.kg_per_kwh,
  cast(d.active_kwh * cast(f.kg_per_kwh as decimal(12, 6)) as double precision) / 1000 as co2_t,
  cast(d.co2_meter_t as double precision) as co2_meter_t,
  f.source as factor_source,
  case when f.kg_per_kwh is null then 'factor_not_at_hand' end as reason
from days d
left join public.carbon_factors f
  on f.energy = 'electricity'
  and d.day between f.valid_from and coalesce(f.valid_to, date '9999-12-31')
