-- What DBeaver asks when it connects and when it shows data, macros expanded. Behind each statement stands its expected
-- shape: the columns, how many rows there are at least and at most, and a value that one of them has.

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

-- question: DBeaver, words of the language
SELECT string_agg(word, ',' ) from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs,absolute,action,ada,add,admin}'::text[]);
-- columns: string_agg
-- rows: 1 1

-- question: DBeaver, the connected database
SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname='zonelake';
-- rows: 1 1

-- question: DBeaver, the type behind a number, by way of JDBC
SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1034;
-- rows: 1 1

-- question: DBeaver, a type by its name, by way of JDBC
SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid
  FROM pg_catalog.pg_type
  LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r
          from pg_namespace as ns
          join ( select s.r, (current_schemas(false))[s.r] as nspname
                   from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r
         using ( nspname )
       ) as sp
    ON sp.nspoid = typnamespace
 WHERE pg_type.typname = 'float8'
 ORDER BY sp.r, pg_type.oid DESC;
-- columns: is_array typtype typname oid
-- rows: 1 1

-- question: DBeaver, types of a schema
SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description
FROM pg_catalog.pg_type t
LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid
WHERE t.typname IS NOT NULL
AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')
AND t.typnamespace=11;
-- rows: 80 1000

-- question: DBeaver, whether there are categories of types
SELECT 1 FROM pg_catalog.pg_attribute s JOIN pg_catalog.pg_class p ON s.attrelid = p.oid AND p.relname = 'pg_type' WHERE s.attname = 'typcategory' LIMIT 1;
-- rows: 0 1

-- question: DBeaver, roles
SELECT a.oid,a.* FROM pg_catalog.pg_roles a
ORDER BY a.oid;
-- rows: 1 9

-- question: DBeaver, access methods
SELECT am.oid,am.* FROM pg_catalog.pg_am am
ORDER BY am.oid;
-- rows: 1 20

-- question: DBeaver, languages, tablespaces, foreign servers
SELECT l.oid,l.* FROM pg_catalog.pg_language l
ORDER BY l.oid;
-- rows: 0 0
SELECT t.oid,t.* FROM pg_catalog.pg_tablespace t
ORDER BY t.oid;
-- rows: 0 10
SELECT l.oid,l.* FROM pg_catalog.pg_foreign_server l
ORDER BY l.srvname;
-- rows: 0 0

-- question: DBeaver, encodings
SELECT c.contoencoding as encid,pg_catalog.pg_encoding_to_char(c.contoencoding) as encname
FROM pg_catalog.pg_conversion c
GROUP BY c.contoencoding
ORDER BY 2;
-- columns: encid encname
-- rows: 0 100

-- question: DBeaver, extensions
SELECT
 e.oid,
 cfg.tbls,
 n.nspname as schema_name,
 e.*
FROM
 pg_catalog.pg_extension e
 join pg_namespace n on n.oid =e.extnamespace
 left join  (
         select
            ARRAY_AGG(ns.nspname || '.' ||  cls.relname) tbls, oid_ext
          from
            (
            select
                unnest(e1.extconfig) oid , e1.oid oid_ext
            from
                pg_catalog.pg_extension e1 ) c
                join    pg_class cls on cls.oid = c.oid
                join pg_namespace ns on ns.oid = cls.relnamespace
            group by oid_ext
         ) cfg on cfg.oid_ext = e.oid
ORDER BY e.oid;
-- rows: 0 10

-- question: DBeaver, tables of a schema
SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass
WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c');
-- rows: 10 100
-- has: A field of every kind.

-- question: DBeaver, tables with their parents, as older versions ask
SELECT c.oid,c.*,d.description,(select array_agg(i.inhparent) from pg_catalog.pg_inherits i where i.inhrelid = c.oid) parents
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0
WHERE c.relnamespace=2200 AND c.relkind not in ('i','c');
-- rows: 10 100

-- question: DBeaver, keys of a table
SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description
FROM pg_catalog.pg_constraint c
INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass
WHERE c.conrelid='probe'::regclass
ORDER BY c.oid;
-- rows: 0 0

-- question: DBeaver, indexes of a table
SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr,pg_catalog.pg_relation_size(i.indexrelid) as index_rel_size,pg_catalog.pg_stat_get_numscans(i.indexrelid) as index_num_scans
FROM pg_catalog.pg_index i
INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid
INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid
LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid
WHERE i.indrelid='probe'::regclass ORDER BY tabrelname, c.relname;
-- rows: 0 0

-- question: DBeaver, sizes of tables
select c.oid,pg_catalog.pg_total_relation_size(c.oid) as total_rel_size,pg_catalog.pg_relation_size(c.oid) as rel_size
FROM pg_class c
WHERE c.relnamespace=2200;
-- columns: oid total_rel_size rel_size
-- rows: 10 100

-- question: DBeaver, functions of a schema
SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults,d.description
FROM pg_catalog.pg_proc p
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid
WHERE p.pronamespace=2200
ORDER BY p.proname;
-- rows: 0 100

-- question: DBeaver, rules and triggers
SELECT r.oid,r.rulename,c.relname FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE r.ev_class = 'probe'::regclass AND r.rulename <> '_RETURN';
-- rows: 0 0
SELECT x.oid,x.*,p.pronamespace as func_schema_id,d.description
FROM pg_catalog.pg_trigger x
LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=x.oid AND d.objsubid=0
WHERE x.tgrelid='probe'::regclass AND NOT x.tgisinternal;
-- rows: 0 0

-- question: DBeaver, the search for an object by its name
SELECT DISTINCT c.oid, c.relname, c.relnamespace, c.relkind FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','v','m','f','p') AND c.relname ILIKE '%pro%' AND c.relnamespace IN (2200) ORDER BY c.relname LIMIT 200;
-- columns: oid relname relnamespace relkind
-- rows: 2 20

-- question: DBeaver, sessions
SELECT sa.* FROM pg_catalog.pg_stat_activity sa;
-- rows: 0 100

-- question: DBeaver, a page of rows and their number
SELECT x.* FROM public.probe x WHERE x.level > 0 ORDER BY x.time DESC LIMIT 200;
-- rows: 3 3
SELECT count(*) FROM public.probe;
-- columns: count
-- rows: 1 1
