-- Arrays: literals, items, operators, functions, aggregates.
select array[1, 2, 3], array[1, 2, 3]::text, cardinality(array[1, 2, 3]), array_length(array[1, 2, 3], 1);
select (array[1, 2, 3])[1], (array[1, 2, 3])[2], (array[1, 2, 3])[0], (array[1, 2, 3])[9];
select (array[1, 2, 3])[1:2], (array[1, 2, 3])[2:], (array[1, 2, 3])[:1], (array[1, 2, 3])[3:1];
select array[1, 2, 3] || array[1, 2, 3], array[1, 2, 3] = array[1, 2, 3], array[1, 2, 3] <> array[1, 2, 3], array[1, 2, 3] is null, array_cat(array[1, 2, 3], array[1, 2, 3]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select array[1, 2, 3] @> array[1, 2, 3], array[1, 2, 3] <@ array[1, 2, 3], array[1, 2, 3] && array[1, 2, 3];
select unnest(array[1, 2, 3]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(array[1, 2, 3]) with ordinality u(x, ordinality);
select array_to_string(array[1, 2, 3], ','), array_to_string(array[1, 2, 3], ',', '*');
select count(*), count(x), min(x), max(x) from unnest(array[1, 2, 3]) u(x);
select array_agg(x order by x desc)::text from unnest(array[1, 2, 3]) u(x);
select array[1, null, 3], array[1, null, 3]::text, cardinality(array[1, null, 3]), array_length(array[1, null, 3], 1);
select (array[1, null, 3])[1], (array[1, null, 3])[2], (array[1, null, 3])[0], (array[1, null, 3])[9];
select (array[1, null, 3])[1:2], (array[1, null, 3])[2:], (array[1, null, 3])[:1], (array[1, null, 3])[3:1];
select array[1, null, 3] || array[1, null, 3], array[1, null, 3] = array[1, null, 3], array[1, null, 3] <> array[1, null, 3], array[1, null, 3] is null, array_cat(array[1, null, 3], array[1, null, 3]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select array[1, null, 3] @> array[1, null, 3], array[1, null, 3] <@ array[1, null, 3], array[1, null, 3] && array[1, null, 3];
select unnest(array[1, null, 3]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(array[1, null, 3]) with ordinality u(x, ordinality);
select array_to_string(array[1, null, 3], ','), array_to_string(array[1, null, 3], ',', '*');
select count(*), count(x), min(x), max(x) from unnest(array[1, null, 3]) u(x);
select array_agg(x order by x desc)::text from unnest(array[1, null, 3]) u(x);
select '{}'::int[], '{}'::int[]::text, cardinality('{}'::int[]), array_length('{}'::int[], 1);
select ('{}'::int[])[1], ('{}'::int[])[2], ('{}'::int[])[0], ('{}'::int[])[9];
select ('{}'::int[])[1:2], ('{}'::int[])[2:], ('{}'::int[])[:1], ('{}'::int[])[3:1];
select '{}'::int[] || '{}'::int[], '{}'::int[] = '{}'::int[], '{}'::int[] <> '{}'::int[], '{}'::int[] is null, array_cat('{}'::int[], '{}'::int[]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select '{}'::int[] @> '{}'::int[], '{}'::int[] <@ '{}'::int[], '{}'::int[] && '{}'::int[];
select unnest('{}'::int[]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest('{}'::int[]) with ordinality u(x, ordinality);
select array_to_string('{}'::int[], ','), array_to_string('{}'::int[], ',', '*');
select count(*), count(x), min(x), max(x) from unnest('{}'::int[]) u(x);
select array_agg(x order by x desc)::text from unnest('{}'::int[]) u(x);
select null::int[], null::int[]::text, cardinality(null::int[]), array_length(null::int[], 1);
select (null::int[])[1], (null::int[])[2], (null::int[])[0], (null::int[])[9];
select (null::int[])[1:2], (null::int[])[2:], (null::int[])[:1], (null::int[])[3:1];
select null::int[] || null::int[], null::int[] = null::int[], null::int[] <> null::int[], null::int[] is null, array_cat(null::int[], null::int[]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select null::int[] @> null::int[], null::int[] <@ null::int[], null::int[] && null::int[];
select unnest(null::int[]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(null::int[]) with ordinality u(x, ordinality);
select array_to_string(null::int[], ','), array_to_string(null::int[], ',', '*');
select count(*), count(x), min(x), max(x) from unnest(null::int[]) u(x);
select array_agg(x order by x desc)::text from unnest(null::int[]) u(x);
select array['a', 'b'], array['a', 'b']::text, cardinality(array['a', 'b']), array_length(array['a', 'b'], 1);
select (array['a', 'b'])[1], (array['a', 'b'])[2], (array['a', 'b'])[0], (array['a', 'b'])[9];
select (array['a', 'b'])[1:2], (array['a', 'b'])[2:], (array['a', 'b'])[:1], (array['a', 'b'])[3:1];
select array['a', 'b'] || array['a', 'b'], array['a', 'b'] = array['a', 'b'], array['a', 'b'] <> array['a', 'b'], array['a', 'b'] is null, array_cat(array['a', 'b'], array['a', 'b']);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select array['a', 'b'] @> array['a', 'b'], array['a', 'b'] <@ array['a', 'b'], array['a', 'b'] && array['a', 'b'];
select unnest(array['a', 'b']);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(array['a', 'b']) with ordinality u(x, ordinality);
select array_to_string(array['a', 'b'], ','), array_to_string(array['a', 'b'], ',', '*');
select count(*), count(x), min(x), max(x) from unnest(array['a', 'b']) u(x);
select array_agg(x order by x desc)::text from unnest(array['a', 'b']) u(x);
select '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[]::text, cardinality('{x,"y z",NULL}'::text[]), array_length('{x,"y z",NULL}'::text[], 1);
select ('{x,"y z",NULL}'::text[])[1], ('{x,"y z",NULL}'::text[])[2], ('{x,"y z",NULL}'::text[])[0], ('{x,"y z",NULL}'::text[])[9];
select ('{x,"y z",NULL}'::text[])[1:2], ('{x,"y z",NULL}'::text[])[2:], ('{x,"y z",NULL}'::text[])[:1], ('{x,"y z",NULL}'::text[])[3:1];
select '{x,"y z",NULL}'::text[] || '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[] = '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[] <> '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[] is null, array_cat('{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select '{x,"y z",NULL}'::text[] @> '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[] <@ '{x,"y z",NULL}'::text[], '{x,"y z",NULL}'::text[] && '{x,"y z",NULL}'::text[];
select unnest('{x,"y z",NULL}'::text[]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest('{x,"y z",NULL}'::text[]) with ordinality u(x, ordinality);
select array_to_string('{x,"y z",NULL}'::text[], ','), array_to_string('{x,"y z",NULL}'::text[], ',', '*');
select count(*), count(x), min(x), max(x) from unnest('{x,"y z",NULL}'::text[]) u(x);
select array_agg(x order by x desc)::text from unnest('{x,"y z",NULL}'::text[]) u(x);
select array[1.5, 2]::float8[], array[1.5, 2]::float8[]::text, cardinality(array[1.5, 2]::float8[]), array_length(array[1.5, 2]::float8[], 1);
select (array[1.5, 2]::float8[])[1], (array[1.5, 2]::float8[])[2], (array[1.5, 2]::float8[])[0], (array[1.5, 2]::float8[])[9];
select (array[1.5, 2]::float8[])[1:2], (array[1.5, 2]::float8[])[2:], (array[1.5, 2]::float8[])[:1], (array[1.5, 2]::float8[])[3:1];
select array[1.5, 2]::float8[] || array[1.5, 2]::float8[], array[1.5, 2]::float8[] = array[1.5, 2]::float8[], array[1.5, 2]::float8[] <> array[1.5, 2]::float8[], array[1.5, 2]::float8[] is null, array_cat(array[1.5, 2]::float8[], array[1.5, 2]::float8[]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select array[1.5, 2]::float8[] @> array[1.5, 2]::float8[], array[1.5, 2]::float8[] <@ array[1.5, 2]::float8[], array[1.5, 2]::float8[] && array[1.5, 2]::float8[];
select unnest(array[1.5, 2]::float8[]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(array[1.5, 2]::float8[]) with ordinality u(x, ordinality);
select array_to_string(array[1.5, 2]::float8[], ','), array_to_string(array[1.5, 2]::float8[], ',', '*');
select count(*), count(x), min(x), max(x) from unnest(array[1.5, 2]::float8[]) u(x);
select array_agg(x order by x desc)::text from unnest(array[1.5, 2]::float8[]) u(x);
select array[true, false], array[true, false]::text, cardinality(array[true, false]), array_length(array[true, false], 1);
select (array[true, false])[1], (array[true, false])[2], (array[true, false])[0], (array[true, false])[9];
select (array[true, false])[1:2], (array[true, false])[2:], (array[true, false])[:1], (array[true, false])[3:1];
select array[true, false] || array[true, false], array[true, false] = array[true, false], array[true, false] <> array[true, false], array[true, false] is null, array_cat(array[true, false], array[true, false]);
-- differs: refused: Unsupported binary operator: PGOverlap
-- ours: error
select array[true, false] @> array[true, false], array[true, false] <@ array[true, false], array[true, false] && array[true, false];
select unnest(array[true, false]);
-- differs: refused: WITH ORDINALITY; write row_number() OVER ()
-- ours: error
select x, ordinality from unnest(array[true, false]) with ordinality u(x, ordinality);
select array_to_string(array[true, false], ','), array_to_string(array[true, false], ',', '*');
select array_agg(x order by x desc)::text from unnest(array[true, false]) u(x);
select array_append(array[1, 2, 2], 2), array_prepend(2, array[1, 2, 2]), array_remove(array[1, 2, 2], 2), array_replace(array[1, 2, 2], 2, 2);
select array_position(array[1, 2, 2], 2), array_positions(array[1, 2, 2], 2), 2 = any (array[1, 2, 2]), 2 <> all (array[1, 2, 2]);
select array_append(array['a', 'b'], 'b'), array_prepend('b', array['a', 'b']), array_remove(array['a', 'b'], 'b'), array_replace(array['a', 'b'], 'b', 'b');
select array_position(array['a', 'b'], 'b'), array_positions(array['a', 'b'], 'b'), 'b' = any (array['a', 'b']), 'b' <> all (array['a', 'b']);
select array_append(array[1, null], null), array_prepend(null, array[1, null]), array_remove(array[1, null], null), array_replace(array[1, null], null, null);
select array_position(array[1, null], null), array_positions(array[1, null], null), null = any (array[1, null]), null <> all (array[1, null]);
select array_append('{}'::int[], 1), array_prepend(1, '{}'::int[]), array_remove('{}'::int[], 1), array_replace('{}'::int[], 1, 1);
select array_position('{}'::int[], 1), array_positions('{}'::int[], 1), 1 = any ('{}'::int[]), 1 <> all ('{}'::int[]);
select array[[1, 2], [3, 4]], '{{1,2},{3,4}}'::int[], array[[1, 2], [3, 4]][2][1], array_dims(array[[1, 2], [3, 4]]);
-- differs: refused: malformed array literal: '{{a,b},{c,d}}': arrays of more than one dimension are not possib
-- ours: error
select '{{a,b},{c,d}}'::text[], cardinality('{{1,2},{3,4}}'::int[]);
select array_length(array[[1, 2, 3], [4, 5, 6]], 2), array_ndims(array[[1]]);
select array[1, 2] < array[1, 3], array[1] < array[1, 0], array[2] > array[1, 9], array[1, null] = array[1, null];
select array[1, 2, 3] @> array[3, 1], array[1] @> array[null]::int[], array[1, 2] && array[2, 9], array[1] && array[3], '{}'::int[] <@ array[1];
-- differs: refused: function array_fill does not exist
-- ours: error
select array_fill(0, array[3]), array_fill('x'::text, array[2]);
select trim_array(array[1, 2, 3], 1);
select array_agg(x) from (values (1)) t(x) where false;
select array_agg(x) filter (where x > 1) from (values (1), (2), (3)) t(x);
select g, array_agg(v order by v) from (values ('a', 2), ('b', 3), ('a', 1)) t(g, v) group by g order by g;
select device, array_agg(pulses order by time) from probe where pulses < 50 group by device order by device;
select device, (array_agg(level order by time desc))[1] from probe where level is not null group by device order by device;
select array(select device from probe order by time limit 3), array(select 1 where false);
select unnest(array[1, 2]), unnest(array['a', 'b']);
select unnest(array[1, 2, 3]), unnest(array['a']);
select * from unnest(array[1, 2], array['a', 'b', 'c']) u(x, y);
select x * 2 from unnest(array[3, 1, 2]) x order by 1;
-- differs: refused: Inconsistent data type across values list at row 2 column 1. Was List(Int64) but found Utf
-- ours: error
select a, x from (values (1, array[1, 2]), (2, array[3]), (3, '{}')) t(a, l), unnest(l) x order by a, x;
-- differs: refused: Inconsistent data type across values list at row 2 column 1. Was List(Int64) but found Utf
-- ours: error
select a, x from (values (1, array[1, 2]), (2, array[3]), (3, '{}')) t(a, l) left join lateral unnest(l) x on true order by a, x;
-- differs: refused: function generate_subscripts does not exist
-- ours: error
select generate_subscripts(array[5, 6, 7], 1);
select array['a'] = '{a}', array[1, 2] = '{1,2}', '{1,2}'::int[] = array[1, 2];
select array[1, 2]::text[], array['1', '2']::int[], array[1, 2]::float8[], array[1.7]::int[];
select array['x']::int[];
select '{1,2'::int[];
select '{"a,b","c\"d"}'::text[], '{null,"null"}'::text[], '{a b, c }'::text[];
select array[null]::text[], array[null, 'NULL', '', 'a"b', 'a\b', 'a,b', '{x}'];
select array[timestamp '2026-01-01', null], array[date '2026-01-01'], array[interval '1 day'], array['a'::varchar];
select array[1, 2.5], array[1, null, 2.5], array[1::bigint, 2::int];
select array['a', 1];
select array[];
select array[]::int[], '{}'::text[], array[]::text[] = '{}';
select string_to_array('1,2,3', ',')::int[], array_length(string_to_array('a b c', ' '), 1);
select array_sample(array[1], 1) = array[1];
select x from (values (array[2, 1]), (array[1, 2]), (array[1]), (null)) t(x) order by x;
select x, count(*) from (values (array[1]), (array[1]), (array[2])) t(x) group by x order by x;
select distinct x from (values (array['a']), (array['a'])) t(x);
select 1 = any (array[1, 2]), 'a' = any ('{a,b}'), 5 = any (null::int[]), null = any (array[1]);
select array_position(array['a', 'b', 'a'], 'a', 2), array_position(array[1], 5);
-- differs: refused: Execution error: Function 'coalesce' user-defined coercion failed with: Execution error: F
-- ours: error
select coalesce(array[1], '{}'), nullif(array[1], array[1]), greatest(array[1], array[2]);
select count(*) from probe where device = any (array['d0', 'd9']);
select count(*) from probe where array[device] <@ array['d0'];
select count(*) from probe where (pulses % 5) = any ('{1,2}');
select (array[1, 2, 3])[2:3] = array[2, 3], (array['a', 'b'])[1] || 'x';
-- Mended: each was answered otherwise once.
select array[1.7, 2.5, 3.5]::int[], array[1.5::float8, 2.5]::int[], array[1.5, null]::bigint[], array[1e20::float8]::text[], array[1, 2]::smallint[];
select array[1, 300000]::smallint[];
select array_remove(array[1,null,2,null], null), array_remove(array[1, 2], 1), array_remove(null::int[], 1), array_remove(array['a', 'b'], 'a'), array_remove(array[1], 1);
select array[1] || null, null || array[2], array_append(array[1], null);
select array[timestamptz '2026-01-01']::text, array[date '2026-01-01']::text, array[interval '1 day 2 hours']::text, array[timestamp '2026-01-01 10:00', null]::text;
select array_to_string(array[timestamptz '2026-01-01', null], ',', '*'), array_to_string(array[1.5::float8, 1e20], ','), array_to_string(array[interval '1 day'], ','), array_to_string(array[date '2026-01-01'], ',');
select array_to_string(array_agg(seen order by time), ', ', '-') from probe where pulses < 0;
select (array[1, 2, 3])[-1:2], (array[1, 2, 3])[null:2], (array['a', 'b'])[2:9], ((array[1, 2, 3])[2:])[1];
select array[1, 2] && array[null]::int[], array[1, null] @> array[1], '{1,2}' && array[2], array[1, 2] = '{1,2}', array['a', 'b'] <@ '{a,b,c}';
select trim_array(array[1, 2, 3], 1), trim_array(array[1], 1);
select trim_array(array[1], 2);
select x * 2 as y from unnest(array[3, 1, 2]) x order by 1;
