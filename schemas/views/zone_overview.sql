-- The present of each zone in one row: devices, air, production, energy, incidents and 5G. The table that is opened first.
--
-- Reach: none, it is of the moment at which it is asked.
--
--   province: province
--   zone: code of the zone
--   name: name of the zone
--   kind: KKT, KCN or CCN
--   day: local day of the question, Asia/Ho_Chi_Minh
--   devices: devices that are known
--   devices_online: devices with a row in the last hour, of any table and quality
--   devices_silent: the others
--   newest_at: newest row of the last 24 hours
--   aqi: greatest VN_AQI of its stations in the last three hours
--   aqi_reason: why there is none: no_index
--   exceedances_today: limits of ambient air that are in force and were exceeded today; none where no average could be judged yet
--   completeness_percent [%]: good readings of those expected, yesterday, over the stations whose interval is known
--   oee_today: overall equipment effectiveness of today over all machines whose factors are all known, from summed times and pieces
--   energy_today_kwh [kWh]: active energy of all meters today; a meter behind another one counts twice
--   peak_today_kw [kW]: greatest sum of the mean powers of all meters over an interval that ends at the same time, today
--   incidents_open: incidents of the last 30 days that are not closed
--   critical_open: those of them that are critical
--   network_verdict: verdicts of QCVN 126 of this month, by operator; none where nothing was measured
--
-- Source: the views that stand for each column.
with known as (
  select province, zone, count(*) as devices from (select distinct province, zone, device from public.devices) as of_each group by province, zone
), newest as (
  select province, zone, device, max(time) as time from public.environment
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
  union all
  select province, zone, device, max(time) from public.production
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
  union all
  select province, zone, device, max(time) from public.energy
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
  union all
  select province, zone, device, max(time) from public.network
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
  union all
  select province, zone, device, max(time) from public.security
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
  union all
  select province, zone, device, max(time) from public.assets
    where time >= now() - interval '24 hours' and time <= now() + interval '1 hour' group by province, zone, device
), online as (
  select
    province, zone, max(time) as newest_at,
    count(distinct case when time >= now() - interval '1 hour' then device end) as devices_online
  from newest
  group by province, zone
), air as (
  select province, zone, max(aqi) as aqi from public.air_quality_hourly where hour >= now() - interval '3 hours' group by province, zone
), limits as (
  select
    province, zone,
    sum(case when averages > 0 then exceeded end) as exceedances
  from public.air_checks
  where in_force and day = cast(timezone('Asia/Ho_Chi_Minh', now()) as date)
  group by province, zone
), complete as (
  select
    province, zone,
    100.0 * sum(good) / nullif(sum(expected), 0) as completeness_percent
  from public.data_completeness
  where day = cast(timezone('Asia/Ho_Chi_Minh', now() - interval '24 hours') as date) and interval_seconds is not null
  group by province, zone
), machines as (
  select
    province, zone,
    sum(running_seconds) / nullif(sum(planned_seconds), 0)
      * (sum(ideal_seconds) / nullif(sum(running_seconds), 0))
      * (cast(sum(good) as double precision) / nullif(sum(pieces), 0)) as oee_today
  from public.oee
  where period = 'day' and day = cast(timezone('Asia/Ho_Chi_Minh', now()) as date) and oee is not null
  group by province, zone
), powers as (
  select
    province, zone, time, sum(active_kwh) as active_kwh,
    sum(cast(active_kwh as double precision) * 3600 / nullif(seconds, 0)) as kw
  from public.energy_intervals
  where time >= timezone('Asia/Ho_Chi_Minh', date_trunc('day', timezone('Asia/Ho_Chi_Minh', now())))
    and day = cast(timezone('Asia/Ho_Chi_Minh', now()) as date)
  group by province, zone, time
), power_today as (
  select province, zone, cast(sum(active_kwh) as double precision) as energy_today_kwh, max(kw) as peak_today_kw
  from powers
  group by province, zone
), open_incidents as (
  select
    province, zone,
    count(*) as incidents_open,
    count(case when severity = 'critical' then 1 end) as critical_open
  from public.incidents
  where is_open and detected_at >= now() - interval '30 days'
  group by province, zone
), radio as (
  select
    province, zone,
    string_agg(concat(operator, ': ', coalesce(verdict, verdict_as_of)), ', ' order by operator) as network_verdict
  from public.network_quality
  where month = cast(date_trunc('month', timezone('Asia/Ho_Chi_Minh', now())) as date)
  group by province, zone
)
select
  z.province, z.code as zone, z.name, z.kind,
  cast(timezone('Asia/Ho_Chi_Minh', now()) as date) as day,
  coalesce(d.devices, 0) as devices,
  coalesce(o.devices_online, 0) as devices_online,
  coalesce(d.devices, 0) - coalesce(o.devices_online, 0) as devices_silent,
  o.newest_at,
  a.aqi,
  case when a.aqi is null then 'no_index' end as aqi_reason,
  cast(l.exceedances as bigint) as exceedances_today,
  c.completeness_percent,
  m.oee_today,
  e.energy_today_kwh,
  e.peak_today_kw,
  coalesce(s.incidents_open, 0) as incidents_open,
  coalesce(s.critical_open, 0) as critical_open,
  n.network_verdict
from public.zones z
left join known d on d.province = z.province and d.zone = z.code
left join online o on o.province = z.province and o.zone = z.code
left join air a on a.province = z.province and a.zone = z.code
left join limits l on l.province = z.province and l.zone = z.code
left join complete c on c.province = z.province and c.zone = z.code
left join machines m on m.province = z.province and m.zone = z.code
left join power_today e on e.province = z.province and e.zone = z.code
left join open_incidents s on s.province = z.province and s.zone = z.code
left join radio n on n.province = z.province and n.zone = z.code
