-- Attempts of access that failed, of each operator, technology, zone and local day.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   operator: operator as the test or the cell names it
--   network_mode: technology in use
--   attempts: attempts of access
--   failures: failed ones of them
--   failed_percent [%]: failures of attempts; none where there is a reason
--   reason: why there is no percentage: no_attempts, or more_failures_than_attempts
--
-- A row counts where it has both numbers. What is allowed is a criterion of a month: see the view network_quality.
-- Source: QCVN 126:2021/BTTTT.
with days as (
  select
    province, zone, operator, network_mode,
    cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day,
    cast(sum(access_attempts) as bigint) as attempts,
    cast(sum(access_failures) as bigint) as failures
  from public.network
  where quality = 'good' and operator is not null and access_attempts is not null and access_failures is not null
  group by province, zone, operator, network_mode, cast(timezone('Asia/Ho_Chi_Minh', time) as date)
), judged as (
  select
    *,
    case when attempts = 0 then 'no_attempts' when failures > attempts then 'more_failures_than_attempts' end as reason
  from days
)
select
  province, zone, operator, network_mode, day, attempts, failures,
  case when reason is null then 100.0 * failures / attempts end as failed_percent,
  reason
from judged
