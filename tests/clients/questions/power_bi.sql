-- What Power BI asks when it connects and when it shows data, macros expanded. Behind each statement stands its expected
-- shape: the columns, how many rows there are at least and at most, and a value that one of them has.

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

-- question: Power BI, by way of Npgsql: start of a pooled connection
DISCARD ALL;
SELECT version();
-- columns: version
-- rows: 1 1

-- question: Power BI, by way of Npgsql: composite types
SELECT typ.oid, att.attname, att.atttypid
FROM pg_type AS typ
JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace)
JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid)
WHERE (typ.typtype = 'c' AND cls.relkind='c') AND attnum > 0 AND NOT attisdropped
ORDER BY typ.oid, att.attnum;
-- columns: oid attname atttypid
-- rows: 0 0

-- question: Power BI, by way of Npgsql: enums
SELECT pg_type.oid, enumlabel
FROM pg_enum
JOIN pg_type ON pg_type.oid=enumtypid
ORDER BY oid, enumsortorder;
-- columns: oid enumlabel
-- rows: 0 0

-- question: Power BI, by way of Npgsql: types as older versions ask
SELECT ns.nspname, a.typname, a.oid, a.typbasetype,
CASE WHEN pg_proc.proname='array_recv' THEN 'a' ELSE a.typtype END AS typtype,
CASE
  WHEN pg_proc.proname='array_recv' THEN a.typelem
  WHEN a.typtype='r' THEN rngsubtype
  ELSE 0
END AS typelem,
CASE
  WHEN pg_proc.proname IN ('array_recv','oidvectorrecv') THEN 3
  WHEN a.typtype='r' THEN 2
  WHEN a.typtype='d' THEN 1
  ELSE 0
END AS ord
FROM pg_type AS a
JOIN pg_namespace AS ns ON (ns.oid = a.typnamespace)
JOIN pg_proc ON pg_proc.oid = a.typreceive
LEFT OUTER JOIN pg_class AS cls ON (cls.oid = a.typrelid)
LEFT OUTER JOIN pg_type AS b ON (b.oid = a.typelem)
LEFT OUTER JOIN pg_class AS elemcls ON (elemcls.oid = b.typrelid)
LEFT OUTER JOIN pg_range ON (pg_range.rngtypid = a.oid)
WHERE
  a.typtype IN ('b', 'r', 'e', 'd') OR
  (a.typtype = 'c' AND cls.relkind='c') OR
  (pg_proc.proname='array_recv' AND (
    b.typtype IN ('b', 'r', 'e', 'd') OR
    (b.typtype = 'p' AND b.typname IN ('record', 'void')) OR
    (b.typtype = 'c' AND elemcls.relkind='c')
  )) OR
  (a.typtype = 'p' AND a.typname IN ('record', 'void'))
ORDER BY ord;
-- columns: nspname typname oid typbasetype typtype typelem ord
-- rows: 80 1000

-- question: Power BI, keys that others refer to
select
    pkcol.TABLE_SCHEMA AS PK_TABLE_SCHEMA,
    pkcol.TABLE_NAME AS PK_TABLE_NAME,
    pkcol.COLUMN_NAME as PK_COLUMN_NAME,
    fkcol.COLUMN_NAME as FK_COLUMN_NAME,
    fkcol.ORDINAL_POSITION as ORDINAL,
    fkcon.CONSTRAINT_SCHEMA || '_' || 'probe' || '_' || pkcol.TABLE_NAME || '_' || fkcon.CONSTRAINT_NAME as FK_NAME
from
    (select distinct constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name
        from INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS) fkcon
        inner join
    INFORMATION_SCHEMA.KEY_COLUMN_USAGE fkcol
        on fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA
        and fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME
        inner join
    INFORMATION_SCHEMA.KEY_COLUMN_USAGE pkcol
        on fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA
        and fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME
where fkcol.TABLE_SCHEMA = 'public' and fkcol.TABLE_NAME = 'probe'
        and pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION
order by FK_NAME, fkcol.ORDINAL_POSITION;
-- columns: pk_table_schema pk_table_name pk_column_name fk_column_name ordinal fk_name
-- rows: 0 0

-- question: Power BI, views
select TABLE_SCHEMA, TABLE_NAME from INFORMATION_SCHEMA.views where TABLE_SCHEMA not in ('information_schema', 'pg_catalog');
-- columns: table_schema table_name
-- rows: 39 39

-- question: Power BI, the preview of a table
select "$Table"."device" as "device", "$Table"."time" as "time", "$Table"."level" as "level", "$Table"."is_open" as "is_open"
from "public"."probe" "$Table"
limit 1000;
-- columns: device time level is_open
-- rows: 5 5

-- question: Power BI, DirectQuery: a sum by group
select "_"."device", "_"."a0"
from
(
    select "rows"."device" as "device", sum("rows"."temperature") as "a0"
    from
    (
        select "device", "temperature"
        from "public"."probe" "$Table"
    ) "rows"
    group by "device"
) "_"
where not "_"."a0" is null
limit 1000001;
-- columns: device a0
-- rows: 3 3

-- question: Power BI, DirectQuery: a filter of time and the greatest value
select "rows"."device" as "device", max("rows"."level") as "a0", count(1) as "a1", count("rows"."level") as "a2"
from
(
    select "_"."device", "_"."level", "_"."time"
    from "public"."probe" "_"
    where "_"."time" >= timestamp '2025-12-31 00:00:00' and "_"."time" < timestamp '2026-01-02 00:00:00' and ("_"."device" = 'd0' and "_"."device" is not null)
) "rows"
group by "device"
order by "device"
limit 1001;
-- columns: device a0 a1 a2
-- rows: 1 1

-- question: Power BI, DirectQuery: distinct values of a slicer
select distinct "_"."device" from "public"."probe" "_" order by "_"."device" limit 101;
-- columns: device
-- rows: 3 3

-- question: Power BI, DirectQuery: parts of a time
select date_trunc('day', "_"."time") as "t", cast(date_part('year', "_"."time") as integer) as "y", cast(date_part('month', "_"."time") as integer) as "m", count(*) as "c"
from "public"."probe" "_" group by date_trunc('day', "_"."time"), date_part('year', "_"."time"), date_part('month', "_"."time");
-- columns: t y m c
-- rows: 1 1
