-- UNION, INTERSECT, EXCEPT, with ALL and without, and orders of what they give.
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) union select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) union select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) union select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) union select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) union (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 union select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint union select 1.5::numeric order by 1;
select 1 union select 2::float8 order by 1;
select null union select 1 order by 1;
-- differs: char(n) has no blanks at its end here
-- ours: a
select 'a'::char(3) union select 'a  ' order by 1;
select date '2026-01-01' union select timestamp '2026-01-01 12:00' order by 1;
-- differs: 1 mon and 30 days are two values in groups
-- ours: 1 mon
-- ours: 30 days
select interval '1 month' union select interval '30 days';
select 'NaN'::float8 union select 'NaN'::float8;
select 0.0::float8 union select -0.0::float8;
select device from probe where is_open union select device from probe where level > 0 order by 1;
select device, is_open from probe union select 'd0', true order by 1, 2;
select array[1, 2] union select array[1, 2];
select 1, 2 union select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union select x from (values (1), (3), (3), (4), (null)) b(x) union select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a union select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) union select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) union select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) union all select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) union all select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) union all (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 union all select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint union all select 1.5::numeric order by 1;
select 1 union all select 2::float8 order by 1;
select null union all select 1 order by 1;
-- differs: char(n) has no blanks at its end here
-- ours: a
-- ours: a
select 'a'::char(3) union all select 'a  ' order by 1;
select date '2026-01-01' union all select timestamp '2026-01-01 12:00' order by 1;
select interval '1 month' union all select interval '30 days';
select 'NaN'::float8 union all select 'NaN'::float8;
select 0.0::float8 union all select -0.0::float8;
select device from probe where is_open union all select device from probe where level > 0 order by 1;
select device, is_open from probe union all select 'd0', true order by 1, 2;
select array[1, 2] union all select array[1, 2];
select 1, 2 union all select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x from (values (1), (3), (3), (4), (null)) b(x) union all select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) union all (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a union all select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) union all select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) intersect select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) intersect (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 intersect select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint intersect select 1.5::numeric order by 1;
select 1 intersect select 2::float8 order by 1;
select null intersect select 1 order by 1;
-- differs: char(n) has no blanks at its end here
-- ours: a
select 'a'::char(3) intersect select 'a  ' order by 1;
select date '2026-01-01' intersect select timestamp '2026-01-01 12:00' order by 1;
-- differs: 1 mon and 30 days are two values in groups
-- ours: no rows
select interval '1 month' intersect select interval '30 days' order by 1;
select 'NaN'::float8 intersect select 'NaN'::float8;
select 0.0::float8 intersect select -0.0::float8;
select device from probe where is_open intersect select device from probe where level > 0 order by 1;
select device, is_open from probe intersect select 'd0', true order by 1, 2;
select array[1, 2] intersect select array[1, 2];
select 1, 2 intersect select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x from (values (1), (3), (3), (4), (null)) b(x) intersect select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a intersect select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) intersect all select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) intersect all (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 intersect all select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint intersect all select 1.5::numeric order by 1;
select 1 intersect all select 2::float8 order by 1;
select null intersect all select 1 order by 1;
-- differs: char(n) has no blanks at its end here
-- ours: a
select 'a'::char(3) intersect all select 'a  ' order by 1;
select date '2026-01-01' intersect all select timestamp '2026-01-01 12:00' order by 1;
-- differs: 1 mon and 30 days are two values in groups
-- ours: no rows
select interval '1 month' intersect all select interval '30 days' order by 1;
select 'NaN'::float8 intersect all select 'NaN'::float8;
select 0.0::float8 intersect all select -0.0::float8;
select device from probe where is_open intersect all select device from probe where level > 0 order by 1;
select device, is_open from probe intersect all select 'd0', true order by 1, 2;
select array[1, 2] intersect all select array[1, 2];
select 1, 2 intersect all select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x from (values (1), (3), (3), (4), (null)) b(x) intersect all select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a intersect all select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) intersect all select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) except select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) except select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) except select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) except select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) except (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 except select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint except select 1.5::numeric order by 1;
select 1 except select 2::float8 order by 1;
select null except select 1 order by 1;
select 'a'::char(3) except select 'a  ' order by 1;
select date '2026-01-01' except select timestamp '2026-01-01 12:00' order by 1;
-- differs: 1 mon and 30 days are two values in groups
-- ours: 1 mon
select interval '1 month' except select interval '30 days' order by 1;
select 'NaN'::float8 except select 'NaN'::float8;
select 0.0::float8 except select -0.0::float8;
select device from probe where is_open except select device from probe where level > 0 order by 1;
select device, is_open from probe except select 'd0', true order by 1, 2;
select array[1, 2] except select array[1, 2];
select 1, 2 except select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except select x from (values (1), (3), (3), (4), (null)) b(x) except select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a except select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) except select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) except select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x from (values (1), (3), (3), (4), (null)) b(x) order by x;
select x from (values (1), (3), (3), (4), (null)) b(x) except all select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x desc nulls last;
select x, x > 1 from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x, true from (values (1), (3), (3), (4), (null)) b(x) order by 1, 2;
select x::text from (values (1), (1), (2), (3), (null), (null)) a(x) except all select 'a' order by 1;
select count(*) from (select x from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x from (values (1), (3), (3), (4), (null)) b(x)) q;
(select x from (values (1), (1), (2), (3), (null), (null)) a(x) order by x limit 2) except all (select x from (values (1), (3), (3), (4), (null)) b(x) order by x desc limit 2) order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) where x > 1 except all select x from (values (1), (3), (3), (4), (null)) b(x) where x < 4 order by 1;
select 1::smallint except all select 1.5::numeric order by 1;
select 1 except all select 2::float8 order by 1;
select null except all select 1 order by 1;
select 'a'::char(3) except all select 'a  ' order by 1;
select date '2026-01-01' except all select timestamp '2026-01-01 12:00' order by 1;
-- differs: 1 mon and 30 days are two values in groups
-- ours: 1 mon
select interval '1 month' except all select interval '30 days' order by 1;
select 'NaN'::float8 except all select 'NaN'::float8;
select 0.0::float8 except all select -0.0::float8;
select device from probe where is_open except all select device from probe where level > 0 order by 1;
select device, is_open from probe except all select 'd0', true order by 1, 2;
select array[1, 2] except all select array[1, 2];
select 1, 2 except all select 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x from (values (1), (3), (3), (4), (null)) b(x) except all select 1 order by 1;
select x from (values (1), (1), (2), (3), (null), (null)) a(x) except all (select x from (values (1), (3), (3), (4), (null)) b(x) union select 7) order by 1;
select 1 as a except all select 2 as b order by a;
select x + 1 as y from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x from (values (1), (3), (3), (4), (null)) b(x) order by y limit 3;
with q as (select x from (values (1), (1), (2), (3), (null), (null)) a(x) except all select x from (values (1), (3), (3), (4), (null)) b(x)) select max(x), count(*) from q;
select 1 union select 2 union all select 2 order by 1;
select 1 intersect select 1 union select 2 order by 1;
select 1 union select 2 intersect select 2 order by 1;
select 1 except select 1 union select 3;
select 'a' union select 1;
select 1 union select '2' order by 1;
values (1, 'a'), (2, 'b') union all select 3, 'c' order by 1;
values (3), (1), (2) order by 1 limit 2;
values (1, null), (null, 'x');
values (1), ('2'), (3.5);
values (date '2026-01-01'), ('2026-01-02');
-- differs: refused: sql parser error: Expected: an SQL statement, found: table at Line: 1, Column: 1
-- ours: error
table probe limit 0;
select * from (values (1, 2), (3, 4)) t(a, b) except select 1, 2;
select distinct x from (select 1 as x union all select 1) q;
select x, count(*) from (select 1 as x union all select 1 union all select 2) q group by x order by x;
-- Mended: each was answered otherwise once.
select is_open from probe union select level > 0 from probe order by 1;
select is_open from probe except select true order by 1;
select (seen::date)::timestamptz from probe union select time from probe order by 1 limit 3;
select count(*) filter (where is_open between (level > 0) and true) from probe;
select count(*) filter (where is_open between false and true) from probe;
select sum(pulses) over (partition by sqrt(abs(level)) order by time) from probe where pulses < 1000 order by 1;
select note from probe where pulses < 0 union select q.device from (select * from probe) q where concat(q.device, q.note) like '%o%' order by 1;
select a.note, b.device from probe a right join (values ('d0'), ('x'), ('note 3 of some length of some length of some length ')) b(device) on a.note = b.device where initcap('note 3') <= lpad(a.note, 6, 'xy');
