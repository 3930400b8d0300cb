-- Pieces that a machine made since its row before: good, rejected and in all, over resets and exchanges of its counters.
--
-- Reach: time, 76 hours back, 0 hours ahead.
--
--   time: time of the row
--   seconds [s]: time since the row before
--   total: pieces made since the row before
--   good: good pieces made since the row before; in all less rejected ones where the machine counts no good ones
--   reject: rejected pieces made since the row before; in all less good ones where the machine counts no rejected ones
--   resets: counters that began anew between the two rows
--   product: product that is being made
--   ideal_seconds [s]: time that a piece takes at rated speed: as the row says, else by the table ideal_cycle_times; none where neither does
--   time_zone: of the machine
--   calendar: calendar of its shifts
--
-- A counter that falls was reset or exchanged, and its new value counts whole, since it began at 0. A fall below 5 % of its full scale, where the
-- table production_lines has one, is noise: what it then regains does not count twice (decision O7). A counter counts from a row to the next
-- if that comes within 24 hours.
-- Source: decision O7 of the requirements.
with readings as (
  select
    p.province, p.zone, p.site, p.device, p.time, p.product, p.ideal_cycle_time, p.count_total, p.count_good, p.count_reject,
    coalesce(l.count_full_scale, 0) * 0.05 as noise,
    coalesce(l.time_zone, 'Asia/Ho_Chi_Minh') as time_zone,
    l.calendar
  from public.production p
  left join public.production_lines l
    on l.province = p.province
    and l.zone = p.zone
    and l.device = p.device
    and cast(timezone('Asia/Ho_Chi_Minh', p.time) as date) between l.valid_from and coalesce(l.valid_to, date '9999-12-31')
  where p.quality = 'good' and (p.count_total is not null or p.count_good is not null or p.count_reject is not null)
), long as (
  select *, unnest(make_array(
      named_struct('counter', 'total', 'value', count_total),
      named_struct('counter', 'good', 'value', count_good),
      named_struct('counter', 'reject', 'value', count_reject)
    )) as of_one
  from readings
), counted as (
  select
    province, zone, site, device, time, product, ideal_cycle_time, noise, time_zone, calendar,
    of_one['counter'] as counter, of_one['value'] as value
  from long
  where of_one['value'] is not null
), followed as (
  select
    *,
    lag(time) over of_counter as time_before,
    case when lag(value) over of_counter - value > noise then 1 else 0 end as is_reset
  from counted
  window of_counter as (partition by province, zone, site, device, counter order by time, value)
), lives as (
  select
    *,
    sum(is_reset) over (partition by province, zone, site, device, counter order by time, value
      rows between unbounded preceding and current row) as life
  from followed
), highest as (
  select
    *,
    max(value) over (partition by province, zone, site, device, counter, life order by time
      range between interval '24 hours' preceding and current row) as highest
  from lives
), grown as (
  select
    *,
    lag(highest) over (partition by province, zone, site, device, counter, life order by time, value) as highest_before
  from highest
), pieces as (
  select
    province, zone, site, device, time, product, ideal_cycle_time, time_zone, calendar, counter, time_before, is_reset,
    case when is_reset = 1 then value else greatest(highest - highest_before, 0) end as pieces
  from grown
  where time - time_before <= interval '24 hours'
), machines as (
  select
    province, zone, site, device, time, time_zone, calendar, product, ideal_cycle_time,
    min(time_before) as time_before,
    max(case counter when 'total' then pieces end) as total,
    max(case counter when 'good' then pieces end) as good,
    max(case counter when 'reject' then pieces end) as reject,
    cast(sum(is_reset) as bigint) as resets
  from pieces
  group by province, zone, site, device, time, time_zone, calendar, product, ideal_cycle_time
)
select
  m.province, m.zone, m.site, m.device, m.time,
  extract(epoch from m.time) - extract(epoch from m.time_before) as seconds,
  coalesce(m.total, m.good + m.reject) as total,
  coalesce(m.good, m.total - m.reject) as good,
  coalesce(m.reject, m.total - m.good) as reject,
  m.resets,
  m.product,
  coalesce(m.ideal_cycle_time, c.seconds, g.seconds) as ideal_seconds,
  m.time_zone,
  m.calendar
from machines m
left join public.ideal_cycle_times c
  on c.province = m.province
  and c.zone = m.zone
  and c.device = m.device
  and c.product = m.product
  and cast(timezone('Asia/Ho_Chi_Minh', m.time) as date) between c.valid_from and coalesce(c.valid_to, date '9999-12-31')
left join public.ideal_cycle_times g
  on g.province = m.province
  and g.zone = m.zone
  and g.device = m.device
  and g.product is null
  and cast(timezone('Asia/Ho_Chi_Minh', m.time) as date) between g.valid_from and coalesce(g.valid_to, date '9999-12-31')
