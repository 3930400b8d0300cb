-- Statements that try to see what a role may not see. One a line. Each must give what it gives where hidden rows do not exist.

-- Plain reading, and conditions on places.
select * from environment order by time, device
select zone, count(*) from environment group by zone order by zone
select distinct province, zone, site, device from environment order by device
select device from environment where zone <> 'vung-ang'
select device from environment where zone = 'phu-vinh'
select device from environment where zone in ('phu-vinh', 'hoa-phu')
select device from environment where province = 'dak-lak'
select device from environment where zone is null or zone is not null order by device
select device from environment where not (zone = 'vung-ang')
select device from environment where zone like '%vinh%' or zone similar to '(phu|hoa)%'
select device from environment where coalesce(zone, 'x') <> 'vung-ang'
select device from environment where upper(zone) = 'PHU-VINH'
select count(*) from environment where zone = 'vung-ang' or true
select count(*) from environment where 1 = 1 or zone = 'vung-ang'
select count(*) from environment where device = 'dev-phu-vinh-0'
select count(*) from environment where device like 'dev-%' and device not like 'dev-vung%'
select zone from environment union select zone from security union select zone from network order by 1

-- Aggregates and statistics that files could answer.
select count(*) from environment
select count(*), count(temperature), count(pm2_5) from environment
select min(temperature), max(temperature) from environment
select min(time), max(time) from environment
select min(date), max(date) from environment
select min(zone), max(zone) from environment
select min(device), max(device) from environment
select min(ingested_at), max(ingested_at) from environment
select min(province), max(province), count(distinct zone) from environment
select sum(temperature), avg(temperature) from environment
select count(*) from environment where temperature > 4000
select count(*) from environment where temperature = 20
select count(*) from environment where temperature < -4000
select max(temperature) from environment where zone <> 'vung-ang'
select max(pm2_5) filter (where zone <> 'vung-ang') from environment
select count(*) filter (where device like 'dev-phu%') from environment
select device, max(temperature) from environment group by device order by device
select device, count(*) from environment group by device having max(temperature) > 4000 order by device
select zone, device, count(*) from environment group by rollup (zone, device) order by 1, 2
select zone, count(*) from environment group by grouping sets ((zone), ()) order by 1
select approx_distinct(device) from environment
select array_agg(distinct zone order by zone) from environment
select string_agg(distinct device, ',' order by device) from environment
select count(distinct operator), min(operator), max(operator) from network
select operator, count(*) from network group by operator order by operator
select min(pci), max(pci), sum(pci) from network
select bool_or(zone = 'phu-vinh') from environment
select median(temperature) from environment
select percentile_cont(0.99) within group (order by temperature) from environment
select first_value(device order by temperature desc) from environment
select max(length(device)) from environment

-- Probing by errors: a predicate that fails on a hidden row alone.
select count(*) from network where 1 / (pci - 20) > 0
select count(*) from network where pci = 20 and 1 / (pci - 20) = 0
select count(*) from network where 1 / (pci - 20) > 0 and zone = 'vung-ang'
select count(*) from network where case when pci = 20 then 1 / 0 else 1 end = 1
select count(*) from network where zone = 'phu-vinh' and 1 / (pci - pci) = 1
select 1 / (pci - 20) from network order by 1 limit 3
select sum(1 / (pci - 20)) from network
select max(1 / (pci - 4242)) from network
select count(*) from network where cast(state as bigint) > 0 and zone = 'phu-vinh'
select count(*) from network where cast(replace(state, 'mk-vung-ang-viettel', '1') as varchar) = 'x'
select count(*) from network where cast(case when zone = 'vung-ang' then '1' else state end as bigint) = 1
select count(*) from environment where cast(case when zone = 'vung-ang' then '1' else device end as int) = 1
select count(*) from environment where cast(case when temperature > 4000 then 'x' else '1' end as int) = 1
select count(*) from network where (pci - 20) <> 0 and 1 / (pci - 20) < 5
select count(*) from network where pci * 4611686018427387904 > 0 and zone <> 'vung-ang'
select count(*) from network where sqrt(20 - pci) >= 0
select count(*) from network where ln(4243 - pci) >= 0
select count(*) from network where repeat('x', pci) = 'x'
select count(*) from network n where 1 / (n.pci - 20) > 0 or n.pci = 20
select count(*) from network where nullif(pci, 20) is null
select pci from network where pci between 19 and 21 order by pci
select count(*) from network where date_trunc(state, time) is not null and zone = 'phu-vinh'
select count(*) from network where to_timestamp(state) is not null and zone = 'phu-vinh'
select count(*) from network where state ~ '(' and zone = 'hoa-phu'
select count(*) from network group by 1 / (pci - 20) order by 1
select pci from network order by 1 / (pci - 20), pci limit 1
select row_number() over (order by 1 / (pci - 20)) from network order by 1 limit 1
select count(*) from network where exists (select 1 / (network.pci - 20) = 1)
select (select 1 / (max(pci) - 4242) from network)
select (select 1 / (min(pci) - 20) from network where zone <> 'vung-ang')
select count(*) from network having 1 / (max(pci) - 4242) < 5
select count(*) from network where pci > (select max(pci) - 1 from network)
select count(*) from network where 10 / (case when pci >= 20 then 0 else 1 end) = 10

