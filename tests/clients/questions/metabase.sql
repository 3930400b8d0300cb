-- What Metabase asks when it connects and when it shows data, macros expanded. Behind each statement stands its expected
-- shape: the columns, how many rows there are at least and at most, and a value that one of them has.

-- question: Metabase, the zone of the database
SELECT current_setting('timezone') AS timezone;
-- columns: timezone
-- rows: 1 1
SHOW timezone;
-- columns: timezone
-- rows: 1 1

-- question: Metabase, tables with privileges
SELECT n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS description
FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname !~ '^information_schema|catalog|pg_' AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1, 2;
-- columns: schema name description
-- rows: 10 100

-- question: Metabase, a question over hours
SELECT DATE_TRUNC('hour', "public"."probe"."time") AS "time", COUNT(*) AS "count"
FROM "public"."probe"
GROUP BY DATE_TRUNC('hour', "public"."probe"."time")
ORDER BY DATE_TRUNC('hour', "public"."probe"."time") ASC;
-- columns: time count
-- rows: 1 1

-- question: Metabase, enums
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT e.enumtypid FROM pg_enum e);
-- columns: nspname typname
-- rows: 0 0

-- question: Metabase, start of a connection, by way of JDBC
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;
SET extra_float_digits = 2;
SHOW TRANSACTION ISOLATION LEVEL;
-- columns: transaction_isolation
-- rows: 1 1

-- question: Metabase, schemas, by way of JDBC
SELECT nspname AS "TABLE_SCHEM", current_database() AS "TABLE_CATALOG" FROM pg_catalog.pg_namespace  WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_'  OR nspname = (pg_catalog.current_schemas(true))[1]) AND (nspname !~ '^pg_toast_temp_'  OR nspname = replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_'))  ORDER BY "TABLE_SCHEM";
-- columns: TABLE_SCHEM TABLE_CATALOG
-- rows: 4 4

-- question: Metabase, privileges on tables
with table_privileges as (
 select
   NULL as role,
   t.schemaname as schema,
   t.objectname as table,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'update') as update,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'select') as select,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'insert') as insert,
   pg_catalog.has_table_privilege(     current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'delete') as delete
 from (
   select schemaname, tablename as objectname from pg_catalog.pg_tables
   union
   select schemaname, viewname as objectname from pg_catalog.pg_views
   union
   select schemaname, matviewname as objectname from pg_catalog.pg_matviews
 ) t
 where t.schemaname !~ '^pg_'
   and t.schemaname <> 'information_schema'
   and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.*
from table_privileges t;
-- columns: role schema table update select insert delete
-- rows: 10 100

-- question: Metabase, tables with their comments and numbers of rows
SELECT "n"."nspname" AS "schema", "c"."relname" AS "name", CASE "c"."relkind" WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "type", "d"."description" AS "description", "stat"."n_live_tup" AS "estimated_row_count"
FROM "pg_catalog"."pg_class" AS "c" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "c"."relnamespace" = "n"."oid"
LEFT JOIN "pg_catalog"."pg_description" AS "d" ON ("c"."oid" = "d"."objoid") AND ("d"."objsubid" = 0) AND ("d"."classoid" = 'pg_class'::regclass)
LEFT JOIN "pg_stat_user_tables" AS "stat" ON ("n"."nspname" = "stat"."schemaname") AND ("c"."relname" = "stat"."relname")
WHERE ("c"."relnamespace" = "n"."oid") AND ("n"."nspname" !~ '^pg_') AND ("n"."nspname" <> 'information_schema') AND c.relkind in ('r', 'p', 'v', 'f', 'm') AND ("n"."nspname" IN ('public'))
ORDER BY "type" ASC, "schema" ASC, "name" ASC;
-- columns: schema name type description estimated_row_count
-- rows: 10 100
-- has: A field of every kind.

