//! Catalog queries of clients, as they stand in the clients' sources.

use crate::server::{TestServer, failure, shown, texts};

#[tokio::test]
async fn psql_lists_and_describes() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let tables = texts(&client, PSQL_DT).await;
    assert!(tables.contains(&"public|probe|table|admin".to_owned()), "{tables:?}");
    assert_eq!(texts(&client, PSQL_DN).await, ["public|admin", "system|admin"]);
    let databases = texts(&client, PSQL_L).await;
    assert_eq!(databases, ["zonelake|admin|UTF8|C|C|∅|libc|∅"]);
    let users = texts(&client, PSQL_DU).await;
    assert_eq!(users, ["admin|f|t|f|f|t|-1|∅|{}|f|f"]);
    let found = texts(&client, PSQL_D_FIND).await;
    let oid = found[0].split('|').next().unwrap().to_owned();
    assert!(found[0].ends_with("|public|probe"), "{found:?}");
    let columns = texts(&client, &PSQL_D_COLUMNS.replace("16500", &oid)).await;
    assert_eq!(columns[1], "time|timestamp with time zone|∅|t|∅||", "{columns:?}");
    assert_eq!(columns[9], "level|double precision|∅|f|∅||", "{columns:?}");
    for query in PSQL_D_MORE {
        let query = query.replace("16500", &oid);
        if let Err(error) = client.simple_query(&query).await {
            panic!("{query}: {}", shown(&error));
        }
    }
    // The number is the same over another connection.
    let again = texts(&server.client().await, PSQL_D_FIND).await;
    assert_eq!(again, found);
}

#[tokio::test]
async fn nothing_of_another_database_is_shown() {
    let server = TestServer::start().await;
    let client = server.client().await;
    // Each has rows in the database that the library of the catalog was made of.
    for table in [
        "pg_statistic",
        "pg_depend",
        "pg_shdepend",
        "pg_constraint",
        "pg_index",
        "pg_rewrite",
        "pg_auth_members",
        "pg_authid",
        "pg_init_privs",
    ] {
        let counted = texts(&client, &format!("select count(*) from pg_catalog.{table}")).await;
        assert_eq!(counted, ["0"], "{table}");
        texts(&client, &format!("select * from {table}")).await;
    }
    // Lists of texts of the catalog have no values, whatever is made of them.
    for (column, of) in [
        ("relacl", "pg_class"),
        ("reloptions", "pg_class"),
        ("attacl", "pg_attribute"),
        ("attoptions", "pg_attribute"),
        ("attfdwoptions", "pg_attribute"),
        ("nspacl", "pg_namespace"),
    ] {
        assert_eq!(texts(&client, &format!("select count({column}) from {of}")).await, ["0"], "{column}");
        let sql = format!(
            "select distinct pg_catalog.array_to_string(t.{column} || array(select 'x.' || o from \
             pg_catalog.unnest(t.{column}) o), ', ') from pg_catalog.{of} t"
        );
        let told = texts(&client, &sql).await;
        assert!(told == ["∅"] || told == [""], "{column}: {told:?}");
    }
}

#[tokio::test]
async fn comments_carry_unit_and_description() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let sql = "select a.attname, col_description(a.attrelid, a.attnum) from pg_attribute a \
               where a.attrelid = 'probe'::regclass and a.attname in ('level', 'note') order by 1";
    assert_eq!(texts(&client, sql).await, ["level|As sent. [m]", "note|∅"]);
    let sql = "select obj_description('public.probe'::regclass, 'pg_class')";
    assert_eq!(texts(&client, sql).await, ["Every kind of field."]);
    let sql = "select d.description from pg_catalog.pg_description d join pg_catalog.pg_class c on d.objoid = c.oid \
               where c.relname = 'probe' and d.objsubid = 11";
    assert_eq!(texts(&client, sql).await, ["Hundredths. [°C]"]);
}

#[tokio::test]
async fn functions_of_a_connection_answer() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (sql, answer) in [
        ("select current_database(), current_schema(), current_user, session_user", "zonelake|public|admin|admin"),
        ("select current_schemas(true)", "{pg_catalog,public}"),
        ("select pg_catalog.format_type(701, -1)", "double precision"),
        ("select has_schema_privilege('public', 'usage')", "t"),
        ("select pg_is_in_recovery()", "f"),
        ("select 'pg_class'::regclass::oid", "1259"),
        ("select set_config('bytea_output', 'hex', false)", "hex"),
        ("select quote_ident('a b')", "\"a b\""),
        ("select pg_size_pretty(1073741824::bigint)", "1024 MB"),
        ("select 1 where 'a' = any(array['a', 'b'])", "1"),
        ("select 'pg_class'::regclass::text, 'probe'::regclass::text", "pg_class|probe"),
        ("select typreceive, typreceive::text, typreceive != 0 from pg_type where oid = 16", "boolrecv|boolrecv|t"),
        ("select typname from pg_type where typinput = 'array_in'::regproc and typelem = 701", "_float8"),
        ("select format('%I.%s %L', 'A b', 1, 'x')", "\"A b\".1 'x'"),
        (
            "select json_build_object('a', 1, 'b', 'c\"', 'd', null, 'e', true)",
            r#"{"a" : 1, "b" : "c\"", "d" : null, "e" : true}"#,
        ),
        ("select to_timestamp('2026-01-02 03:04:05.5', 'YYYY-MM-DD HH24:MI:SS.US')", "2026-01-02 03:04:05.5+00"),
        ("select to_date('02.01.2026', 'DD.MM.YYYY')", "2026-01-02"),
    ] {
        assert_eq!(texts(&client, sql).await, [answer], "{sql}");
    }
    let version = texts(&client, "select version()").await;
    assert!(version[0].starts_with("PostgreSQL 15.0 (Zonelake "), "{version:?}");
    let settings = texts(&client, "select setting from pg_settings where name = 'server_version_num'").await;
    assert_eq!(settings, ["150000"]);
    assert_eq!(failure(&client, "select current_setting('nothing')").await, "42704");
}

