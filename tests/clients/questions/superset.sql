-- What Superset asks when it connects and when it shows data, macros expanded. Behind each statement stands its expected
-- shape: the columns, how many rows there are at least and at most, and a value that one of them has.

-- question: Superset, the tables of a schema
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind in ('r', 'p') ORDER BY 1;
-- columns: relname
-- rows: 10 100

-- question: Superset, a chart over days
SELECT DATE_TRUNC('day', time) AS __timestamp, AVG(level) AS "AVG(level)"
FROM public.probe
WHERE time >= TO_TIMESTAMP('2025-12-01 00:00:00.000000', '%Y-%m-%d %H:%M:%S%.f') AND time < TO_TIMESTAMP('2026-02-01 00:00:00.000000', '%Y-%m-%d %H:%M:%S%.f')
GROUP BY DATE_TRUNC('day', time)
LIMIT 50000;
-- columns: __timestamp AVG(level)
-- rows: 1 1

-- question: Superset, a filter's values
SELECT device AS device FROM public.probe GROUP BY device ORDER BY device ASC LIMIT 1000;
-- columns: device
-- rows: 3 3

-- question: Superset, databases
SELECT datname FROM pg_database
WHERE datistemplate = false;
-- columns: datname
-- rows: 1 1

-- question: Superset, schemas, by way of SQLAlchemy
SELECT pg_catalog.pg_namespace.nspname
FROM pg_catalog.pg_namespace
WHERE pg_catalog.pg_namespace.nspname NOT LIKE 'pg/_%' ESCAPE '/' ORDER BY pg_catalog.pg_namespace.nspname;
-- columns: nspname
-- rows: 3 3

-- question: Superset, start of a connection, by way of SQLAlchemy
select pg_catalog.version();
-- columns: version
-- rows: 1 1
select current_schema();
-- columns: current_schema
-- rows: 1 1
show standard_conforming_strings;
-- columns: standard_conforming_strings
-- rows: 1 1
SHOW default_transaction_isolation;
-- columns: default_transaction_isolation
-- rows: 1 1

-- question: Superset, views and foreign tables
SELECT pg_catalog.pg_class.relname
FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['v']) AND pg_catalog.pg_class.relpersistence != 't' AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';
-- columns: relname
-- rows: 1 99
-- has: air_checks
SELECT pg_catalog.pg_class.relname
FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['f']) AND pg_catalog.pg_namespace.nspname = 'public';
-- columns: relname
-- rows: 0 0

-- question: Superset, columns of a table, by way of SQLAlchemy 1.4
SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (
    SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    FROM pg_catalog.pg_attrdef d
    WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
    AND a.atthasdef
  ) AS DEFAULT,
  a.attnotnull,
  a.attrelid as table_oid,
  pgd.description as comment,
  a.attgenerated as generated,
  (SELECT json_build_object(
      'always', a.attidentity = 'a',
      'start', s.seqstart,
      'increment', s.seqincrement,
      'minvalue', s.seqmin,
      'maxvalue', s.seqmax,
      'cache', s.seqcache,
      'cycle', s.seqcycle)
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c on s.seqrelid = c."oid"
  WHERE c.relkind = 'S'
  AND a.attidentity != ''
  AND s.seqrelid = pg_catalog.pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass::oid
  ) as identity_options
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_description pgd ON (pgd.objoid = a.attrelid AND pgd.objsubid = a.attnum)
WHERE a.attrelid = 'probe'::regclass
AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
-- columns: attname format_type default attnotnull table_oid comment generated identity_options
-- rows: 15 15
-- has: Height of the water [m]

-- question: Superset, primary key, by way of SQLAlchemy 1.4
SELECT a.attname
FROM pg_attribute a JOIN (
    SELECT unnest(ix.indkey) attnum, generate_subscripts(ix.indkey, 1) ord
    FROM pg_index ix
    WHERE ix.indrelid = 'probe'::regclass AND ix.indisprimary
    ) k ON a.attnum=k.attnum
WHERE a.attrelid = 'probe'::regclass
ORDER BY k.ord;
-- columns: attname
-- rows: 0 0

-- question: Superset, the plan as an estimate of costs
EXPLAIN SELECT device, count(*) FROM public.probe GROUP BY device;
-- rows: 1 10

-- question: Superset, a bar chart over weeks with two metrics
SELECT DATE_TRUNC('week', time) AS time, device AS device, AVG(temperature) AS "AVG(temperature)", COUNT(*) AS count
FROM public.probe
WHERE time >= TO_TIMESTAMP('2025-12-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND time < TO_TIMESTAMP('2026-02-01 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')
GROUP BY DATE_TRUNC('week', time), device ORDER BY "AVG(temperature)" DESC LIMIT 10000;
-- columns: time device AVG(temperature) count
-- rows: 3 3

-- question: Superset, a limit of series: a join with the greatest
SELECT DATE_TRUNC('hour', time) AS __timestamp, probe.device AS device, MAX(level) AS "MAX(level)"
FROM public.probe JOIN (SELECT device AS device__, MAX(level) AS mme_inner__ FROM public.probe WHERE time >= '2025-12-01' GROUP BY device ORDER BY mme_inner__ DESC LIMIT 2) AS anon_1 ON device = device__
WHERE time >= '2025-12-01' GROUP BY DATE_TRUNC('hour', time), probe.device ORDER BY "MAX(level)" DESC LIMIT 50000;
-- columns: __timestamp device MAX(level)
-- rows: 2 2

-- question: Superset, a virtual dataset and the number of its rows
SELECT COUNT(*) AS rowcount FROM (SELECT device AS device, level AS level FROM (SELECT * FROM probe WHERE level IS NOT NULL) AS virtual_table LIMIT 1000) AS rowcount_qry;
-- columns: rowcount
-- rows: 1 1

-- question: Superset, the sample of a table
SELECT * FROM public.probe LIMIT 100 OFFSET 0;
-- rows: 5 5

-- question: Superset, a filter of time and its bounds
SELECT MIN(time) AS min, MAX(time) AS max FROM public.probe LIMIT 1;
-- columns: min max
-- rows: 1 1

-- question: Superset, a pivot over quarters, months and years
SELECT DATE_TRUNC('quarter', time) AS quarter, DATE_TRUNC('month', time) AS month, DATE_TRUNC('year', time) AS year, SUM(CASE WHEN is_open THEN 1 ELSE 0 END) AS open
FROM public.probe GROUP BY DATE_TRUNC('quarter', time), DATE_TRUNC('month', time), DATE_TRUNC('year', time);
-- columns: quarter month year open
-- rows: 1 1
