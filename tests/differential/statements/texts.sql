-- Texts: functions, patterns, regular expressions, formats.
select upper(''), lower(''), initcap(''), length(''), octet_length(''), reverse('');
select left('', 2), left('', -2), right('', 2), right('', -2), left('', 0);
select substring('' from 2), substring('' from 2 for 3), substring('' from -1 for 3), substr('', 0), substr('', 3, 2);
select lpad('', 7, '*'), rpad('', 7, 'xy'), lpad('', 2), rpad('', 2), lpad('', 4, '');
select trim(''), ltrim(''), rtrim(''), btrim('', ' a'), trim(both 'a' from ''), trim(leading 'ä' from '');
select position('l' in ''), strpos('', 'o'), strpos('', ''), replace('', 'l', 'LL'), translate('', 'abl', 'xy');
select split_part('', ' ', 1), split_part('', ' ', 2), split_part('', ' ', -1), split_part('', '', 1);
select '' || 'x', 'x' || '' || 1, concat('', 1, null, true), concat_ws('-', '', null, 'z');
select md5(''), ascii(''), char_length(''), repeat('', 2), starts_with('', 'He');
select '' like '%l%', '' like '_b_', '' ilike 'HELLO%', '' not like 'a%', '' like '';
select '' ~ '^[a-z]+$', '' ~* 'WORLD', '' !~ 'b', '' !~* 'B';
select regexp_replace('', '[aeiou]', '#'), regexp_replace('', '[aeiou]', '#', 'g'), regexp_replace('', '(l+)', '<\1>', 'g');
select '' < 'b', '' = 'abc', '' > '', '' between 'a' and 'z', '' is distinct from 'abc';
select ''::varchar(3), ''::varchar, ''::character varying, ''::text;
select overlay('' placing 'XX' from 2), overlay('' placing 'XX' from 2 for 1);
select upper('abc'), lower('abc'), initcap('abc'), length('abc'), octet_length('abc'), reverse('abc');
select left('abc', 2), left('abc', -2), right('abc', 2), right('abc', -2), left('abc', 0);
select substring('abc' from 2), substring('abc' from 2 for 3), substring('abc' from -1 for 3), substr('abc', 0), substr('abc', 3, 2);
select lpad('abc', 7, '*'), rpad('abc', 7, 'xy'), lpad('abc', 2), rpad('abc', 2), lpad('abc', 4, '');
select trim('abc'), ltrim('abc'), rtrim('abc'), btrim('abc', ' a'), trim(both 'a' from 'abc'), trim(leading 'ä' from 'abc');
select position('l' in 'abc'), strpos('abc', 'o'), strpos('abc', ''), replace('abc', 'l', 'LL'), translate('abc', 'abl', 'xy');
select split_part('abc', ' ', 1), split_part('abc', ' ', 2), split_part('abc', ' ', -1), split_part('abc', '', 1);
select 'abc' || 'x', 'x' || 'abc' || 1, concat('abc', 1, null, true), concat_ws('-', 'abc', null, 'z');
select md5('abc'), ascii('abc'), char_length('abc'), repeat('abc', 2), starts_with('abc', 'He');
select 'abc' like '%l%', 'abc' like '_b_', 'abc' ilike 'HELLO%', 'abc' not like 'a%', 'abc' like '';
select 'abc' ~ '^[a-z]+$', 'abc' ~* 'WORLD', 'abc' !~ 'b', 'abc' !~* 'B';
select regexp_replace('abc', '[aeiou]', '#'), regexp_replace('abc', '[aeiou]', '#', 'g'), regexp_replace('abc', '(l+)', '<\1>', 'g');
select 'abc' < 'b', 'abc' = 'abc', 'abc' > '', 'abc' between 'a' and 'z', 'abc' is distinct from 'abc';
select 'abc'::varchar(3), 'abc'::varchar, 'abc'::character varying, 'abc'::text;
select overlay('abc' placing 'XX' from 2), overlay('abc' placing 'XX' from 2 for 1);
select upper('Hello World'), lower('Hello World'), initcap('Hello World'), length('Hello World'), octet_length('Hello World'), reverse('Hello World');
select left('Hello World', 2), left('Hello World', -2), right('Hello World', 2), right('Hello World', -2), left('Hello World', 0);
select substring('Hello World' from 2), substring('Hello World' from 2 for 3), substring('Hello World' from -1 for 3), substr('Hello World', 0), substr('Hello World', 3, 2);
select lpad('Hello World', 7, '*'), rpad('Hello World', 7, 'xy'), lpad('Hello World', 2), rpad('Hello World', 2), lpad('Hello World', 4, '');
select trim('Hello World'), ltrim('Hello World'), rtrim('Hello World'), btrim('Hello World', ' a'), trim(both 'a' from 'Hello World'), trim(leading 'ä' from 'Hello World');
select position('l' in 'Hello World'), strpos('Hello World', 'o'), strpos('Hello World', ''), replace('Hello World', 'l', 'LL'), translate('Hello World', 'abl', 'xy');
select split_part('Hello World', ' ', 1), split_part('Hello World', ' ', 2), split_part('Hello World', ' ', -1), split_part('Hello World', '', 1);
select 'Hello World' || 'x', 'x' || 'Hello World' || 1, concat('Hello World', 1, null, true), concat_ws('-', 'Hello World', null, 'z');
select md5('Hello World'), ascii('Hello World'), char_length('Hello World'), repeat('Hello World', 2), starts_with('Hello World', 'He');
select 'Hello World' like '%l%', 'Hello World' like '_b_', 'Hello World' ilike 'HELLO%', 'Hello World' not like 'a%', 'Hello World' like '';
select 'Hello World' ~ '^[a-z]+$', 'Hello World' ~* 'WORLD', 'Hello World' !~ 'b', 'Hello World' !~* 'B';
select regexp_replace('Hello World', '[aeiou]', '#'), regexp_replace('Hello World', '[aeiou]', '#', 'g'), regexp_replace('Hello World', '(l+)', '<\1>', 'g');
select 'Hello World' < 'b', 'Hello World' = 'abc', 'Hello World' > '', 'Hello World' between 'a' and 'z', 'Hello World' is distinct from 'abc';
select 'Hello World'::varchar(3), 'Hello World'::varchar, 'Hello World'::character varying, 'Hello World'::text;
select overlay('Hello World' placing 'XX' from 2), overlay('Hello World' placing 'XX' from 2 for 1);
select upper('  pad  '), lower('  pad  '), initcap('  pad  '), length('  pad  '), octet_length('  pad  '), reverse('  pad  ');
select left('  pad  ', 2), left('  pad  ', -2), right('  pad  ', 2), right('  pad  ', -2), left('  pad  ', 0);
select substring('  pad  ' from 2), substring('  pad  ' from 2 for 3), substring('  pad  ' from -1 for 3), substr('  pad  ', 0), substr('  pad  ', 3, 2);
select lpad('  pad  ', 7, '*'), rpad('  pad  ', 7, 'xy'), lpad('  pad  ', 2), rpad('  pad  ', 2), lpad('  pad  ', 4, '');
select trim('  pad  '), ltrim('  pad  '), rtrim('  pad  '), btrim('  pad  ', ' a'), trim(both 'a' from '  pad  '), trim(leading 'ä' from '  pad  ');
select position('l' in '  pad  '), strpos('  pad  ', 'o'), strpos('  pad  ', ''), replace('  pad  ', 'l', 'LL'), translate('  pad  ', 'abl', 'xy');
select split_part('  pad  ', ' ', 1), split_part('  pad  ', ' ', 2), split_part('  pad  ', ' ', -1), split_part('  pad  ', '', 1);
select '  pad  ' || 'x', 'x' || '  pad  ' || 1, concat('  pad  ', 1, null, true), concat_ws('-', '  pad  ', null, 'z');
select md5('  pad  '), ascii('  pad  '), char_length('  pad  '), repeat('  pad  ', 2), starts_with('  pad  ', 'He');
select '  pad  ' like '%l%', '  pad  ' like '_b_', '  pad  ' ilike 'HELLO%', '  pad  ' not like 'a%', '  pad  ' like '';
select '  pad  ' ~ '^[a-z]+$', '  pad  ' ~* 'WORLD', '  pad  ' !~ 'b', '  pad  ' !~* 'B';
select regexp_replace('  pad  ', '[aeiou]', '#'), regexp_replace('  pad  ', '[aeiou]', '#', 'g'), regexp_replace('  pad  ', '(l+)', '<\1>', 'g');
select '  pad  ' < 'b', '  pad  ' = 'abc', '  pad  ' > '', '  pad  ' between 'a' and 'z', '  pad  ' is distinct from 'abc';
select '  pad  '::varchar(3), '  pad  '::varchar, '  pad  '::character varying, '  pad  '::text;
select overlay('  pad  ' placing 'XX' from 2), overlay('  pad  ' placing 'XX' from 2 for 1);
-- differs: upper and lower know all letters, and PostgreSQL those of its locale
-- ours: ÄÖÜ SS|äöü ß|Äöü SS|5|9|ß üöä
select upper('äöü ß'), lower('äöü ß'), initcap('äöü ß'), length('äöü ß'), octet_length('äöü ß'), reverse('äöü ß');
select left('äöü ß', 2), left('äöü ß', -2), right('äöü ß', 2), right('äöü ß', -2), left('äöü ß', 0);
select substring('äöü ß' from 2), substring('äöü ß' from 2 for 3), substring('äöü ß' from -1 for 3), substr('äöü ß', 0), substr('äöü ß', 3, 2);
select lpad('äöü ß', 7, '*'), rpad('äöü ß', 7, 'xy'), lpad('äöü ß', 2), rpad('äöü ß', 2), lpad('äöü ß', 4, '');
select trim('äöü ß'), ltrim('äöü ß'), rtrim('äöü ß'), btrim('äöü ß', ' a'), trim(both 'a' from 'äöü ß'), trim(leading 'ä' from 'äöü ß');
select position('l' in 'äöü ß'), strpos('äöü ß', 'o'), strpos('äöü ß', ''), replace('äöü ß', 'l', 'LL'), translate('äöü ß', 'abl', 'xy');
select split_part('äöü ß', ' ', 1), split_part('äöü ß', ' ', 2), split_part('äöü ß', ' ', -1), split_part('äöü ß', '', 1);
select 'äöü ß' || 'x', 'x' || 'äöü ß' || 1, concat('äöü ß', 1, null, true), concat_ws('-', 'äöü ß', null, 'z');
select md5('äöü ß'), ascii('äöü ß'), char_length('äöü ß'), repeat('äöü ß', 2), starts_with('äöü ß', 'He');
select 'äöü ß' like '%l%', 'äöü ß' like '_b_', 'äöü ß' ilike 'HELLO%', 'äöü ß' not like 'a%', 'äöü ß' like '';
select 'äöü ß' ~ '^[a-z]+$', 'äöü ß' ~* 'WORLD', 'äöü ß' !~ 'b', 'äöü ß' !~* 'B';
select regexp_replace('äöü ß', '[aeiou]', '#'), regexp_replace('äöü ß', '[aeiou]', '#', 'g'), regexp_replace('äöü ß', '(l+)', '<\1>', 'g');
select 'äöü ß' < 'b', 'äöü ß' = 'abc', 'äöü ß' > '', 'äöü ß' between 'a' and 'z', 'äöü ß' is distinct from 'abc';
select 'äöü ß'::varchar(3), 'äöü ß'::varchar, 'äöü ß'::character varying, 'äöü ß'::text;
select overlay('äöü ß' placing 'XX' from 2), overlay('äöü ß' placing 'XX' from 2 for 1);
-- differs: upper and lower know all letters, and PostgreSQL those of its locale
-- ours: TIẾNG VIỆT|tiếng việt|Tiếng Việt|10|14|tệiV gnếiT
select upper('Tiếng Việt'), lower('Tiếng Việt'), initcap('Tiếng Việt'), length('Tiếng Việt'), octet_length('Tiếng Việt'), reverse('Tiếng Việt');
select left('Tiếng Việt', 2), left('Tiếng Việt', -2), right('Tiếng Việt', 2), right('Tiếng Việt', -2), left('Tiếng Việt', 0);
select substring('Tiếng Việt' from 2), substring('Tiếng Việt' from 2 for 3), substring('Tiếng Việt' from -1 for 3), substr('Tiếng Việt', 0), substr('Tiếng Việt', 3, 2);
select lpad('Tiếng Việt', 7, '*'), rpad('Tiếng Việt', 7, 'xy'), lpad('Tiếng Việt', 2), rpad('Tiếng Việt', 2), lpad('Tiếng Việt', 4, '');
select trim('Tiếng Việt'), ltrim('Tiếng Việt'), rtrim('Tiếng Việt'), btrim('Tiếng Việt', ' a'), trim(both 'a' from 'Tiếng Việt'), trim(leading 'ä' from 'Tiếng Việt');
select position('l' in 'Tiếng Việt'), strpos('Tiếng Việt', 'o'), strpos('Tiếng Việt', ''), replace('Tiếng Việt', 'l', 'LL'), translate('Tiếng Việt', 'abl', 'xy');
select split_part('Tiếng Việt', ' ', 1), split_part('Tiếng Việt', ' ', 2), split_part('Tiếng Việt', ' ', -1), split_part('Tiếng Việt', '', 1);
select 'Tiếng Việt' || 'x', 'x' || 'Tiếng Việt' || 1, concat('Tiếng Việt', 1, null, true), concat_ws('-', 'Tiếng Việt', null, 'z');
select md5('Tiếng Việt'), ascii('Tiếng Việt'), char_length('Tiếng Việt'), repeat('Tiếng Việt', 2), starts_with('Tiếng Việt', 'He');
select 'Tiếng Việt' like '%l%', 'Tiếng Việt' like '_b_', 'Tiếng Việt' ilike 'HELLO%', 'Tiếng Việt' not like 'a%', 'Tiếng Việt' like '';
select 'Tiếng Việt' ~ '^[a-z]+$', 'Tiếng Việt' ~* 'WORLD', 'Tiếng Việt' !~ 'b', 'Tiếng Việt' !~* 'B';
select regexp_replace('Tiếng Việt', '[aeiou]', '#'), regexp_replace('Tiếng Việt', '[aeiou]', '#', 'g'), regexp_replace('Tiếng Việt', '(l+)', '<\1>', 'g');
select 'Tiếng Việt' < 'b', 'Tiếng Việt' = 'abc', 'Tiếng Việt' > '', 'Tiếng Việt' between 'a' and 'z', 'Tiếng Việt' is distinct from 'abc';
select 'Tiếng Việt'::varchar(3), 'Tiếng Việt'::varchar, 'Tiếng Việt'::character varying, 'Tiếng Việt'::text;
select overlay('Tiếng Việt' placing 'XX' from 2), overlay('Tiếng Việt' placing 'XX' from 2 for 1);
select upper('日本語'), lower('日本語'), initcap('日本語'), length('日本語'), octet_length('日本語'), reverse('日本語');
select left('日本語', 2), left('日本語', -2), right('日本語', 2), right('日本語', -2), left('日本語', 0);
select substring('日本語' from 2), substring('日本語' from 2 for 3), substring('日本語' from -1 for 3), substr('日本語', 0), substr('日本語', 3, 2);
select lpad('日本語', 7, '*'), rpad('日本語', 7, 'xy'), lpad('日本語', 2), rpad('日本語', 2), lpad('日本語', 4, '');
select trim('日本語'), ltrim('日本語'), rtrim('日本語'), btrim('日本語', ' a'), trim(both 'a' from '日本語'), trim(leading 'ä' from '日本語');
select position('l' in '日本語'), strpos('日本語', 'o'), strpos('日本語', ''), replace('日本語', 'l', 'LL'), translate('日本語', 'abl', 'xy');
select split_part('日本語', ' ', 1), split_part('日本語', ' ', 2), split_part('日本語', ' ', -1), split_part('日本語', '', 1);
select '日本語' || 'x', 'x' || '日本語' || 1, concat('日本語', 1, null, true), concat_ws('-', '日本語', null, 'z');
select md5('日本語'), ascii('日本語'), char_length('日本語'), repeat('日本語', 2), starts_with('日本語', 'He');
select '日本語' like '%l%', '日本語' like '_b_', '日本語' ilike 'HELLO%', '日本語' not like 'a%', '日本語' like '';
select '日本語' ~ '^[a-z]+$', '日本語' ~* 'WORLD', '日本語' !~ 'b', '日本語' !~* 'B';
select regexp_replace('日本語', '[aeiou]', '#'), regexp_replace('日本語', '[aeiou]', '#', 'g'), regexp_replace('日本語', '(l+)', '<\1>', 'g');
select '日本語' < 'b', '日本語' = 'abc', '日本語' > '', '日本語' between 'a' and 'z', '日本語' is distinct from 'abc';
select '日本語'::varchar(3), '日本語'::varchar, '日本語'::character varying, '日本語'::text;
select overlay('日本語' placing 'XX' from 2), overlay('日本語' placing 'XX' from 2 for 1);
select upper(null::text), lower(null::text), initcap(null::text), length(null::text), octet_length(null::text), reverse(null::text);
select left(null::text, 2), left(null::text, -2), right(null::text, 2), right(null::text, -2), left(null::text, 0);
select substring(null::text from 2), substring(null::text from 2 for 3), substring(null::text from -1 for 3), substr(null::text, 0), substr(null::text, 3, 2);
select lpad(null::text, 7, '*'), rpad(null::text, 7, 'xy'), lpad(null::text, 2), rpad(null::text, 2), lpad(null::text, 4, '');
select trim(null::text), ltrim(null::text), rtrim(null::text), btrim(null::text, ' a'), trim(both 'a' from null::text), trim(leading 'ä' from null::text);
select position('l' in null::text), strpos(null::text, 'o'), strpos(null::text, ''), replace(null::text, 'l', 'LL'), translate(null::text, 'abl', 'xy');
select split_part(null::text, ' ', 1), split_part(null::text, ' ', 2), split_part(null::text, ' ', -1), split_part(null::text, '', 1);
select null::text || 'x', 'x' || null::text || 1, concat(null::text, 1, null, true), concat_ws('-', null::text, null, 'z');
select md5(null::text), ascii(null::text), char_length(null::text), repeat(null::text, 2), starts_with(null::text, 'He');
select null::text like '%l%', null::text like '_b_', null::text ilike 'HELLO%', null::text not like 'a%', null::text like '';
select null::text ~ '^[a-z]+$', null::text ~* 'WORLD', null::text !~ 'b', null::text !~* 'B';
select regexp_replace(null::text, '[aeiou]', '#'), regexp_replace(null::text, '[aeiou]', '#', 'g'), regexp_replace(null::text, '(l+)', '<\1>', 'g');
select null::text < 'b', null::text = 'abc', null::text > '', null::text between 'a' and 'z', null::text is distinct from 'abc';
select null::text::varchar(3), null::text::varchar, null::text::character varying, null::text::text;
select overlay(null::text placing 'XX' from 2), overlay(null::text placing 'XX' from 2 for 1);
select split_part('a,b,c', ',', 0);
select 'abc' like 'a\%', 'a%' like 'a\%', 'a\' like 'a\\', 'a_c' like 'a\_c';
select 'abc' like 'ab\';
select chr(20320), chr(233), ascii('é');
select encode('abc'::bytea, 'base64'), encode('abc', 'hex'), encode('a\\b'::bytea, 'escape');
select decode('616263', 'hex') = 'abc'::bytea, encode(decode('YWJj', 'base64'), 'escape');
select decode('6', 'hex');
select 'abc'::bytea, '\xdeadbeef'::bytea, ''::bytea, E'\\xDE'::bytea;
select length('abc'::bytea), octet_length('\x00ff'::bytea), 'a'::bytea < 'b'::bytea;
select md5('abc'::bytea), encode(sha256('abc'::bytea), 'hex');
select to_char(1234.5, '9999.99'), to_char(-5, '999'), to_char(0.5, '0.00'), to_char(1234567, '9,999,999'), to_char(42, '000000');
select to_number('1,234.5', '9,999.9'), to_number('-42', 'S99');
select format('%s', 'a'), format('%5s|%-5s|', 'a', 'b'), format('%%'), format('%2$s %1$s', 'a', 'b'), format('%L', null);
select format('%I', 'a b'), format('%s', null), format('x');
select format('%s');
select string_agg(x, ',' order by x) from (values ('b'), ('a'), (null), ('c')) t(x);
-- differs: refused: aggregates with different orders beside one with DISTINCT
-- ours: error
select string_agg(x, ',' order by x desc), string_agg(distinct x, '' order by x) from (values ('b'), ('a'), ('b')) t(x);
select string_agg(x, ',') from (values ('b')) t(x) where false;
select device, string_agg(left(note, 6), '/' order by time) from probe group by device order by device;
select min(x), max(x), count(distinct x) from (values ('b'), ('A'), ('a'), ('')) t(x);
select x from (values ('b'), ('A'), ('a'), (''), (null), ('Z'), ('é')) t(x) order by x;
select x from (values ('b'), ('A'), ('a'), (''), (null), ('Z'), ('é')) t(x) order by x desc nulls last;
select regexp_match('foobarbaz', 'b(.)(.)'), regexp_match('abc', 'x');
select regexp_matches('a1b2', '([a-z])([0-9])', 'g');
select regexp_matches('foo', 'o');
select regexp_split_to_array('a, b,c', ',\s*'), regexp_split_to_table('a b', ' ');
select regexp_count('abcabc', 'b'), regexp_like('abc', 'B', 'i'), regexp_instr('abcabc', 'c'), regexp_substr('abc123', '[0-9]+');
select substring('abc123' from '[0-9]+'), substring('abc123' from '([a-z])[0-9]'), substring('abc' from 'x');
-- differs: refused: sql parser error: Expected: IN or BETWEEN after NOT, found: similar at Line: 1, Column: 27
-- ours: error
select substring('foobar' similar '%#"o_b#"%' escape '#');
select string_to_array('a,b,c', ','), string_to_array('a,,c', ',', ''), string_to_array('abc', null), string_to_array('', ',');
select array_to_string(array['a', null, 'c'], ','), array_to_string(array['a', null, 'c'], ',', '-'), array_to_string(array[1, 2], '/');
select 'a' || null, null || 'a', 'a' || 1.5, 1 || 'a', true || 'a';
select 'abc' = 'abc ', 'abc'::char(5) = 'abc', 'abc'::char(5)::text || '|', 'abcdef'::char(3);
select length('abc'::char(5)), 'a'::char(3) || 'b', 'ab'::char(1);
select 'A' < 'a', 'a' < 'B', 'Z' < 'a', 'a' < 'aa', '' < ' ';
-- differs: upper and lower know all letters, and PostgreSQL those of its locale
-- ours: SS|t|Hello-World Foo_Bar 1st
select upper('ß'), lower('İ') is not null, initcap('hello-world foo_bar 1st');
select E'a\tb', E'\u00e9', 'it''s', $$a 'b'$$, $x$q$x$;
-- differs: refused: sql parser error: Expected: end of statement, found: '!' at Line: 1, Column: 39
-- ours: error
select U&'\00e9', U&'d!0061t' uescape '!';
select 'a';
select 'x' ~ '.', '' ~ '^$', 'ab' ~ 'a.?b', 'aXb' ~ 'a[[:upper:]]b', 'a1' ~ '\d', 'a b' ~ '\s', 'ab' ~ '\ya', 'ab' ~ '\mab\M';
-- differs: refused: an internal error, which is a defect still to be mended
-- ours: error
select 'abab' ~ '^(ab)\1$', 'abba' ~ '(.)\1';
-- differs: refused: an internal error, which is a defect still to be mended
-- ours: error
select 'foo' ~ '(?i)FOO', 'foo' ~ '(?:f)(o+)', 'foo' ~ 'f(?=o)', 'foo' ~ 'f(?!x)';
select regexp_replace('aaa', 'a', 'b', 2), regexp_replace('aaa', 'a', 'b', 1, 2), regexp_replace('Abc', 'a', 'x', 'i');
select regexp_replace('hello world', '(\w+) (\w+)', '\2 \1'), regexp_replace('abc', 'b', '[\&]');
select 'abc' ~ '[';
select 'abc' ^@ 'ab', starts_with('abc', 'b');
select 'a' like any (array['a%', 'b%']), 'c' like any (array['a%', 'b%']), 'ab' like all (array['a%', '%b']), 'ab' not like all (array['x%', 'y%']);
select 'a' in ('a', 'b'), 'a' not in ('b', null), 'x' = any (array['x', 'y']);
select count(*) from probe where note like 'note 1%';
select count(*) from probe where note not like 'note 1%';
select count(*) from probe where note ~ '^note [0-9] ';
select count(*) from probe where note ilike 'NOTE%' and device <> 'd0';
select left(note, 7), length(note) from probe where note is not null order by note limit 5;
select distinct left(note, 5) from probe order by 1;
select upper(device) || '-' || coalesce(left(note, 6), 'none') from probe order by time limit 6;
select length(note), count(*) from probe group by 1 order by 1 nulls first;
select strpos(note, 'some'), count(*) from probe group by 1 order by 1;
select to_ascii('abc'), unistr('d\0061t'), parse_ident('a.b');
select convert_from('abc'::bytea, 'UTF8'), convert_to('é', 'UTF8');
-- differs: refused: function normalize does not exist
-- ours: error
select normalize('é', NFD) = 'é', 'é' is normalized;
select bit_length('abc'), char_length('äö'), character_length('x'), length('');
-- differs: whole numbers are bigint, and 1.5 is double precision
-- ours: text|bigint|double precision|boolean|timestamp with time zone
select pg_typeof('a'::text), pg_typeof(1), pg_typeof(1.5), pg_typeof(true), pg_typeof(now());
select concat(), concat_ws(',');
select concat_ws(',', 'a', null, '', 'b'), concat_ws(null, 'a', 'b'), concat(null, null);
select gen_random_uuid() is not null, length(gen_random_uuid()::text);
-- Mended: each was answered otherwise once.
select concat(true, 1.5, 1e20::float8, timestamptz '2026-01-01', interval '1 day', array[true,false], date '2026-01-01'), concat_ws(',', true, false, timestamp '2026-01-01 10:00');
select concat(is_open, '-', level, '-', seen) from probe order by time limit 6;
select 'x' || true, true || 'x', format('%s %L %I', true, false, true), format('%s', 1e20::float8), format('%s', timestamptz '2026-01-01');
select E'a\nb' ~ 'a.b', E'a\nb' ~ '^b', E'a\nb' ~ 'a$', E'a\n' ~ 'a$', 'ab' ~ '\yab\y', 'ab' ~ '\mab\M', 'a' ~ '\A[[:alpha:]]\Z', 'a-b' ~ '[\w-]+', 'a]' ~ '[]]', 'a.b' ~ 'a\.b', 'a{b' ~ 'a{b';
select regexp_replace('abc', 'b', '[\&]'), regexp_replace('abc', 'b', '$1'), regexp_replace('abc', 'b', '\\'), regexp_replace('abc', '(b)', '\1\1'), regexp_replace(E'a\nc', 'a.c', 'x'), regexp_replace('abc','(b)','${1}'), regexp_replace('abc', '(b)', '\12');
select regexp_replace(E'a.\nb', '.', 'x', 'gn'), regexp_replace('aXa', 'x', 'y', 'i'), regexp_replace('a.b.c', '.', '-', 'gq'), regexp_match('aXb', 'x', 'i'), regexp_like('abc', 'B', 'i'), regexp_count('ABab', 'a', 1, 'i');
select note ~ p, regexp_replace(note, p, '<\&>') from probe, (values ('^n.te \d$'), ('\yof\y')) t(p) where note is not null order by time, p limit 8;
select 'a' like any (array['a%', 'b%']), 'c' like any (array['a%', 'b%']), 'A' ilike any (array['a%', null]), 'c' not like any (array['a%', 'c%']);
select 'abc' ^@ 'ab', 'abc' ^@ null;
