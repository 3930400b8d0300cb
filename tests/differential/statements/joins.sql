-- Joins of every kind, over values and over stored rows.
select a.k, x, b.k, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3, 4;
select k, x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select count(*), count(a.k), count(b.k), count(x), count(y) from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k where y is null or y > 'B' order by 1, 2;
select x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k and y <> 'C' order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k is not distinct from b.k order by 1, 2;
select p.device, count(*), count(q.time) from probe p join (select * from probe where is_open) q on p.time = q.time group by 1 order by 1;
select p.device, y, count(*) from probe p join (values ('d0', 'zero'), ('d7', 'seven')) b(device, y) on p.device = b.device group by 1, 2 order by 1, 2;
select a.k, x, b.k, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3, 4;
select k, x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select count(*), count(a.k), count(b.k), count(x), count(y) from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k where y is null or y > 'B' order by 1, 2;
select x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k and y <> 'C' order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k is not distinct from b.k order by 1, 2;
select p.device, count(*), count(q.time) from probe p left join (select * from probe where is_open) q on p.time = q.time group by 1 order by 1;
select p.device, y, count(*) from probe p left join (values ('d0', 'zero'), ('d7', 'seven')) b(device, y) on p.device = b.device group by 1, 2 order by 1, 2;
select a.k, x, b.k, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3, 4;
select k, x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select count(*), count(a.k), count(b.k), count(x), count(y) from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k where y is null or y > 'B' order by 1, 2;
select x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k and y <> 'C' order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k is not distinct from b.k order by 1, 2;
select p.device, count(*), count(q.time) from probe p right join (select * from probe where is_open) q on p.time = q.time group by 1 order by 1;
select p.device, y, count(*) from probe p right join (values ('d0', 'zero'), ('d7', 'seven')) b(device, y) on p.device = b.device group by 1, 2 order by 1, 2;
select a.k, x, b.k, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3, 4;
select k, x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (k) order by 1, 2, 3;
select count(*), count(a.k), count(b.k), count(x), count(y) from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k where y is null or y > 'B' order by 1, 2;
-- differs: taken, where PostgreSQL has an error
-- ours: 1|NULL
-- ours: 2|2
-- ours: 3|3
-- ours: 3|3
-- ours: NULL|NULL
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k is not distinct from b.k order by 1, 2;
select p.device, count(*), count(q.time) from probe p full join (select * from probe where is_open) q on p.time = q.time group by 1 order by 1;
select p.device, y, count(*) from probe p full join (values ('d0', 'zero'), ('d7', 'seven')) b(device, y) on p.device = b.device group by 1, 2 order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k < b.k order by 1, 2;
select a.k, b.k, c.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k join (values (1), (3)) c(k) on c.k = b.k order by 1, 2, 3;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on true order by 1;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (select k, max(y) as y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) group by k) b on a.k = b.k order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k < b.k order by 1, 2;
select a.k, b.k, c.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k left join (values (1), (3)) c(k) on c.k = b.k order by 1, 2, 3;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on true order by 1;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join (select k, max(y) as y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) group by k) b on a.k = b.k order by 1, 2;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k < b.k order by 1, 2;
select a.k, b.k, c.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k right join (values (1), (3)) c(k) on c.k = b.k order by 1, 2, 3;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on true order by 1;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) right join (select k, max(y) as y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) group by k) b on a.k = b.k order by 1, 2;
select a.k, b.k, c.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k full join (values (1), (3)) c(k) on c.k = b.k order by 1, 2, 3;
select a.k, b.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (select k, max(y) as y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) group by k) b on a.k = b.k order by 1, 2;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) natural join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) natural left join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) order by 1, 2, 3;
select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) cross join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) order by 1, 2, 3, 4 limit 5;
select a.x, b.y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x), (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where a.k = b.k order by 1, 2;
select a.x, b.y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x), (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where a.k = b.k and a.x > 'a' or b.y = 'N' and a.k = 1 order by 1, 2;
select a.k, (select count(*) from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where b.k = a.k) from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) order by 1;
select a.k, l.y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x), lateral (select y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where b.k = a.k) l order by 1, 2;
select a.k, l.y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) left join lateral (select y from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where b.k = a.k) l on true order by 1, 2;
-- differs: refused: a subquery that reads columns of the query around it otherwise than by equality, or of whi
-- ours: error
select a.k, l.n from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) cross join lateral (select a.k + 1 as n) l order by 1;
-- differs: refused: Argument #2 must be an INTEGER or NULL, got Column(Column { relation: Some(Bare { table: '
-- ours: error
select a.k, g from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) cross join lateral generate_series(1, a.k) g order by 1, 2;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) where exists (select 1 from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where b.k = a.k) order by 1;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) where not exists (select 1 from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where b.k = a.k) order by 1;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) where a.k in (select k from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y)) order by 1;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) where a.k not in (select k from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y)) order by 1;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) where a.k not in (select k from (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) where k is not null) order by 1;
select a.*, b.* from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3, 4;
select x from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k and b.y in ('B', 'C') order by 1;
select coalesce(a.k, b.k) as k, x, y from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) full join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k order by 1, 2, 3;
select k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) on a.k = b.k;
select a.k from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) a(k, x) join (values (2, 'B'), (3, 'C'), (3, 'CC'), (null, 'N')) b(k, y) using (nothing);
select p.time, q.time from probe p join probe q on q.time = p.time + interval '1 hour' order by 1 limit 3;
select p.time, q.pulses - p.pulses as d from probe p join probe q on q.time = p.time + interval '1 hour' where p.pulses < 400 order by 1 limit 6;
select p.device, q.device, count(*) from probe p join probe q on p.is_open = q.is_open and p.time < q.time group by 1, 2 order by 1, 2;
select d, count(p.time), max(p.pulses) from (values ('d0'), ('d1'), ('d2')) v(d) left join probe p on p.device = d and p.is_open group by d order by d;
select d, count(*) from (values ('d0'), ('d1'), ('d2')) v(d) left join probe p on p.device = d where p.is_open is null group by d order by d;
select count(*) from probe p join probe q using (time, device);
select count(*) from probe p join probe q using (level);
select count(*) from probe p left join probe q on p.level = q.level and p.device = q.device where q.time is null;
select p.time from probe p join (select device, max(time) as time from probe group by device) m using (device, time) order by 1;
select t1.a, t2.b from (select 1 as a) t1 join (select 1 as a, 2 as b) t2 on t1.a = t2.a;
select * from (select 1 as a) x join (select 1 as a) y on x.a = y.a;
select * from ((values (1)) a(i) join (values (1)) b(i) using (i)) join (values (1)) c(i) using (i);
select * from (values (1), (2)) a(i) join (values (2), (3)) b(j) on i = j or i = 1 order by 1, 2;
select * from (values (1.0), (2.5)) a(i) join (values (1), (2)) b(j) on i = j;
select * from (values ('1'), ('2')) a(i) join (values ('2 '), ('1')) b(j) on i = j;
select * from (values ('NaN'::float8), (1)) a(i) join (values ('NaN'::float8), (2)) b(j) on i = j;
select * from (values (timestamptz '2026-01-01 00:00+00')) a(i) join (values (timestamptz '2026-01-01 07:00+07')) b(j) on i = j;
with a as (select device, count(*) as n from probe group by device), b as (select device, sum(n) as s from a group by device) select a.device, n, s from a join b using (device) order by 1;
with recursive t(n) as (values (1) union all select n * 2 from t where n < 40) select n from t order by n;
with recursive t(n, p) as (select 1, 'a' union all select n + 1, p || 'a' from t where n < 4) select * from t order by n;
with a as (values (1), (2)), b as (select column1 + 1 as v from a) select a.column1, b.v from a, b order by 1, 2;
with x(a, b) as (select 1, 2) select b, a from x;
select * from (values (1, 2), (3, 4)) t order by column2 desc;
select t.* from (values (1, 'x')) t(a, b) where t.b = 'x';
select a.i, b.i from (values (1), (null)) a(i) join (values (1), (null)) b(i) on a.i = b.i or (a.i is null and b.i is null) order by 1;
-- Mended: each was answered otherwise once.
select count(*) from (select * from (select level, temperature, note from probe) q where q.level is not distinct from q.temperature) a right join (select * from (select device, level, temperature, is_open from probe) q where q.is_open = q.is_open) b on a.note = b.device where round(a.level) = any (array[trunc(b.level), -b.temperature]);
select a.note, b.device from probe a right join (select * from (select device, note from probe) q where q.note is not null) b on a.note = b.device where initcap('note 3') <= lpad(a.note, 6, 'xy');
select count(*) from (select * from probe where level > -5) a left join (select * from probe where level > -6) b on a.note = b.note where coalesce(b.level, 1) > 0.5;
