-- Availability of each cell and local day, as its counters say.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   operator: operator of the cell
--   cell_id: cell
--   rows: rows with an availability
--   expected: rows of a whole day by the table reporting_intervals, kind cell; unknown without it
--   availability_percent [%]: mean availability; none where there is a reason
--   least_percent [%]: least availability
--   reason: why there is no mean: interval_unknown, or too_few_rows, less than three quarters of those expected
--   verdict_reason: why there is no verdict: limit_not_at_hand
--
-- The least availability that QCVN 126:2021/BTTTT asks for is not at hand, so no cell is judged.
-- Source: the share of three quarters is a recommendation, not a rule of a text.
with days as (
  select
    province, zone, site, device, operator, cell_id,
    cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day,
    count(*) as rows,
    avg(availability) as availability,
    min(availability) as least
  from public.network
  where quality = 'good' and availability is not null
  group by province, zone, site, device, operator, cell_id, cast(timezone('Asia/Ho_Chi_Minh', time) as date)
), judged as (
  select
    d.province, d.zone, d.site, d.device, d.operator, d.cell_id, d.day, d.rows, d.availability, d.least,
    86400 / i.interval_seconds as expected,
    case
      when i.interval_seconds is null then 'interval_unknown'
      when d.rows * i.interval_seconds * 4 < 3 * 86400 then 'too_few_rows' end as reason
  from days d
  left join public.reporting_intervals i
    on i.province = d.province
    and i.zone = d.zone
    and i.device = d.device
    and i.kind = 'cell'
    and d.day between i.valid_from and coalesce(i.valid_to, date '9999-12-31')
)
select
  province, zone, site, device, day, operator, cell_id, rows, expected,
  case when reason is null then availability end as availability_percent,
  least as least_percent,
  reason,
  'limit_not_at_hand' as verdict_reason
from judged
