-- Coverage by class of RSRP for each operator, technology, zone and local day.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   operator: operator as the test names it
--   network_mode: technology in use
--   class: number of the class, 1 for the best
--   name_vi: name of the class in Vietnamese
--   name_en: name of the class in English
--   rsrp_from [dBm]: lower bound, within the class (decision N9)
--   rsrp_to [dBm]: upper bound, outside of the class
--   samples: rows of the class
--   measured: rows of all classes
--   share_percent [%]: rows of the class of those measured
--   not_measured: rows whose RSRP is none or outside of −156 to −31 dBm, which are no measurement (decision N6)
--
-- Source: the range is that of 3GPP; the classes of the table rsrp_classes are usual practice, not a rule of a text.
with readings as (
  select
    province, zone, operator, network_mode,
    cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day,
    case when rsrp between -156 and -31 then rsrp end as rsrp
  from public.network
  where quality = 'good' and operator is not null and network_mode is not null
), placed as (
  select
    r.province, r.zone, r.operator, r.network_mode, r.day, r.rsrp, c.class, c.name_vi, c.name_en, c.rsrp_from, c.rsrp_to
  from readings r
  left join public.rsrp_classes c
    on r.rsrp >= c.rsrp_from
    and (r.rsrp < c.rsrp_to or (r.rsrp = -31 and c.rsrp_to = -31))
    and r.day between c.valid_from and coalesce(c.valid_to, date '9999-12-31')
), classes as (
  select
    province, zone, operator, network_mode, day, class, name_vi, name_en, rsrp_from, rsrp_to, count(*) as samples
  from placed
  group by province, zone, operator, network_mode, day, class, name_vi, name_en, rsrp_from, rsrp_to
), counted as (
  select
    *,
    cast(sum(case when class is not null then samples else 0 end) over of_day as bigint) as measured,
    cast(sum(case when class is null then samples else 0 end) over of_day as bigint) as not_measured
  from classes
  window of_day as (partition by province, zone, operator, network_mode, day)
)
select
  province, zone, operator, network_mode, day, class, name_vi, name_en, rsrp_from, rsrp_to,
  case when class is not null then samples else 0 end as samples,
  measured,
  case when class is not null then 100.0 * samples / measured end as share_percent,
  not_measured
from counted
where class is not null or measured = 0