#[tokio::test]
async fn patterns_have_the_escape_that_they_name() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let sql = "select nspname from pg_catalog.pg_namespace where nspname not like 'pg/_%' escape '/' order by 1";
    assert_eq!(texts(&client, sql).await, ["information_schema", "public", "system"]);
    for (sql, answer) in [
        ("select 'a_b' like 'a!_b' escape '!', 'axb' like 'a!_b' escape '!'", "t|f"),
        ("select 'A%' ilike 'a/%' escape '/', 'Ab' ilike 'a/%' escape '/'", "t|f"),
        (r"select 'a\b' like 'a\b' escape '', 'a/b' like 'a//b' escape '/'", "t|t"),
    ] {
        assert_eq!(texts(&client, sql).await, [answer], "{sql}");
    }
}

#[tokio::test]
async fn subqueries_of_questions_keep_their_values() {
    let server = TestServer::start().await;
    let client = server.client().await;
    // Correlated by equality, as a column and in a condition.
    let sql = "select c.relname, (select d.description from pg_description d where d.objoid = c.oid and d.objsubid = 0) \
               from pg_class c where c.relname = 'probe'";
    assert_eq!(texts(&client, sql).await, ["probe|Every kind of field."]);
    let sql = "select count(*) from pg_type t where t.typname = 'float8' and \
               (t.typrelid = 0 or (select c.relkind = 'c' from pg_class c where c.oid = t.typrelid))";
    assert_eq!(texts(&client, sql).await, ["1"]);
    // Over empty relations.
    let sql = "select c.relname, (select i.indexrelid from pg_index i where i.indrelid = c.oid), \
               exists (select 1 from pg_trigger t where t.tgrelid = c.oid) from pg_class c where c.relname = 'probe'";
    assert_eq!(texts(&client, sql).await, ["probe|∅|f"]);
    let sql = "select s.i, (current_schemas(true))[s.i] from generate_series(1, array_upper(current_schemas(true), 1)) as s(i) \
               where s.i > 0 and current_schema() = 'public' order by 1";
    assert_eq!(texts(&client, sql).await, ["1|pg_catalog", "2|public"]);
}

const PSQL_DT: &str = r#"SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;"#;

const PSQL_DN: &str = r#"SELECT n.nspname AS "Name",
  pg_catalog.pg_get_userbyid(n.nspowner) AS "Owner"
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1;"#;

const PSQL_L: &str = r#"SELECT
  d.datname as "Name",
  pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
  pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
  d.datcollate as "Collate",
  d.datctype as "Ctype",
  d.daticulocale as "ICU Locale",
  CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Locale Provider",
  pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges"
FROM pg_catalog.pg_database d
ORDER BY 1;"#;

const PSQL_DU: &str = r"SELECT r.rolname, r.rolsuper, r.rolinherit,
  r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolconnlimit, r.rolvaliduntil,
  ARRAY(SELECT b.rolname
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof
, r.rolreplication
, r.rolbypassrls
FROM pg_catalog.pg_roles r
WHERE r.rolname !~ '^pg_'
ORDER BY 1;";

const PSQL_D_FIND: &str = r"SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(probe)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;";

const PSQL_D_COLUMNS: &str = r"SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '16500' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;";

const PSQL_D_MORE: &[&str] = &[
    r"SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '16500';",
    r"SELECT pol.polname, pol.polpermissive,
          CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END,
          pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),
          pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid),
          CASE pol.polcmd
            WHEN 'r' THEN 'SELECT'
            WHEN 'a' THEN 'INSERT'
            WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE'
            END AS cmd
        FROM pg_catalog.pg_policy pol
        WHERE pol.polrelid = '16500' ORDER BY 1;",
    r"SELECT c.oid::pg_catalog.regclass
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhparent AND i.inhrelid = '16500'
  AND c.relkind != 'p' AND c.relkind != 'I'
ORDER BY inhseqno;",
    r"SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhrelid AND i.inhparent = '16500'
ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;",
];
