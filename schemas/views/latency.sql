-- Round trips of each operator, technology, zone and local day: percentiles, jitter and how steady they are.
--
-- Reach: day, 16 hours back, 40 hours ahead.
--
--   day: local day, Asia/Ho_Chi_Minh
--   operator: operator as the test names it
--   network_mode: technology in use
--   pings: rows with a mean round trip; no least number is known (decision N5)
--   mean_ms [ms]: mean of these
--   p50_ms [ms]: half of them are not above it
--   p95_ms [ms]: 95 % of them are not above it
--   p99_ms [ms]: 99 % of them are not above it
--   min_ms [ms]: least round trip
--   max_ms [ms]: greatest round trip
--   stdev_ms [ms]: standard deviation of the means of rows; none of one row
--   jitter_ms [ms]: mean jitter of the rows that have one
--   jitter_rows: rows that have one
--   loss_percent [%]: mean loss of the rows that have one
--   loss_rows: rows that have one
--
-- A round trip is not the delay of access to the service that QCVN 126:2021/BTTTT speaks of: the verdict stands in the view network_quality.
-- Source: decision N5 of the requirements.
select
  province, zone, operator, network_mode,
  cast(timezone('Asia/Ho_Chi_Minh', time) as date) as day,
  count(ping_avg) as pings,
  avg(ping_avg) as mean_ms,
  percentile_cont(0.5) within group (order by ping_avg) as p50_ms,
  percentile_cont(0.95) within group (order by ping_avg) as p95_ms,
  percentile_cont(0.99) within group (order by ping_avg) as p99_ms,
  min(coalesce(ping_min, ping_avg)) as min_ms,
  max(coalesce(ping_max, ping_avg)) as max_ms,
  stddev_samp(ping_avg) as stdev_ms,
  avg(jitter) as jitter_ms,
  count(jitter) as jitter_rows,
  avg(ping_loss) as loss_percent,
  count(ping_loss) as loss_rows
from public.network
where quality = 'good' and operator is not null and network_mode is not null
  and (ping_avg is not null or jitter is not null or ping_loss is not null)
group by province, zone, operator, network_mode, cast(timezone('Asia/Ho_Chi_Minh', time) as date)
