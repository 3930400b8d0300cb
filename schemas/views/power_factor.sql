-- Power factor of each meter and calendar month, and the surcharge on active energy that follows from it.
--
-- Reach: month, 64 hours back, 840 hours ahead.
--
--   month: first day of the local month
--   active_kwh [kWh]: active energy taken
--   lagging_kvarh [kvarh]: reactive energy taken, of lagging current
--   leading_kvarh [kvarh]: reactive energy of leading current
--   cos_phi: power factor of the sums of the month, lagging alone (decision B6), unrounded
--   cos_phi_rounded: the same to two decimals, half up (decision B7)
--   surcharge_percent [%]: surcharge by the printed table for the rounded value
--   surcharge_percent_truncated [%]: surcharge by the printed table for the value cut to two decimals
--   surcharge_percent_formula [%]: (0.9 / cos φ − 1) · 100 of the unrounded value
--   cos_phi_net: power factor of lagging less leading energy
--   active_cost [VND]: cost of active energy before VAT by the schedule that the customer is billed by
--   surcharge [VND]: surcharge_percent of active_cost, before VAT, unrounded (decision B8)
--
-- It is charged from a contracted power of 40 kW on, which is not known here.
-- Source: Circular 15/2014/TT-BCT, in the table power_factor_surcharges.
with months as (
  select
    province, zone, site, device, month,
    cast(sum(active_kwh) as double precision) as active_kwh,
    cast(sum(lagging_kvarh) as double precision) as lagging_kvarh,
    cast(sum(leading_kvarh) as double precision) as leading_kvarh
  from public.energy_intervals
  group by province, zone, site, device, month
), factors as (
  select
    *,
    active_kwh / nullif(sqrt(active_kwh * active_kwh + lagging_kvarh * lagging_kvarh), 0) as cos_phi,
    active_kwh / nullif(sqrt(active_kwh * active_kwh
      + (lagging_kvarh - leading_kvarh) * (lagging_kvarh - leading_kvarh)), 0) as cos_phi_net
  from months
), hundredths as (
  select
    *,
    cast(floor(cos_phi * 100 + 0.5) as bigint) as rounded,
    cast(floor(cos_phi * 100) as bigint) as truncated
  from factors
), costs as (
  select province, zone, site, device, cast(date_trunc('month', day) as date) as month, sum(cost) as active_cost
  from public.energy_use
  where is_billed
  group by province, zone, site, device, cast(date_trunc('month', day) as date)
), steps as (
  select
    cast(floor(cos_phi_from * 100 + 0.5) as bigint) as least,
    cast(floor(cos_phi_to * 100 + 0.5) as bigint) as most,
    k_percent,
    threshold
  from public.power_factor_surcharges
  where valid_to is null
)
select
  h.province, h.zone, h.site, h.device, h.month, h.active_kwh, h.lagging_kvarh, h.leading_kvarh, h.cos_phi,
  h.rounded / 100.0 as cos_phi_rounded,
  r.k_percent as surcharge_percent,
  t.k_percent as surcharge_percent_truncated,
  case when h.cos_phi >= r.threshold then 0 else (r.threshold / h.cos_phi - 1) * 100 end as surcharge_percent_formula,
  h.cos_phi_net,
  c.active_cost,
  c.active_cost * r.k_percent / 100 as surcharge
from hundredths h
left join steps r on h.rounded between r.least and r.most
left join steps t on h.truncated between t.least and t.most
left join costs c
  on c.province = h.province and c.zone = h.zone and (c.site is not distinct from h.site) and c.device = h.device
  and c.month = h.month
