-- What tools ask when they connect and when a dashboard is drawn, macros expanded. Each question is followed by its
-- expected shape: the columns, and how many rows there are at least and at most.

-- question: Grafana, test of the connection
SELECT 1;
-- columns: ?column?
-- rows: 1 1

-- question: Grafana, version and TimescaleDB
SELECT current_setting('server_version_num')::int/100 as version;
-- columns: version
-- rows: 1 1
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
-- columns: extversion
-- rows: 0 0

-- question: Grafana, tables of the query builder
SELECT
  CASE WHEN quote_ident(table_schema) IN ('public') THEN quote_ident(table_name)
       ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache')
ORDER BY CASE WHEN quote_ident(table_schema) IN ('public') THEN 0 ELSE 1 END, 1;
-- columns: table
-- rows: 10 100

-- question: Grafana, columns of the query builder
SELECT quote_ident(column_name) AS "column", data_type AS "type"
FROM information_schema.columns
WHERE quote_ident(table_name) = 'probe'
ORDER BY 1;
-- columns: column type
-- rows: 15 15

-- question: Grafana, a time series: $__timeGroupAlias and $__timeFilter
SELECT floor(extract(epoch from time)/60)*60 AS "time", device AS "metric", avg(level) AS "level"
FROM probe
WHERE time BETWEEN '2025-12-31T23:00:00Z' AND '2026-01-01T01:00:00Z'
GROUP BY 1, 2
ORDER BY 1, 2;
-- columns: time metric level
-- rows: 3 3

-- question: Grafana, a table: $__time and $__timeTo
SELECT time AS "time", device, temperature FROM probe WHERE time <= '2026-01-01T00:00:02.000Z' ORDER BY time DESC LIMIT 50;
-- columns: time device temperature
-- rows: 3 3

-- question: Grafana, $__unixEpochFilter and the values of a variable
SELECT DISTINCT device AS "__text", device AS "__value" FROM probe WHERE extract(epoch from time) >= 1767225600 ORDER BY 1;
-- columns: __text __value
-- rows: 3 3

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

-- question: Power BI, tables
select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.tables where TABLE_SCHEMA not in ('information_schema', 'pg_catalog') order by TABLE_SCHEMA, TABLE_NAME;
-- columns: table_schema table_name table_type
-- rows: 10 100

-- question: Power BI, columns
select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, case when (data_type like '%unsigned%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE
from INFORMATION_SCHEMA.columns where TABLE_SCHEMA = 'public' and TABLE_NAME = 'probe' order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;
-- columns: column_name ordinal_position is_nullable data_type
-- rows: 15 15

-- question: Power BI, keys
select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY
from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME
where i.TABLE_SCHEMA = 'public' and i.TABLE_NAME = 'probe' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE') order by 1, 3;
-- columns: index_name column_name ordinal_position primary_key
-- rows: 0 0

-- question: Power BI, encoding
select character_set_name from INFORMATION_SCHEMA.character_sets;
-- columns: character_set_name
-- rows: 1 1

-- question: Power BI, by way of Npgsql: types
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
FROM (
    SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
        elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
        CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype
    FROM (
        SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
            CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype,
            CASE
                WHEN proc.proname='array_recv' THEN typ.typelem
                WHEN typ.typtype='r' THEN rngsubtype
                WHEN typ.typtype='d' THEN typ.typbasetype
            END AS elemtypoid
        FROM pg_type AS typ
        LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
        LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
        LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)
    ) AS typ
    LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
    LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
    LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive
) AS t
JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR
    (typtype = 'c' AND relkind='c') OR
    (typtype = 'p' AND typname IN ('record', 'void')) OR
    (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'p' AND elemtypname IN ('record', 'void'))))
ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'r' THEN 1 WHEN typtype = 'c' THEN 2 WHEN typtype = 'a' THEN 4 END;
-- columns: nspname oid typname typtype typnotnull elemtypoid
-- rows: 80 1000

-- question: DBeaver, start
SET extra_float_digits = 3;
SET application_name = 'DBeaver';
SELECT current_schema(),session_user;
-- columns: current_schema session_user
-- rows: 1 1
SHOW search_path;
-- columns: search_path
-- rows: 1 1

-- question: DBeaver, databases and schemas
SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate ORDER BY db.datname;
-- columns: oid oid datname datdba encoding datlocprovider datistemplate datallowconn datconnlimit datfrozenxid datminmxid dattablespace datcollate datctype daticulocale datcollversion datacl
-- rows: 1 1
SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass
ORDER BY nspname;
-- columns: oid oid nspname nspowner nspacl description
-- rows: 4 4

-- question: DBeaver, columns of a table
SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description
FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid)
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)
WHERE NOT a.attisdropped AND c.relname = 'probe' ORDER BY a.attnum;
-- rows: 15 15

-- question: DBeaver, settings
select * from pg_catalog.pg_settings where name='standard_conforming_strings';
-- rows: 1 1
