-- Window functions and their frames.
select i, sum(v) over (order by i ), count(*) over (order by i ), count(v) over (order by i ) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i ), max(v) over (partition by g order by i ), avg(v) over (partition by g order by i ) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i ), last_value(v) over (order by i ), nth_value(v, 2) over (order by i ) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows unbounded preceding), count(*) over (order by i rows unbounded preceding), count(v) over (order by i rows unbounded preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows unbounded preceding), max(v) over (partition by g order by i rows unbounded preceding), avg(v) over (partition by g order by i rows unbounded preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows unbounded preceding), last_value(v) over (order by i rows unbounded preceding), nth_value(v, 2) over (order by i rows unbounded preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows between 1 preceding and 1 following), count(*) over (order by i rows between 1 preceding and 1 following), count(v) over (order by i rows between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows between 1 preceding and 1 following), max(v) over (partition by g order by i rows between 1 preceding and 1 following), avg(v) over (partition by g order by i rows between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows between 1 preceding and 1 following), last_value(v) over (order by i rows between 1 preceding and 1 following), nth_value(v, 2) over (order by i rows between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows between current row and unbounded following), count(*) over (order by i rows between current row and unbounded following), count(v) over (order by i rows between current row and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows between current row and unbounded following), max(v) over (partition by g order by i rows between current row and unbounded following), avg(v) over (partition by g order by i rows between current row and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows between current row and unbounded following), last_value(v) over (order by i rows between current row and unbounded following), nth_value(v, 2) over (order by i rows between current row and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows between unbounded preceding and unbounded following), count(*) over (order by i rows between unbounded preceding and unbounded following), count(v) over (order by i rows between unbounded preceding and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows between unbounded preceding and unbounded following), max(v) over (partition by g order by i rows between unbounded preceding and unbounded following), avg(v) over (partition by g order by i rows between unbounded preceding and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows between unbounded preceding and unbounded following), last_value(v) over (order by i rows between unbounded preceding and unbounded following), nth_value(v, 2) over (order by i rows between unbounded preceding and unbounded following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows between 2 preceding and 1 preceding), count(*) over (order by i rows between 2 preceding and 1 preceding), count(v) over (order by i rows between 2 preceding and 1 preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows between 2 preceding and 1 preceding), max(v) over (partition by g order by i rows between 2 preceding and 1 preceding), avg(v) over (partition by g order by i rows between 2 preceding and 1 preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows between 2 preceding and 1 preceding), last_value(v) over (order by i rows between 2 preceding and 1 preceding), nth_value(v, 2) over (order by i rows between 2 preceding and 1 preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i rows between 1 following and 2 following), count(*) over (order by i rows between 1 following and 2 following), count(v) over (order by i rows between 1 following and 2 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i rows between 1 following and 2 following), max(v) over (partition by g order by i rows between 1 following and 2 following), avg(v) over (partition by g order by i rows between 1 following and 2 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i rows between 1 following and 2 following), last_value(v) over (order by i rows between 1 following and 2 following), nth_value(v, 2) over (order by i rows between 1 following and 2 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i range between unbounded preceding and current row), count(*) over (order by i range between unbounded preceding and current row), count(v) over (order by i range between unbounded preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i range between unbounded preceding and current row), max(v) over (partition by g order by i range between unbounded preceding and current row), avg(v) over (partition by g order by i range between unbounded preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i range between unbounded preceding and current row), last_value(v) over (order by i range between unbounded preceding and current row), nth_value(v, 2) over (order by i range between unbounded preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i range between 1 preceding and 1 following), count(*) over (order by i range between 1 preceding and 1 following), count(v) over (order by i range between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i range between 1 preceding and 1 following), max(v) over (partition by g order by i range between 1 preceding and 1 following), avg(v) over (partition by g order by i range between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i range between 1 preceding and 1 following), last_value(v) over (order by i range between 1 preceding and 1 following), nth_value(v, 2) over (order by i range between 1 preceding and 1 following) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by i groups between 1 preceding and current row), count(*) over (order by i groups between 1 preceding and current row), count(v) over (order by i groups between 1 preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, min(v) over (partition by g order by i groups between 1 preceding and current row), max(v) over (partition by g order by i groups between 1 preceding and current row), avg(v) over (partition by g order by i groups between 1 preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(v) over (order by i groups between 1 preceding and current row), last_value(v) over (order by i groups between 1 preceding and current row), nth_value(v, 2) over (order by i groups between 1 preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
-- differs: refused: sql parser error: Expected: ), found: exclude at Line: 1, Column: 76
-- ours: error
select i, sum(v) over (order by i rows between 1 preceding and 1 following exclude current row), count(*) over (order by i rows between 1 preceding and 1 following exclude current row), count(v) over (order by i rows between 1 preceding and 1 following exclude current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
-- differs: refused: sql parser error: Expected: ), found: exclude at Line: 1, Column: 91
-- ours: error
select i, min(v) over (partition by g order by i rows between 1 preceding and 1 following exclude current row), max(v) over (partition by g order by i rows between 1 preceding and 1 following exclude current row), avg(v) over (partition by g order by i rows between 1 preceding and 1 following exclude current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
-- differs: refused: sql parser error: Expected: ), found: exclude at Line: 1, Column: 84
-- ours: error
select i, first_value(v) over (order by i rows between 1 preceding and 1 following exclude current row), last_value(v) over (order by i rows between 1 preceding and 1 following exclude current row), nth_value(v, 2) over (order by i rows between 1 preceding and 1 following exclude current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, row_number() over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, row_number() over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, row_number() over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, rank() over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, rank() over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, rank() over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, dense_rank() over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, dense_rank() over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, dense_rank() over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, percent_rank() over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, percent_rank() over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, percent_rank() over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, cume_dist() over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, cume_dist() over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, cume_dist() over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(2) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(2) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(2) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(4) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(4) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(4) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 2) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 2) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 2) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v, 2, -1) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v, 2, -1) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lead(v, 2, -1) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 0) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 0) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(v, 0) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(i, 1, 0) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(i, 1, 0) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, lag(i, 1, 0) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(i) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(i) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, first_value(i) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, last_value(i) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, last_value(i) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, last_value(i) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, count(*) over (order by v, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, count(*) over (partition by g order by v desc, i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, count(*) over (order by v nulls first, i desc) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, rank() over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, dense_rank() over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, percent_rank() over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, cume_dist() over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, count(*) over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over () from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(sum(v)) over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) group by i order by i;
select g, sum(v), sum(sum(v)) over (order by g), rank() over (order by sum(v) desc nulls last) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) group by g order by g;
select i, v - lag(v) over (order by i), v - avg(v) over (partition by g) > 0 from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) filter (where g = 'a') over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, string_agg(g, '') over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, array_agg(i) over (order by i rows 1 preceding)::text from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, bool_and(v > 5) over (partition by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, sum(v) over w, avg(v) over w from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) window w as (partition by g order by i) order by i;
select i, sum(v) over (w order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) window w as (partition by g) order by i;
select g, i from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by row_number() over (partition by g order by i), g;
select i from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) where row_number() over (order by i) < 3;
select * from (select i, row_number() over (partition by g order by i) as n from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v)) q where n = 1 order by i;
-- differs: taken, where PostgreSQL has an error
-- ours: 1|3
-- ours: 2|3
-- ours: 3|3
-- ours: 4|3
-- ours: 5|3
-- ours: 6|3
select i, count(distinct g) over () from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
-- differs: taken, where PostgreSQL has an error
-- ours: 1|20
-- ours: 2|5
-- ours: 3|15
-- ours: 4|15
-- ours: 5|5
-- ours: 6|NULL
select i, lead(v) ignore nulls over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, ntile(0) over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v);
select i, nth_value(v, 0) over (order by i) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v);
select time, level, avg(level) over (order by time rows between 2 preceding and current row) from probe order by time limit 6;
select time, pulses - lag(pulses) over (partition by device order by time) from probe where pulses < 1000 order by time limit 8;
select device, time, row_number() over (partition by device order by time desc) as n from probe order by device, n limit 4;
select time, sum(pulses % 10) over (partition by device order by time range between interval '4 hours' preceding and current row) from probe order by time limit 8;
select time, count(*) over (order by time range between interval '1 hour' preceding and interval '1 hour' following) from probe order by time limit 4;
select device, time, first_value(note) over (partition by device order by time), last_value(level) over (partition by device order by time rows between unbounded preceding and unbounded following) from probe order by time limit 4;
select time, max(time) over (partition by device), time = max(time) over (partition by device) from probe order by time desc limit 3;
select is_open, count(*), count(*) * 100 / sum(count(*)) over () from probe group by is_open order by is_open;
select time, sum(level) over (order by time range between interval '2 hours' preceding and interval '1 hour' preceding) from probe order by time limit 5;
select date_trunc('hour', time) as h, sum(count(*)) over (order by date_trunc('hour', time)) from probe group by h order by h limit 4;
select i, sum(v::float8) over (order by i rows between 1 preceding and current row), sum(v::numeric) over (order by i rows 1 preceding) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, stddev_samp(v::float8) over (order by i rows between 2 preceding and current row) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
select i, rank() over (order by v desc) + dense_rank() over (order by g) from (values (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'b', null), (5, 'a', 15), (6, 'c', 5)) w(i, g, v) order by i;