-- Set operations, subqueries, joins, lateral, with, recursive.
select device from environment except select device from environment where zone = 'vung-ang'
select device from environment intersect select device from security order by 1
select device from environment union all select device from network order by 1
select count(*) from (select * from environment) e
select count(*) from (select * from environment limit 1000) e where zone <> 'vung-ang'
select count(*) from environment a, environment b where a.device = b.device
select count(*) from environment a join network b on a.time = b.time and a.zone <> b.zone
select a.device, b.device from environment a left join security b on a.time = b.time order by 1, 2
select count(*) from environment a full join network b on a.device = b.device
select count(*) from environment a cross join zones
select z.code, count(e.device) from zones z left join environment e on e.zone = z.code group by z.code order by 1
select d.device from devices d left join environment e on e.device = d.device where e.device is null order by 1
select device from environment a where exists (select 1 from environment b where b.zone <> a.zone) order by 1
select device from environment where device in (select device from network) order by 1
select device from environment where device not in (select device from devices) order by 1
select device from environment where temperature = (select max(temperature) from environment) order by 1
select device from environment where temperature > all (select temperature from environment where zone = 'vung-ang') order by 1
select device from environment where temperature > any (select temperature from environment) order by 1
with e as (select * from environment) select zone, count(*) from e group by zone order by zone
with e as (select zone, max(temperature) as t from environment group by zone) select * from e where t > 100
with recursive r(n, m) as (select 1, (select max(pci) from network) union all select n + 1, m from r where n < 3) select * from r order by 1
select * from (values ('phu-vinh'), ('hoa-phu')) v(z) join environment e on e.zone = v.z
select v.z, (select count(*) from environment e where e.zone = v.z) from (values ('phu-vinh'), ('vung-ang')) v(z) order by 1
select e.device, l.m from devices e, lateral (select max(temperature) as m from environment n where n.device = e.device) l order by 1
select count(*) from environment e, lateral (select e.zone as z) l where l.z <> 'vung-ang'
select unnest(array_agg(device order by device)) from environment
select lag(device) over (order by time, device), device from environment order by time, device limit 20
select device, count(*) over () from environment order by device limit 1
select max(temperature) over (partition by date) from environment order by 1 desc limit 1
select rank() over (order by temperature) from environment order by 1 desc limit 1
select ntile(4) over (order by time, device), device from environment order by 1, 2 limit 9
select device from environment order by temperature desc, device limit 1
select device from environment order by temperature, device limit 1
select device from environment order by zone desc, device limit 1
select time, device from environment order by zone, device, time limit 5
select time, device from environment order by time desc, device limit 5
select device, time from environment where device = 'dev-phu-vinh-0' order by time limit 5
select time from environment order by time offset 30 limit 3

