-- Windows: frames of doubles, names, nulls.
select i, sum(v) over (order by i rows between 1 preceding and current row) as s from (values (1, 1e20::float8), (2, 1), (3, 2), (4, 3)) t(i, v) order by i;
select i, avg(v) over (order by i rows between 1 preceding and current row) as s from (values (1, 1e20::float8), (2, 1), (3, 2), (4, 3)) t(i, v) order by i;
select i, sum(v) over (order by i rows between 1 preceding and current row) as s from (values (1, 'Infinity'::float8), (2, 1), (3, 2), (4, 3)) t(i, v) order by i;
select i, sum(v) over (order by i rows between 1 preceding and current row) as s from (values (1, 'NaN'::float8), (2, 1), (3, 2), (4, null)) t(i, v) order by i;
select i, var_pop(v) over (order by i rows between 1 preceding and current row) as s from (values (1, 2::float8), (2, 4), (3, 8), (4, null)) t(i, v) order by i;
select i, stddev(v) over (order by i rows between 1 preceding and current row) as s, stddev_pop(v) over (order by i rows between 1 preceding and current row) as p from (values (1, 2::float8), (2, 4), (3, 8), (4, 8)) t(i, v) order by i;
select i, sum(v) over (order by i rows between current row and 1 following) as s from (values (1, 1::float8), (2, 2), (3, 1e20), (4, 3)) t(i, v) order by i;
select i, sum(v) over (order by i range between 1 preceding and 1 preceding) as s from (values (1, 1::float8), (2, 2), (5, 3), (6, 4)) t(i, v) order by i;
select i, sum(v) filter (where v > 1) over (order by i rows between 1 preceding and current row) as s from (values (1, 1::float8), (2, 2), (3, 3), (4, 1)) t(i, v) order by i;
select i, row_number() over w as n, sum(i) over (w rows between 1 preceding and current row) as s from (values (3), (1), (2)) t(i) window w as (order by i) order by i;
select i, sum(i) over w as s from (values (1, 'a'), (2, 'a'), (3, 'b')) t(i, g) window base as (partition by g), w as (base order by i desc) order by i;
select i, sum(i) over w as s from (values (1, 'a'), (2, 'a'), (3, 'b')) t(i, g) window base as (partition by g order by i desc), w as (base) order by i;
select sum(i) over w from (values (1)) t(i) window base as (order by i), w as (base order by i);
select time, count(*) over (order by time range between interval '2 hours' preceding and current row) as n from probe order by time, device limit 5;
select time, avg(level) over (order by time rows between 2 preceding and current row) > 0 as n from probe order by time limit 5;
select count(t.x) from (values (1), (2)) s(x) left join (values (1)) t(x) on s.x = t.x;
