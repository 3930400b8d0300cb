-- Quality of 5G service of each operator, zone and month by the criteria of QCVN 126, with the samples of each.
--
-- Reach: month, 16 hours back, 776 hours ahead.
--
--   month: first day of the month, Asia/Ho_Chi_Minh (decision N9)
--   operator: operator as the test names it; a name that is the logger's fault stays (decision N8)
--   rows_5g: rows of mode 5G, samples or not
--   samples: rows of mode 5G with a transfer under way (state D or VD) and a bitrate of download (decision N1); rows that share a second all count
--   mean_download [Mbit/s]: mean bitrate of download of the samples
--   share_download_30 [%]: samples with 30 Mbit/s and more
--   mean_upload [Mbit/s]: mean bitrate of upload of rows with an upload under way (state U or VU)
--   upload_samples: rows that mean_upload is of
--   mean_latency [ms]: mean round trip of the samples that have one; the regulation's word is delay of access (decision N5)
--   latency_samples: samples that have a round trip
--   failed_access [%]: failed attempts of access of all attempts
--   access_attempts: attempts of access
--   download_verdict: pass, fail or not measured
--   share_verdict: pass, fail or not measured
--   upload_verdict: pass, fail or not measured
--   latency_verdict: pass, fail or not measured
--   access_verdict: pass, fail or not measured
--   min_samples: samples that a verdict needs
--   verdict_as_of: verdict by the criteria that are valid from limits_valid_from on: not enough samples, fail, not fully measured, or pass
--   limits_valid_from: first day of these criteria
--   verdict: the same where the criteria were in force in that month, else none (decision A16)
--
-- A run without a failure in which a criterion was not measured is never a pass (decision N3), and too few samples are no failure (decision N4).
-- Source: QCVN 126:2021/BTTTT, in the table network_criteria.
with criteria as (
  select
    max(case when criterion = 'mean_download' then limit_value end) as mean_download,
    max(case when criterion = 'mean_upload' then limit_value end) as mean_upload,
    max(case when criterion = 'share_download_30' then limit_value end) as share_download_30,
    max(case when criterion = 'mean_latency' then limit_value end) as mean_latency,
    max(case when criterion = 'failed_access' then limit_value end) as failed_access,
    max(case when criterion = 'min_samples' then limit_value end) as min_samples,
    max(valid_from) as valid_from
  from public.network_criteria
  where valid_to is null
), readings as (
  select
    province, zone, operator,
    cast(date_trunc('month', timezone('Asia/Ho_Chi_Minh', time)) as date) as month,
    network_mode = '5G' and state in ('D', 'VD') and dl_bitrate is not null as is_sample,
    network_mode = '5G' and state in ('U', 'VU') and ul_bitrate is not null as is_upload,
    dl_bitrate, ul_bitrate, ping_avg, access_attempts, access_failures
  from public.network
  where quality = 'good' and network_mode = '5G' and operator is not null
), months as (
  select
    province, zone, operator, month,
    count(*) as rows_5g,
    count(case when is_sample then 1 end) as samples,
    cast(avg(case when is_sample then cast(dl_bitrate as decimal(18, 1)) end) as double precision) / 1000 as mean_download,
    100.0 * count(case when is_sample and dl_bitrate >= 30000 then 1 end)
      / nullif(count(case when is_sample then 1 end), 0) as share_download_30,
    cast(avg(case when is_upload then cast(ul_bitrate as decimal(18, 1)) end) as double precision) / 1000 as mean_upload,
    count(case when is_upload then 1 end) as upload_samples,
    cast(avg(case when is_sample then cast(ping_avg as decimal(18, 3)) end) as double precision) as mean_latency,
    count(case when is_sample then ping_avg end) as latency_samples,
    100.0 * sum(access_failures) / nullif(sum(access_attempts), 0) as failed_access,
    sum(access_attempts) as access_attempts
  from readings
  group by province, zone, operator, month
), judged as (
  select
    m.*,
    c.min_samples,
    c.valid_from as limits_valid_from,
    case when m.mean_download is null then 'not measured'
      when m.mean_download >= c.mean_download then 'pass' else 'fail' end as download_verdict,
    case when m.share_download_30 is null then 'not measured'
      when m.share_download_30 >= c.share_download_30 then 'pass' else 'fail' end as share_verdict,
    case when m.mean_upload is null then 'not measured'
      when m.mean_upload >= c.mean_upload then 'pass' else 'fail' end as upload_verdict,
    case when m.mean_latency is null then 'not measured'
      when m.mean_latency <= c.mean_latency then 'pass' else 'fail' end as latency_verdict,
    case when m.failed_access is null then 'not measured'
      when m.failed_access <= c.failed_access then 'pass' else 'fail' end as access_verdict
  from months m cross join criteria c
), concluded as (
  select
    *,
    case
      when samples < min_samples then 'not enough samples'
      when 'fail' in (download_verdict, share_verdict, upload_verdict, latency_verdict, access_verdict) then 'fail'
      when 'not measured' in (download_verdict, share_verdict, upload_verdict, latency_verdict, access_verdict)
        then 'not fully measured'
      else 'pass' end as verdict_as_of
  from judged
)
select
  province, zone, operator, month, rows_5g, samples, mean_download, share_download_30, mean_upload, upload_samples,
  mean_latency, latency_samples, failed_access, access_attempts,
  download_verdict, share_verdict, upload_verdict, latency_verdict, access_verdict,
  min_samples, verdict_as_of, limits_valid_from,
  case when month >= limits_valid_from then verdict_as_of end as verdict
from concluded