-- question: Metabase, fields of all tables
SELECT "c"."column_name" AS "name", CASE WHEN "c"."udt_schema" IN ('public', 'pg_catalog') THEN FORMAT('%s', "c"."udt_name") ELSE FORMAT('"%s"."%s"', "c"."udt_schema", "c"."udt_name") END AS "database-type", "c"."ordinal_position" - 1 AS "database-position", "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name", "pk"."column_name" IS NOT NULL AS "pk?", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST("c"."table_schema" AS TEXT), CAST("c"."table_name" AS TEXT)) AS REGCLASS) AS OID), "c"."ordinal_position") AS "field-comment", (("column_default" IS NULL) OR (LOWER("column_default") = 'null')) AND ("is_nullable" = 'NO') AND NOT ((("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO')) AS "database-required", (("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO') AS "database-is-auto-increment"
FROM "information_schema"."columns" AS "c"
LEFT JOIN (SELECT "tc"."table_schema", "tc"."table_name", "kc"."column_name" FROM "information_schema"."table_constraints" AS "tc" INNER JOIN "information_schema"."key_column_usage" AS "kc" ON ("tc"."constraint_name" = "kc"."constraint_name") AND ("tc"."table_schema" = "kc"."table_schema") AND ("tc"."table_name" = "kc"."table_name") WHERE "tc"."constraint_type" = 'PRIMARY KEY') AS "pk" ON ("c"."table_schema" = "pk"."table_schema") AND ("c"."table_name" = "pk"."table_name") AND ("c"."column_name" = "pk"."column_name")
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND ("c"."table_schema" IN ('public')) AND ("c"."table_name" IN ('probe'))
UNION ALL
SELECT "pa"."attname" AS "name", CASE WHEN "ptn"."nspname" IN ('public', 'pg_catalog') THEN FORMAT('%s', "pt"."typname") ELSE FORMAT('"%s"."%s"', "ptn"."nspname", "pt"."typname") END AS "database-type", "pa"."attnum" - 1 AS "database-position", "pn"."nspname" AS "table-schema", "pc"."relname" AS "table-name", FALSE AS "pk?", NULL AS "field-comment", FALSE AS "database-required", FALSE AS "database-is-auto-increment"
FROM "pg_catalog"."pg_class" AS "pc" INNER JOIN "pg_catalog"."pg_namespace" AS "pn" ON "pn"."oid" = "pc"."relnamespace" INNER JOIN "pg_catalog"."pg_attribute" AS "pa" ON "pa"."attrelid" = "pc"."oid" INNER JOIN "pg_catalog"."pg_type" AS "pt" ON "pt"."oid" = "pa"."atttypid" INNER JOIN "pg_catalog"."pg_namespace" AS "ptn" ON "ptn"."oid" = "pt"."typnamespace"
WHERE ("pc"."relkind" = 'm') AND ("pa"."attnum" >= 1)
ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC;
-- columns: name database-type database-position table-schema table-name pk? field-comment database-required database-is-auto-increment
-- rows: 15 15
-- has: Height of the water [m]

-- question: Metabase, foreign keys
SELECT "fk_ns"."nspname" AS "fk-table-schema", "fk_table"."relname" AS "fk-table-name", "fk_column"."attname" AS "fk-column-name", "pk_ns"."nspname" AS "pk-table-schema", "pk_table"."relname" AS "pk-table-name", "pk_column"."attname" AS "pk-column-name"
FROM "pg_constraint" AS "c" INNER JOIN "pg_class" AS "fk_table" ON "c"."conrelid" = "fk_table"."oid" INNER JOIN "pg_namespace" AS "fk_ns" ON "c"."connamespace" = "fk_ns"."oid" INNER JOIN "pg_attribute" AS "fk_column" ON "c"."conrelid" = "fk_column"."attrelid" INNER JOIN "pg_class" AS "pk_table" ON "c"."confrelid" = "pk_table"."oid" INNER JOIN "pg_namespace" AS "pk_ns" ON "pk_table"."relnamespace" = "pk_ns"."oid" INNER JOIN "pg_attribute" AS "pk_column" ON "c"."confrelid" = "pk_column"."attrelid"
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND ("c"."contype" = 'f'::char) AND ("fk_column"."attnum" = ANY(c.conkey)) AND ("pk_column"."attnum" = ANY(c.confkey))
ORDER BY "fk-table-schema" ASC, "fk-table-name" ASC;
-- columns: fk-table-schema fk-table-name fk-column-name pk-table-schema pk-table-name pk-column-name
-- rows: 0 0

-- question: Metabase, indexes
SELECT "tmp"."table-schema", "tmp"."table-name", TRIM(BOTH '"' FROM PG_CATALOG.PG_GET_INDEXDEF("tmp"."ci_oid", "tmp"."pos", FALSE)) AS "field-name"
FROM (SELECT "n"."nspname" AS "table-schema", "ct"."relname" AS "table-name", "ci"."oid" AS "ci_oid", (INFORMATION_SCHEMA._PG_EXPANDARRAY("i"."indkey")).n AS "pos" FROM "pg_catalog"."pg_class" AS "ct" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "ct"."relnamespace" = "n"."oid" INNER JOIN "pg_catalog"."pg_index" AS "i" ON "ct"."oid" = "i"."indrelid" INNER JOIN "pg_catalog"."pg_class" AS "ci" ON "ci"."oid" = "i"."indexrelid" WHERE (PG_CATALOG.PG_GET_EXPR("i"."indpred", "i"."indrelid") IS NULL) AND n.nspname !~ '^information_schema|catalog_history|pg_') AS "tmp"
WHERE "tmp"."pos" = 1;
-- columns: table-schema table-name field-name
-- rows: 0 0

-- question: Metabase, whether a table may be read
SELECT TRUE AS "_" FROM "public"."probe" WHERE 1 <> 1 LIMIT 0;
-- columns: _
-- rows: 0 0

-- question: Metabase, a sample for fingerprints
SELECT "public"."probe"."device" AS "device", SUBSTRING("public"."probe"."note", 1, 1234) AS "substring", "public"."probe"."level" AS "level", "public"."probe"."time" AS "time" FROM "public"."probe" LIMIT 10000;
-- columns: device substring level time
-- rows: 5 5

-- question: Metabase, a question over days with a filter of the last months
SELECT CAST("public"."probe"."time" AS date) AS "time", AVG("public"."probe"."temperature") AS "avg", COUNT(distinct "public"."probe"."device") AS "count"
FROM "public"."probe"
WHERE ("public"."probe"."time" >= timestamp with time zone '2025-12-01 00:00:00.000Z') AND ("public"."probe"."time" < timestamp with time zone '2026-02-01 00:00:00.000Z')
GROUP BY CAST("public"."probe"."time" AS date)
ORDER BY CAST("public"."probe"."time" AS date) ASC;
-- columns: time avg count
-- rows: 1 1

-- question: Metabase, a question of the last thirty days
SELECT COUNT(*) AS "count" FROM "public"."probe" WHERE ("public"."probe"."time" >= CAST((NOW() + (INTERVAL '-30 day')) AS date)) AND ("public"."probe"."time" < CAST(NOW() AS date));
-- columns: count
-- rows: 1 1

-- question: Metabase, hours of the day and days of the week
SELECT CAST(extract(hour from "public"."probe"."time") AS integer) AS "hour", (CAST(extract(dow from "public"."probe"."time") AS integer) + 1) AS "dow", SUM("public"."probe"."level") AS "sum"
FROM "public"."probe" WHERE "public"."probe"."level" BETWEEN 0 AND 1
GROUP BY CAST(extract(hour from "public"."probe"."time") AS integer), (CAST(extract(dow from "public"."probe"."time") AS integer) + 1);
-- columns: hour dow sum
-- rows: 1 1

-- question: Metabase, bins of a number
SELECT (FLOOR((("public"."probe"."temperature" + 50.0) / 12.5)) * 12.5) + -50.0 AS "temperature", COUNT(*) AS "count"
FROM "public"."probe" GROUP BY (FLOOR((("public"."probe"."temperature" + 50.0) / 12.5)) * 12.5) + -50.0
ORDER BY (FLOOR((("public"."probe"."temperature" + 50.0) / 12.5)) * 12.5) + -50.0 ASC;
-- columns: temperature count
-- rows: 2 5

-- question: Metabase, median and another percentile
SELECT PERCENTILE_CONT(0.5) within group (order by "public"."probe"."temperature") AS "median", PERCENTILE_CONT(0.9) within group (order by "public"."probe"."temperature") AS "percentile" FROM "public"."probe";
-- columns: median percentile
-- rows: 1 1

-- question: Metabase, a filter of text without regard to case
SELECT "public"."probe"."device" AS "device" FROM "public"."probe" WHERE (LOWER("public"."probe"."note") LIKE '%việt%') OR ("public"."probe"."note" IS NULL) LIMIT 2000;
-- columns: device
-- rows: 3 3

-- question: Metabase, values of a field for a filter
SELECT "source"."device" AS "device" FROM (SELECT "public"."probe"."device" AS "device" FROM "public"."probe" GROUP BY "public"."probe"."device" ORDER BY "public"."probe"."device" ASC) AS "source" LIMIT 1000;
-- columns: device
-- rows: 3 3
