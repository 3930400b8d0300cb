-- JSON: building, reading, aggregates.
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'a';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'a';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'b' -> 'c' -> 1;
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'b' -> 'c' ->> 2;
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'd';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'zz';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'e';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'f';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'b';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'b';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json #> '{b,c,0}';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json #>> '{b,c,2}';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'b' -> 'c' -> -1;
select ('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'a')::int + 1, '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json ->> 'a' = '1';
select json_typeof('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json), json_typeof('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'a'), json_array_length('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json -> 'b' -> 'c');
select json_extract_path_text('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::json, 'b', 'c', '0');
select '[1, 2'::json;
select ' [1,  2] '::json, '"x"'::json, 'null'::json, '1.0'::json;
select x from json_array_elements('[1, "a", null]'::json) x;
select x from json_array_elements_text('[1, "a", null]'::json) x;
-- differs: refused: Unsupported SQL type JSON
-- ours: error
select key, value from json_each('{"a": 1, "b": "x"}'::json) order by key;
select k from json_object_keys('{"a": 1, "b": "x"}'::json) k order by k;
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'a';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'a';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'b' -> 'c' -> 1;
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'b' -> 'c' ->> 2;
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'd';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'zz';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'e';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'f';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'b';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'b';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb #> '{b,c,0}';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb #>> '{b,c,2}';
select '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'b' -> 'c' -> -1;
select ('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'a')::int + 1, '{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb ->> 'a' = '1';
select jsonb_typeof('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb), jsonb_typeof('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'a'), jsonb_array_length('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb -> 'b' -> 'c');
select jsonb_extract_path_text('{"a": 1, "b": {"c": [1, 2, "x"]}, "d": null, "e": true, "f": 1.50}'::jsonb, 'b', 'c', '0');
select '[1, 2'::jsonb;
select ' [1,  2] '::jsonb, '"x"'::jsonb, 'null'::jsonb, '1.0'::jsonb;
select x from jsonb_array_elements('[1, "a", null]'::jsonb) x;
select x from jsonb_array_elements_text('[1, "a", null]'::jsonb) x;
-- differs: refused: Unsupported SQL type JSONB
-- ours: error
select key, value from jsonb_each('{"a": 1, "b": "x"}'::jsonb) order by key;
select k from jsonb_object_keys('{"a": 1, "b": "x"}'::jsonb) k order by k;
select json_build_object('a', 1, 'b', 'x', 'c', null, 'd', true, 'e', 1.5);
select json_build_object('t', timestamp '2026-01-01 03:04:05', 'd', date '2026-01-01');
select json_build_array(1, 'a', null, true, 1.5);
select json_build_object('a');
select to_json(1), to_json('a"b'::text), to_json(true), to_json(null::int), to_json(array[1, 2]), to_json(1.5);
select to_json(timestamp '2026-01-01 03:04:05'), to_json(timestamptz '2026-01-01 00:00+00'), to_json(array['a', null]);
select row_to_json(t) from (select 1 as a, 'x' as b, null as c) t;
select row_to_json(t) from (select device, pulses, is_open, time from probe order by time limit 2) t;
select json_agg(x) from (values (1), (2), (null)) t(x);
select json_agg(x order by x desc) from (values ('a'), ('b')) t(x);
select json_agg(x) from (values (1)) t(x) where false;
-- differs: refused: function json_object_agg does not exist
-- ours: error
select json_object_agg(k, v) from (values ('a', 1), ('b', 2)) t(k, v);
select device, json_agg(pulses order by time) from probe where pulses < 0 group by device order by device;
-- differs: refused: Unsupported SQL type JSONB
-- ours: error
select '{"a": 1}'::jsonb @> '{"a": 1}', '{"a": 1}'::jsonb ? 'a', '{"b": 1, "a": 2}'::jsonb;
select '{"a": 1, "a": 2}'::json, '{"a": 1, "a": 2}'::jsonb;
-- differs: refused: Unsupported SQL type JSONB
-- ours: error
select '{"a": 1}'::jsonb = '{"a": 1.0}'::jsonb, '{"a": 1}'::jsonb || '{"b": 2}'::jsonb, '{"a": 1}'::jsonb - 'a';
-- differs: refused: function json_strip_nulls does not exist
-- ours: error
select json_strip_nulls('{"a": null, "b": 1}'), array_to_json(array[1, 2]);
-- differs: refused: function json_object does not exist
-- ours: error
select json_object('{a,1,b,2}'), json_object('{a,b}', '{1,2}');
select '{"a": "x\ny"}'::json ->> 'a', '{"a": "\u00e9"}'::json ->> 'a';
-- Mended: each was answered otherwise once.
select json_build_array(1, 'a', null, true, 1.5), jsonb_build_array(1,'a',array[1,2]), json_build_object('a', timestamptz '2026-01-01 00:00+00', 'b', array['x','y'], 'c', 1e20::float8, 'd', date '2026-01-01', 'e', 'NaN'::float8, 'f', interval '1 day'), jsonb_build_object('bb',1,'a',array[1,2]), json_build_object('x', json_build_object('y',1));
select to_json(1), to_json('a"b'::text), to_json(true), to_json(null::int), to_json(array[1, 2]), to_json(1.5), to_jsonb(array[1,2]), to_json('{"a":1}'::json);
select json_agg(x order by x desc), jsonb_agg(x order by x) from (values ('a'), ('b')) t(x);
select json_agg(json_build_object('d', device, 'p', pulses) order by time) from probe where pulses < 0;
select ' [1,  2] '::json, ' [1,  2] '::jsonb, '{"b":1,"aa":2,"a":3,"a":4}'::jsonb, '1.50'::jsonb, '1e3'::jsonb, '"\u00e9\n"'::jsonb, '["\u00e9\n\/"]'::json ->> 0, '["\u00e9\n\/"]'::json -> 0,  '["\u00e9\n\/"]'::jsonb -> 0;
select '{"a":null}'::json -> 'a', '{"a":null}'::json ->> 'a', '[1,2,3]'::json -> -1, '[1,2]'::json -> 5, '{"a":1}'::json -> 0, '[1]'::json -> 'a', '1'::json -> 'a', '{"a":1,"a":2}'::json -> 'a', '{"a":[1,2]}'::json #> '{a,1}', '{"a":[1,2]}'::json #> '{}', '{"a":[1,2]}'::json #>> '{a,-1}', '{"a":[1,2]}'::json #> '{a,x}';
select '{bad}'::json;
select '{"a": 01}'::json;
select json_array_length('{}');
select row_to_json(t) from (select device, level as l from probe order by time limit 3) t;
select json_agg(t) from (select 1 as a, 'x' as b) t;
select to_json(timestamptz '2026-01-01 00:00+00'), to_json(array[timestamptz '2026-01-01 00:00+00']), to_json(timestamp '2026-01-01 03:04:05.5');
select t.x ->> 'a' as a, count(*) from (select ('{"a":' || pulses || '}')::json as x from probe where pulses < 0) t group by 1 order by 1;
