-- Subqueries as values, in conditions, in FROM, and queries of WITH.
select k, k = any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k = any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k = any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 = any (array[1, 2, null]), 2 = any (array[2, 2]), 2 = any ('{}'::int[]);
select k, k = all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k = all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k = all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 = all (array[1, 2, null]), 2 = all (array[2, 2]), 2 = all ('{}'::int[]);
select k, k <> any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k <> any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k <> any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 <> any (array[1, 2, null]), 2 <> any (array[2, 2]), 2 <> any ('{}'::int[]);
select k, k <> all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k <> all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k <> all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 <> all (array[1, 2, null]), 2 <> all (array[2, 2]), 2 <> all ('{}'::int[]);
select k, k < any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k < any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k < any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 < any (array[1, 2, null]), 2 < any (array[2, 2]), 2 < any ('{}'::int[]);
select k, k < all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k < all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k < all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 < all (array[1, 2, null]), 2 < all (array[2, 2]), 2 < all ('{}'::int[]);
select k, k <= any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k <= any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k <= any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 <= any (array[1, 2, null]), 2 <= any (array[2, 2]), 2 <= any ('{}'::int[]);
select k, k <= all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k <= all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k <= all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 <= all (array[1, 2, null]), 2 <= all (array[2, 2]), 2 <= all ('{}'::int[]);
select k, k > any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k > any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k > any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 > any (array[1, 2, null]), 2 > any (array[2, 2]), 2 > any ('{}'::int[]);
select k, k > all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k > all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k > all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 > all (array[1, 2, null]), 2 > all (array[2, 2]), 2 > all ('{}'::int[]);
select k, k >= any (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k >= any (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k >= any (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 >= any (array[1, 2, null]), 2 >= any (array[2, 2]), 2 >= any ('{}'::int[]);
select k, k >= all (select k from (values (1), (2)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, k >= all (select k from (values (1), (2), (null)) s(k)) as r from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k >= all (select k from (values (1), (2)) s(k) where k > 5) order by k, v;
select 2 >= all (array[1, 2, null]), 2 >= all (array[2, 2]), 2 >= all ('{}'::int[]);
select k, k in (select k from (values (1), (2), (null)) s(k)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k in (select k from (values (1), (2)) s(k)) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (k in (select k from (values (1), (2), (null)) s(k))) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where exists (select 1 from (values (1), (2), (null)) s(k) where s.k = t.k) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (k, v) in (select 2, 20) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (k, v) in ((1, 10), (2, 25)) order by k, v;
-- differs: refused: two columns of one expression
-- ours: error
select exists (select 1 from (values (1), (2), (null)) s(k) where k > 1), exists (select null), exists (select 1 where false);
select device, count(*) from probe where time in (select time from probe where is_open) group by device order by device;
select device, count(*) from probe p where exists (select 1 from probe q where q.device = p.device and q.time > p.time) group by device order by device;
select count(*) from probe where level in (select level from probe where level > 0);
select count(*) from probe where device in (select x from (values ('d0'), (null)) v(x));
select k, k not in (select k from (values (1), (2), (null)) s(k)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where k not in (select k from (values (1), (2)) s(k)) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where not (k in (select k from (values (1), (2), (null)) s(k))) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where not exists (select 1 from (values (1), (2), (null)) s(k) where s.k = t.k) order by k, v;
-- differs: refused: Too many columns! The subquery should only return one column: Int64(2), Int64(20)
-- ours: error
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (k, v) not in (select 2, 20) order by k, v;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (k, v) not in ((1, 10), (2, 25)) order by k, v;
-- differs: refused: two columns of one expression
-- ours: error
select not exists (select 1 from (values (1), (2), (null)) s(k) where k > 1), not exists (select null), not exists (select 1 where false);
select device, count(*) from probe where time not in (select time from probe where is_open) group by device order by device;
select device, count(*) from probe p where not exists (select 1 from probe q where q.device = p.device and q.time > p.time) group by device order by device;
select count(*) from probe where level not in (select level from probe where level > 0);
select count(*) from probe where device not in (select x from (values ('d0'), (null)) v(x));
select s.k, (select max(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select max(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select max(v), (select max(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select min(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select min(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select min(v), (select min(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select sum(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select sum(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select sum(v), (select sum(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select count(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select count(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select count(v), (select count(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select count(*) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select count(*) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select count(*), (select count(*) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select avg(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v = (select avg(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) order by 1, 2;
-- differs: refused: two columns of one expression
-- ours: error
select avg(v), (select avg(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select s.k, (select bool_or(v > 10) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where t.k = s.k) from (values (1), (2), (null)) s(k) order by 1;
-- differs: refused: two columns of one expression
-- ours: error
select bool_or(v > 10), (select bool_or(v > 10) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
-- differs: refused: Invalid argument error: Column 'Utf8('a')' is declared as non-nullable but contains null v
-- ours: error
select (select 1), (select null), (select 'a' where false);
select (select k from (values (1), (2)) s(k));
select (select 1, 2);
select (select count(*) from probe), (select max(time) from probe);
select device, level from probe where level = (select max(level) from probe);
select device, time from probe p where time = (select max(time) from probe q where q.device = p.device) order by device;
select device, (select count(*) from probe q where q.device = p.device and q.is_open) as n from (select distinct device from probe) p order by device;
select k, v, v - (select avg(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v)) > 0 from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, sum(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by k having sum(v) > (select avg(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v)) order by k;
-- differs: refused: a subquery that reads columns of the query around it otherwise than by equality, or of whi
-- ours: error
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by (select count(*) from (values (1), (2)) s(k) where s.k = t.k) desc, k, v;
select case when exists (select 1 from (values (1), (2)) s(k) where s.k = t.k) then 'in' else 'out' end, k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select * from (select k, count(*) as n from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by k) g where n > 1;
select * from (select * from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by v limit 2) g order by k;
select g.k, g.n from (select k, row_number() over (order by v) as n from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) g where n <= 2 order by n;
select a from (select 1 as a union select 2) q order by a desc;
select x.k from (select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v > 5) x join (select k from (values (1), (2)) s(k)) y on x.k = y.k order by 1;
-- differs: refused: two columns of one expression
-- ours: error
with q as (select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) select count(*), (select count(*) from q where k = 2) from q;
with q as (select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) select k from q where v > (select min(v) from q) order by k;
with q as (select 1 as a), r as (select a + 1 as b from q) select a, b from q, r;
with q as (select * from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)), p as (select * from q where k = 2) select sum(v) from p;
with q as materialized (select 1 as a) select a from q;
with q as not materialized (select 1 as a) select a from q;
select (with q as (select 5 as a) select a from q);
select * from (with q as (select 5 as a) select a from q) w;
select k, array(select v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k order by v)::text from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k, coalesce((select max(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k + 1), -1) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where v > all (select v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k < 2) order by k;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where exists (select 1 from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k and u.v > t.v) order by k;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (select count(*) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) u(k, v) where u.k = t.k) > 1 order by k;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where (select true);
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) where null in (select k from (values (1), (2)) s(k));
select count(*) from probe where pulses > (select avg(pulses % 1000) from probe);
-- differs: refused: Too many columns! The subquery should only return one column: Utf8('d0'), Boolean(true)
-- ours: error
select count(*) from probe where (device, is_open) = (select 'd0', true);
select row(1, 2) = row(1, 2), row(1, 2) < row(1, 3), (1, 2) is null, (null, null) is null, (1, null) is not null;
select (select max(x) from (select k as x from (values (1), (2)) s(k) union all select 9) z);
select sum(x) from (select distinct k as x from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v)) z;
select distinct on (k) k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k, v desc;
select distinct k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k nulls first;
select distinct k, v is null from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by 1, 2;
select count(distinct k), count(distinct (k, v)) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v);
select device, time from (select distinct on (device) device, time from probe order by device, time desc) l order by 1;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) offset 2;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k limit 0;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k limit null;
-- differs: refused: Unsupported LIMIT expression: Some(ScalarSubquery(<subquery>))
-- ours: error
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k limit (select 2);
-- differs: refused: FETCH … WITH TIES or PERCENT; write a condition on rank() OVER (ORDER BY …)
-- ours: error
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k fetch first 2 rows with ties;
-- differs: refused: sql parser error: Expected: end of statement, found: using at Line: 1, Column: 94
-- ours: error
select k, v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k using <;
select k + 1 as k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by k;
select k as v from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) order by v limit 2;
select -k as k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by k order by k;
select k % 2 as m, count(*) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by m order by m;
select k as g, sum(v) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by g order by sum(v) nulls first;
select max(k) from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) having max(k) > 5;
select 1 from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) having count(*) > 1;
select k from (values (1, 10), (2, 20), (2, 25), (3, null), (null, 5)) t(k, v) group by k having k > 1 order by 1;
-- Mended: each was answered otherwise once.
select (1, null) is not null, (null, null) is not null, (1,null) is null, row(1,null) = row(1,null), row(1, 2) = row(1, null), row(1,null) is distinct from row(1,null), not ((1,null) is null);
select count(*) from probe where (level, pulses) is not null;
select count(*) from probe where row(level, pulses) is null;
select count(*) from probe where null::int8 not in (select pulses from probe);
select count(*) from probe where (null::int8 + 1) not in (select pulses from probe where false);
