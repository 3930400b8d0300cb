//! What the catalog tells of tables, views, sizes, roles and plans: right, or null.

use crate::server::{TestServer, failure, texts};

#[tokio::test]
async fn what_is_told_of_an_object_is_right_or_null() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (sql, answer) in [
        // The hidden column of each relation, in each form in which psql and pg_dump write it.
        ("select tableoid, tableoid::regclass::text from pg_type where typname = 'float8'", "1247|pg_type"),
        ("select c.tableoid = 'pg_class'::regclass from pg_class c where c.relname = 'probe'", "t"),
        (
            "select count(*) from pg_class c left join pg_description d on d.classoid = c.tableoid and d.objoid = c.oid and d.objsubid = 0 where c.relname = 'probe'",
            "1",
        ),
        ("select t.tableoid from (select tableoid, oid from pg_am) t where t.oid = 2", "2601"),
        // A name is an array of its bytes.
        ("select typname from pg_type where typname[0] = '_' and typelem = 701", "_float8"),
        (
            "select acldefault('r', 10), acldefault('n', 10), acldefault('f', 10)",
            "{admin=arwdDxt/admin}|{admin=UC/admin}|{=X/admin,admin=X/admin}",
        ),
        ("select pg_get_userbyid(10), pg_get_userbyid(4711)", "admin|unknown (OID=4711)"),
        ("select pg_has_role('admin', 'USAGE'), pg_has_role('nobody', 'USAGE')", "t|∅"),
        ("select pg_get_function_arguments(1598), pg_get_function_result(1598)", "∅|∅"),
        (
            "select pg_table_size('probe'::regclass) >= 0, pg_table_size('probe') = pg_relation_size('public.probe'), pg_table_size(1)",
            "t|t|∅",
        ),
        ("select pg_database_size('zonelake') >= pg_table_size('probe'), getdatabaseencoding()", "t|UTF8"),
        ("select pg_get_viewdef('probe'::regclass)", "∅"),
        // Tools take a first column `date` for the time axis: its comment tells them otherwise.
        (
            "select col_description('probe'::regclass, 2), col_description('probe'::regclass, 7), col_description('probe'::regclass, 10)",
            "Time of the measurement|Name of the device|As sent. [m]",
        ),
        (
            "select array_to_string(array(select attacl::text from pg_attribute where attacl is not null), ',') = ''",
            "t",
        ),
        ("select count(*) from pg_proc where pronamespace <> 11", "0"),
        (
            "select string_agg(collname, ',' order by collname), count(colliculocale) from pg_collation",
            "C,POSIX,default|0",
        ),
        ("select 'trigger'::regtype::oid, has_table_privilege('probe', 'INSERT')", "2279|f"),
        (
            "select grantee, privilege_type from information_schema.table_privileges where table_name = 'probe'",
            "admin|SELECT",
        ),
        ("select count(*) from information_schema.sequences", "0"),
        ("select count(*) from information_schema.routines", "0"),
        // Search in texts, indexes and languages of functions do not exist here.
        ("select count(*) from pg_ts_config", "0"),
        ("select count(*) from pg_opclass", "0"),
        ("select count(*) from pg_language", "0"),
        ("select count(*) from pg_class where relkind = 'i'", "0"),
        ("select count(*) from pg_proc where proacl is not null", "0"),
        ("select attname from pg_attribute where attrelid = 'pg_namespace'::regclass and attnum = 2", "nspname"),
        ("select oprcode::text from pg_operator where oid = 96", "int4eq"),
    ] {
        assert_eq!(texts(&client, sql).await, [answer], "{sql}");
    }
    for (sql, sqlstate) in [
        ("select 'nothing'::regclass", "42P01"),
        ("select 'nothing'::regtype", "42704"),
        ("select 'nothing'::regrole", "42704"),
        ("select 'nothing'::regproc", "42883"),
        ("select 'nothing'::regnamespace", "3F000"),
    ] {
        assert_eq!(failure(&client, sql).await, sqlstate, "{sql}");
    }
    assert_eq!(texts(&client, "select to_regclass('nothing')").await, ["∅"]);
    // As TypeORM asks for columns.
    let sql = r#"SELECT columns.* FROM "information_schema"."columns" WHERE "table_name" = 'probe'"#;
    assert!(texts(&client, sql).await.len() > 10);
}

#[tokio::test]
async fn each_view_is_one_wherever_it_is_listed() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let kinds = "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                 where n.nspname = 'public' and c.relkind = 'v' order by 1";
    let listed = texts(&client, kinds).await;
    assert_eq!(texts(&client, "select viewname from pg_views order by 1").await, listed);
    let schema = "select table_name from information_schema.views where table_schema = 'public' order by 1";
    assert_eq!(texts(&client, schema).await, listed);
    let defined =
        "select count(*) from pg_class c where c.relkind = 'v' and c.oid > 65535 and pg_get_viewdef(c.oid) like '%;'";
    assert_eq!(texts(&client, defined).await, [listed.len().to_string()]);
    let tables = texts(&client, "select tablename from pg_tables").await;
    assert!(tables.contains(&"probe".to_owned()) && listed.iter().all(|view| !tables.contains(view)), "{tables:?}");
}

#[tokio::test]
async fn explain_has_the_column_and_the_estimates_of_postgresql() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let lines = texts(&client, "explain select device from probe where device = 'd1' order by time").await;
    assert!(
        lines[0].contains("  (cost=0.00..") && lines[0].contains(" rows=") && lines[0].ends_with("width=32)"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("  ->  "), "{lines:?}");
    let document = texts(&client, "explain (format json) select count(*) from probe").await.join("\n");
    assert!(document.starts_with("[\n  {\n    \"Plan\": {\"Node Type\": \""), "{document}");
    assert!(document.contains("\"Total Cost\": "), "{document}");
    // Prepared, with a parameter; described before it is executed.
    let statement = client.prepare("explain select device from probe where device = $1").await.unwrap();
    assert_eq!(statement.columns()[0].name(), "QUERY PLAN");
    let rows = client.query(&statement, &[&"d1"]).await.unwrap();
    assert!(rows[0].get::<_, String>(0).contains("rows="), "{rows:?}");
    assert!(texts(&client, "explain analyze select count(*) from probe").await.len() > 1);
    assert_eq!(failure(&client, "explain (format xml) select 1").await, "0A000");
    assert_eq!(failure(&client, "explain select levl from probe").await, "42703");
}