-- Names: quoted, qualified, spelled otherwise, hidden columns and their hints.
select count(*) from "environment"
select count(*) from public.environment
select count(*) from zonelake.public.environment
select count(*) from "zonelake"."public"."environment"
select count(*) from ENVIRONMENT
select count(*) from environment as security
select count(*) from "Environment"
select count(*) from "environment "
select count(*) from environment e where e."zone" = 'phu-vinh'
select plate_hash from security
select person_hash from security
select "plate_hash" from "security"
select s.plate_hash from security s
select plate_has from security
select security.* from security order by time, device
select count(plate_hash) from security
select count(*) from security where plate_hash = 'plate-of-phu-vinh-1'
select count(*) from security where plate_hash like 'plate%'
select max(plate_hash) is null from security
select count(distinct plate_hash) from security
select length(max(plate_hash)) from security
select count(*) from security order by plate_hash
select count(*) from security group by plate_hash order by 1
select count(*) from security a join security b using (plate_hash)
select count(*) from security a join assets b on a.plate_hash = b.plate_hash
select count(*) from security natural join assets
select latitude, longitude from assets order by 1, 2
select count(*) from assets where latitude > 18
select abs(latitude) from assets order by 1
select row_to_json(security) from security
select security from security
select content, message from rejected order by 1
select content like '%mk-phu%' from rejected order by 1
select reason, gateway, table_name from rejected order by 1, 2, 3
select count(*), min(identity), max(identity) from rejected
select zone, count(*) from rejected group by zone order by 1
select count(*) from rejected where content is not null
select message, value, zone from alerts order by 1, 2
select count(*), min(number), max(number), sum(value) from alerts
select state, from_state, cause from alerts where number / (number - 20) = 0

-- Lists of what exists.
select * from zones order by code
select count(*), min(code), max(code) from zones
select * from sites order by code
select * from devices order by device
select count(*) from devices
select name, zone, province from gateways order by name
select count(*) from gateways
select * from provinces order by code
select table_name, field, type, unit from fields order by 1, 2
select count(*) from fields where field in ('plate_hash', 'person_hash', 'latitude', 'content')
select count(*) from air_limits
select count(*) from network_targets
select table_schema, table_name from information_schema.tables order by 1, 2
select table_name, column_name, data_type from information_schema.columns where table_schema in ('public', 'system') order by 1, 2
select count(*) from information_schema.columns where column_name = 'plate_hash'
select schema_name from information_schema.schemata order by 1
select * from information_schema.views
show tables
show columns from security
describe environment
describe security
select distinct "user" from system.queries
select count(*) from system.queries where "user" = 'admin'
select count(*) from system.queries where text like '%phu-vinh%' and "user" <> current_user
select zone, device, state, last_seen, last_time, silent from system.devices order by zone, device
select max(last_seen), count(distinct zone), count(*) from system.devices
select count(*) from system.devices where zone = 'phu-vinh' or 1 / (length(zone) - 8) > 0
select d.device, s.last_time from devices d join system.devices s on s.device = d.device order by 1

-- Plans and their counts.
explain select * from environment
explain select count(*) from environment
explain select count(*) from environment where zone = 'phu-vinh'
explain select device from environment where temperature > 4000
explain select max(temperature) from environment
explain verbose select device from environment where temperature > 4000
explain analyze select count(*) from environment
explain analyze select * from environment where zone = 'phu-vinh'
explain analyze select device from environment where temperature > 4000
explain analyze select a.device from environment a join network b on a.time = b.time
explain analyze verbose select count(*) from environment
explain format tree select count(*) from environment
explain select count(*) from environment a join devices b on a.device = b.device

-- Files, settings, and what would write.
select * from 'environment'
select * from '/etc/passwd'
select * from "environment/date=2026-01-01"
select * from read_parquet('environment')
select * from parquet_metadata('environment')
select * from metadata_cache()
select * from list_files_cache()
select pg_read_file('/etc/passwd')
select version()
select current_setting('data_directory')
show all
show datafusion.execution.batch_size
set datafusion.execution.batch_size = 1
select input_file_name() from environment
select _file from environment
select file_row_number from environment
select rowid, ctid, tableoid from environment
copy environment to '/tmp/x.csv'
copy (select * from environment) to '/tmp/x.parquet'
create view v as select * from environment
create table t as select * from environment
create external table t stored as parquet location '/'
insert into environment select * from environment
prepare p as select * from environment
execute p
select * from generate_series(1, (select count(*) from environment)) order by 1
select * from range(0, (select max(pci) from network))
select get_field(security, 'plate_hash') from security
select arrow_typeof(plate_hash) from security
select arrow_metadata(plate_hash) from security
select column_name from information_schema.columns where table_name = 'rejected' order by 1
