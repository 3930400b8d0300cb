-- Statements of bug reports, each under the number of its case: L language, A arithmetic and casts, R relations, Z zones.
-- L1 and L2: arrays and bytes as texts
select count(*) from probe where device = any('{d0,d7}'::text[]);
select count(*) from probe where device <> all('{d0,d7}'::text[]);
select encode('\x00ff'::bytea, 'hex'), array_length('{m1,m2}'::text[], 1);
select unnest('{m1,m2}'::text[]);
-- L3: words of PostgreSQL
select to_timestamp('2026-01-02', 'YYYY-MM-DD'), 'a_b' like 'a^_b' escape '^', 1 + 2 || 'a', 5 # 3, current_user is not null;
select * from (select 1 as a, 2 as a) t;
-- A1 and A4: beyond the range of a type
select 9223372036854775807 + 1;
select 2147483647::int + 1;
select pulses * 2 from probe where pulses > 1000000;
select sum(pulses) + 1, count(*) from probe;
select count(*) from probe where cast(pulses as integer) < 5;
-- A2 and A3: rounding and lengths
select round(2.5::float8), round(0.5::float8), 3.7::float8::int, -2.5::float8::int;
select count(*) from probe where temperature::int = 9;
select 'abcdef'::varchar(3), 'ab '::char(3) = 'ab';
-- A5 and A6: digits, and what is no number
select 1e-12::numeric, 1234567890123.25::float8::numeric;
select 1 / 0.0::float8;
select ln(-1);
select '1e400'::float8;
-- A8 and A9: digits of seconds, and parts of months
select timestamp(0) '2026-01-01 00:00:00.987654', current_timestamp(3) is not null;
select interval '49 months' / 49;
-- R1: three-valued IN
select a.k, a.k in (select b.k from (values (1), (null)) b(k)) as m from (values (1), (2), (null)) a(k) order by 1;
select a.k from (values (1), (2), (null)) a(k) order by a.k in (select b.k from (values (2)) b(k)), a.k;
-- R2: keys of outer joins
select id, a.z, b.z from (values (1, 'a'), (2, 'b')) a(id, z) full join (values (2, 'c'), (7, 'd')) b(id, z) using (id) order by id;
select id from (values (1), (2)) a(id) full join (values (2), (7)) b(id) using (id) where id = 7;
select p.time, q.note from probe p right join (select time, note from probe where is_open) q using (time) order by 1 limit 3;
-- R3: rows that stand there more than once
select x from (values (1), (1), (2)) a(x) except all select 1 order by 1;
select x from (values (1), (1), (2)) a(x) intersect all select x from (values (1), (1), (3)) b(x) order by 1;
-- R4 to R6: patterns, nulls, samples
select 'abc' similar to 'a%', count(*) from probe where note similar to 'note (3|6)%';
-- R7: columns whose names would be one
select max(time::date), max(time::timestamp) from probe;
select sum(pulses % 5)::int, sum(pulses % 5)::bigint, upper(device), UPPER(device) from probe group by device order by 1;
select time::date, time::timestamp::date, count(*) from probe group by time::date, time::timestamp::date order by 1;
-- R8: an order below that is no order above
select x::timestamptz from (select x from (values ('2026-01-01 00:00+00'), ('2026-01-01 01:00+05'), ('2026-01-01 02:00+01')) v(x) order by x limit 10) t order by x::timestamptz limit 2;
-- R9: series
select g from generate_series(1, 3) g;
select g from generate_series(timestamptz '2026-01-01', timestamptz '2026-01-01' + interval '2 hours', interval '1 hour') g;
select g from generate_series('2026-01-01'::timestamptz, '2026-01-03', '1 day') g;
-- differs: a series of days is one of instants
-- ours: 2026-01-01 00:00:00+00
-- ours: 2026-01-02 00:00:00+00
-- ours: 2026-01-03 00:00:00+00
select g from generate_series(date '2026-01-01', date '2026-01-01' + interval '2 days', interval '1 day') g;
select generate_series(1, 3);
-- R10: subqueries as values
select device, exists (select 1 from probe q where q.device = p.device and q.level > 0) from (select distinct device from probe) p order by 1;
select count(*) from probe where device = any (select 'd1');
select count(*) from probe where (device, time) in (select device, max(time) from probe group by device);
select (timestamp '2026-01-01', interval '2 hours') overlaps (timestamp '2026-01-01 01:00', interval '1 hour');
select device from probe order by time fetch first 1 rows only;
-- R11: an operator that binds less
select true is distinct from true and false;
-- R12: arrays
select array_length('{}'::int[], 1), (array[1, 2])[-1], array['a', 'b']::text, 'a' <> all (array['b', null]), '{t,f}'::bool[];
select count(*) from probe where note = any ('{"note 4 ","note 8 ","a,b"}'::text[]);
-- R13: comparisons with all rows
select i from (values (1), (2), (3)) t(i) where i <= all (select i from (values (1), (2), (3)) t(i));
select i from (values (1), (2), (3)) t(i) where i = all (select i from (values (1), (2), (3)) t(i));
select i from (values (1), (2), (3)) t(i) where i >= all (select i from (values (1), (2), (3)) t(i));
-- R14: comparisons with some rows, and frames of time
select 2 > any (select x from (values (1), (null)) v(x)), 2 > all (select x from (values (1), (null)) v(x));
select * from (values ((select 1)), ((select 2))) v(x) order by 1;
select time, count(*) over (order by time range between interval '2 hours' preceding and current row) from probe order by time limit 4;
select 'Abc' ~ '(?i)abc', regexp_replace('a.b', '.', 'x', 'q'), regexp_match('Abc', 'abc', 'c') is null;
-- R15: rows with nulls
select (1, null) = (1, 2), (1, null) = (2, 2), (1, 2) = (1, 2);
select (3 in (select x from (values (1), (null)) v(x))) is null;
select array_remove(array[1, 2, 1, 2], 1), array_replace(array[1, 2, 1], 1, 5);
select i, sum(i) over w from (values (1), (2), (3)) t(i) window base as (order by i desc), w as (base) order by i;
select interval '1 mon' = interval '30 days', percentile_cont(0.3) within group (order by x) from (values (10), (20), (30), (40), (50)) v(x);
-- R17: texts of arrays and bytes, and days
select array[array['a', 'b'], array['c', 'd']]::text, E'\\xDEADBEEF'::bytea, variance('NaN'::float8);
select date '01/02/03', date '8-Jan-99', date '990108', timestamp '2026-01-01 24:00:00';
-- R18: types and intervals
select 'abc'::character varying, interval '1-2', interval '1 day 2:03:04', array[1, 2] && array[2, 3];
select array(select x from (values (2), (1)) v(x) order by x);
-- Z1 to Z3: zones with a summer time, and zones by their hours
SET TIME ZONE 'CET';
select timestamptz '2026-07-01 12:00', date_trunc('day', timestamptz '2026-07-01 12:00');
SET TIME ZONE 'EET';
select timestamptz '2026-07-01 12:00', timestamptz '2026-01-01 12:00';
SET TIME ZONE 'Asia/Ho_Chi_Minh';
select timestamptz '2026-07-01 12:00', (timestamptz '2026-07-01 20:00+00')::date;
SET TIME ZONE '+07:00';
select timestamptz '2026-07-01 12:00';
SET TIME ZONE '-3.5';
select timestamptz '2026-07-01 12:00';
SET TIME ZONE 'UTC-7';
select timestamptz '2026-07-01 12:00';
SET TIME ZONE 'UTC';
select timestamptz '2026-07-01 12:00';
