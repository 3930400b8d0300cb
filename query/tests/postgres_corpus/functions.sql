-- Functions that DataFusion lacks or names otherwise.
select mod(7, 3), mod(-7, 3), div(7, 2), div(-7, 2), sign(-2.5::float8), sign(0::float8), sign(3::float8);
select repeat('ab', 3), repeat('ab', 0), repeat('ab', -1), repeat(null, 2);
select quote_literal('it''s'), quote_literal('a\b'), quote_nullable(null), quote_nullable('a');
select width_bucket(5.35::float8, 0.024, 10.06, 5), width_bucket(0::float8, 1, 10, 3), width_bucket(10::float8, 1, 10, 3), width_bucket(3::float8, 10, 0, 5);
select width_bucket(1::float8, 1, 1, 3);
select isfinite(time) from probe limit 1;
select every((pulses % 5) < 5), every((pulses % 5) < 4), variance(level) > 0, var_samp(level) = variance(level) from probe;
select variance(x), stddev(x) from (values (1::float8), (2), (3)) t(x);
select percentile_cont(0.3) within group (order by x) from (values (10::float8), (20), (30), (40), (50)) t(x);
select percentile_cont(0.3) within group (order by x desc) from (values (10::float8), (20), (30), (40), (50)) t(x);
select device, percentile_cont(0.95) within group (order by level) from probe group by device order by device;
