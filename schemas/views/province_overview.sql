-- The present of each province in one row: the sums of its zones, and how far the roll-out of 5G is.
--
-- Reach: none, it is of the moment at which it is asked.
--
--   province: code of the province
--   name: name of the province
--   day: local day of the question, Asia/Ho_Chi_Minh
--   zones: zones
--   zones_with_devices: zones with devices
--   devices: devices that are known
--   devices_online: devices with a row in the last hour
--   devices_silent: the others
--   newest_at: newest row of the last 24 hours
--   aqi: greatest VN_AQI of its stations in the last three hours
--   exceedances_today: limits of ambient air that were exceeded today; none where no average could be judged yet
--   worst_completeness_percent [%]: least completeness of a zone, yesterday
--   energy_today_kwh [kWh]: active energy of all meters today
--   incidents_open: incidents of the last 30 days that are not closed
--   critical_open: those of them that are critical
--   rollout_target: stations with 5G that there are to be, all operators
--   rollout_on_air: stations with 5G on air at the newest day on which the plan asked
--   rollout_percent [%]: on air of target
--   rollout_reason: why there is no number of stations: no_stations_reported, or in_the_future
--
-- There is no effectiveness of a province: machines of other zones make other things. The view exists for roles that read a whole province.
-- Source: the views zone_overview and rollout_progress.
with of_zones as (
  select
    province,
    min(day) as day,
    count(*) as zones,
    count(case when devices > 0 then 1 end) as zones_with_devices,
    sum(devices) as devices,
    sum(devices_online) as devices_online,
    sum(devices_silent) as devices_silent,
    max(newest_at) as newest_at,
    max(aqi) as aqi,
    sum(exceedances_today) as exceedances_today,
    min(completeness_percent) as worst_completeness_percent,
    sum(energy_today_kwh) as energy_today_kwh,
    sum(incidents_open) as incidents_open,
    sum(critical_open) as critical_open
  from public.zone_overview
  group by province
), rollout as (
  select province, target, on_air, on_air_percent, reason,
    row_number() over (partition by province order by coalesce(reason, '') = 'in_the_future', asked_at desc) as place
  from public.rollout_progress
  where operator = 'all' and scope = 'province'
)
select
  p.code as province, p.name, z.day, z.zones, z.zones_with_devices,
  cast(z.devices as bigint) as devices,
  cast(z.devices_online as bigint) as devices_online,
  cast(z.devices_silent as bigint) as devices_silent,
  z.newest_at, z.aqi,
  cast(z.exceedances_today as bigint) as exceedances_today,
  z.worst_completeness_percent, z.energy_today_kwh,
  cast(z.incidents_open as bigint) as incidents_open,
  cast(z.critical_open as bigint) as critical_open,
  r.target as rollout_target,
  r.on_air as rollout_on_air,
  r.on_air_percent as rollout_percent,
  r.reason as rollout_reason
from public.provinces p
join of_zones z on z.province = p.code
join rollout r on r.province = p.code and r.place = 1
