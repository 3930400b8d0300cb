-- 5G stations on air against the targets of the plans, by province, operator and scope, at each day on which the plans ask.
--
-- Reach: none, it reads no readings.
--
--   province: province
--   operator: operator, or all
--   scope: province, or zones
--   asked_at: day on which the plan asks, or the deadline of the target
--   what: what the plan asks for on that day
--   target: stations with 5G that there are to be at the deadline; none where the plan gives none
--   baseline: stations with 5G before the plan; none where the plan gives none
--   added_target: stations that the plan adds
--   added: new stations on air at that day; none where there is a reason
--   converted: converted stations on air at that day, which are no part of added
--   on_air: baseline and added; none where one of them is none
--   added_percent [%]: added of added_target
--   on_air_percent [%]: on_air of target
--   missing: added_target less added
--   reason: why there is no number: no_stations_reported, or in_the_future
--
-- Traps of the plans: 1,004 is 262 and 742, and 94 stations that are converted or new come on top of neither; the percentage of all stations divides by
-- a number that does not grow, so none is given here; counts by technology overlap, so a station counts once.
-- A number is a sum over a whole province: the view exists for roles that read one.
-- Source: the plans, in the tables network_targets and rollout_deadlines; stations in the table network_stations.
with asked as (
  select t.province, t.operator, t.scope, d.deadline as asked_at, d.what,
    t.stations_5g_target as target, t.stations_5g_baseline as baseline, t.stations_5g_added as added_target
  from public.network_targets t
  join public.rollout_deadlines d on d.province = t.province and d.deadline <= t.deadline
), reported as (
  select province, zone, operator, station, kind, on_air_from, valid_from, coalesce(valid_to, date '9999-12-31') as last_day
  from public.network_stations
), counted as (
  select
    a.province, a.operator, a.scope, a.asked_at, a.what, a.target, a.baseline, a.added_target,
    count(s.station) as known,
    count(distinct case when s.kind = 'new' and s.on_air_from <= a.asked_at then concat(s.operator, chr(31), s.station) end) as added,
    count(distinct case when s.kind = 'converted' and s.on_air_from <= a.asked_at then concat(s.operator, chr(31), s.station) end)
      as converted
  from asked a
  left join reported s
    on s.province = a.province
    and (a.operator = 'all' or s.operator = a.operator)
    and (a.scope = 'province' or s.zone is not null)
    and a.asked_at between s.valid_from and s.last_day
  group by a.province, a.operator, a.scope, a.asked_at, a.what, a.target, a.baseline, a.added_target
), judged as (
  select
    *,
    case
      when asked_at > cast(timezone('Asia/Ho_Chi_Minh', now()) as date) then 'in_the_future'
      when known = 0 then 'no_stations_reported' end as reason
  from counted
)
select
  province, operator, scope, asked_at, what, target, baseline, added_target,
  case when reason is null then added end as added,
  case when reason is null then converted end as converted,
  case when reason is null then baseline + added end as on_air,
  case when reason is null then 100.0 * added / nullif(added_target, 0) end as added_percent,
  case when reason is null then 100.0 * (baseline + added) / nullif(target, 0) end as on_air_percent,
  case when reason is null then added_target - added end as missing,
  reason
from judged
