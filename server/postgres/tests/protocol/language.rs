//! The language of a session: what clients set by SQL, how errors are told, and statements of whole clients.

use tokio_postgres::types::Type;

use crate::server::{TestServer, connect, failure, texts};

#[tokio::test]
async fn zones_are_set_in_every_form_that_postgresql_has() {
    let server = TestServer::start().await;
    let client = server.client().await;
    // Each as PostgreSQL 15 shows the setting, and noon in July.
    for (set, shown, noon) in [
        ("SET timezone = 'CET'", "CET", "2026-07-01 12:00:00+02"),
        ("SET TIME ZONE 'EET'", "EET", "2026-07-01 12:00:00+03"),
        ("SET TIME ZONE 'WET'", "WET", "2026-07-01 12:00:00+01"),
        ("SET TIME ZONE '+07:00'", "+07:00", "2026-07-01 12:00:00-07"),
        ("SET TIME ZONE 7", "<+07>-07", "2026-07-01 12:00:00+07"),
        ("SET TIME ZONE -3.5", "<-03:30>+03:30", "2026-07-01 12:00:00-03:30"),
        ("SET TIME ZONE INTERVAL '7 hours'", "<+07>-07", "2026-07-01 12:00:00+07"),
        ("SET TIME ZONE INTERVAL '+07:00' HOUR TO MINUTE", "<+07>-07", "2026-07-01 12:00:00+07"),
        ("SET TIME ZONE 'UTC-7'", "UTC-7", "2026-07-01 12:00:00+07"),
        ("SELECT set_config('TimeZone', 'Asia/Ho_Chi_Minh', false)", "Asia/Ho_Chi_Minh", "2026-07-01 12:00:00+07"),
    ] {
        client.simple_query(set).await.unwrap_or_else(|error| panic!("{set}: {error}"));
        assert_eq!(texts(&client, "show timezone").await, [shown], "{set}");
        let found =
            texts(&client, "select timestamptz '2026-07-01 12:00', date_trunc('day', timestamptz '2026-07-01 12:00')")
                .await;
        assert_eq!(found, [format!("{noon}|{}", noon.replace("12:00:00", "00:00:00"))], "{set}");
    }
}

#[tokio::test]
async fn set_config_sets_what_set_would_and_is_undone_with_its_transaction() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert_eq!(texts(&client, "select set_config('TimeZone', 'asia/ho_chi_minh', false)").await, ["Asia/Ho_Chi_Minh"]);
    // With a parameter, as Django and psycopg send it.
    let rows = client.query("select set_config('TimeZone', $1, false)", &[&"Europe/Berlin"]).await.unwrap();
    assert_eq!(rows[0].get::<_, String>(0), "Europe/Berlin");
    assert_eq!(texts(&client, "show timezone").await, ["Europe/Berlin"]);
    assert_eq!(failure(&client, "select set_config('nothing', 'x', false)").await, "42704");
    assert_eq!(failure(&client, "select set_config('TimeZone', 'Mars', false)").await, "22023");
    assert_eq!(
        failure(&client, "select set_config('TimeZone', 'UTC', false), 1 / (value - value) from generate_series(1, 2)")
            .await,
        "22012"
    );
    assert_eq!(texts(&client, "show timezone").await, ["Europe/Berlin"], "a failed statement sets nothing");
    client.batch_execute("begin; select set_config('TimeZone', 'UTC', false); rollback").await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["Europe/Berlin"]);
    client.batch_execute("begin; select set_config('TimeZone', 'UTC', true); commit").await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["Europe/Berlin"]);
    // As pgAdmin connects.
    let pgadmin =
        "SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'";
    assert_eq!(texts(&client, pgadmin).await, ["hex"]);
}

#[tokio::test]
async fn whole_clients_start() {
    let server = TestServer::start().await;
    // asyncpg sends quotes around the encoding.
    let mut config = server.config();
    config.options("-c client_encoding='utf-8'");
    let client = connect(&config).await.unwrap();
    assert_eq!(texts(&client, "show client_encoding").await, ["UTF8"]);
    // TypeORM, Sequelize and Hibernate.
    assert_eq!(texts(&client, "SELECT * FROM current_schema()").await, ["public"]);
    assert_eq!(texts(&client, "SELECT version() LIKE 'PostgreSQL 15%'").await, ["t"]);
    let page = "select device from probe order by time offset 1 rows fetch first 2 rows only";
    assert_eq!(texts(&client, page).await, ["d1", "d2"]);
    // Go, pgJDBC in its simple mode, node-postgres.
    let devices = vec!["d0", "d1"];
    let found = client.query("select count(*) from probe where device = ANY($1::text[])", &[&devices]).await.unwrap();
    assert_eq!(found[0].get::<_, i64>(0), 40);
    let statement = client.prepare("select count(*) from probe where device = ANY($1::text[])").await.unwrap();
    assert_eq!(statement.params(), [Type::TEXT_ARRAY]);
    assert_eq!(texts(&client, r#"select count(*) from probe where device = ANY(('{"d0","d1"}'))"#).await, ["40"]);
    let statement = client.prepare("select timestamp '2026-01-01' + $1 * interval '1 hour', $2").await.unwrap();
    assert_eq!(statement.params(), [Type::FLOAT8, Type::TEXT]);
}

#[tokio::test]
async fn an_error_has_its_hint_and_its_place_in_the_whole_text() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let error = client.simple_query("select 1;\n  select levl from probe").await.expect_err("no such column");
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("42703", "column \"levl\" does not exist"));
    assert_eq!(error.hint(), Some("Perhaps you meant to reference the column \"probe.level\"."));
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(20)));
}

#[tokio::test]
async fn nothing_is_made_up_for_what_is_no_question_to_the_catalog() {
    let server = TestServer::start().await;
    let client = server.client().await;
    for (sql, answer) in [
        ("SELECT current_date = current_date, ARRAY(SELECT x FROM (VALUES (1),(2)) v(x))", "t|{1,2}"),
        ("SELECT current_schema(), (SELECT x FROM (VALUES (1),(2)) v(x) ORDER BY x LIMIT 1)", "public|1"),
        ("WITH pg_class AS (SELECT 7 AS x) SELECT x FROM pg_class", "7"),
        ("WITH pg_index AS (SELECT 7 AS x) SELECT x FROM pg_index", "7"),
        ("SELECT has_table_privilege('probe', 'SELECT'), has_table_privilege('probe', 'INSERT')", "t|f"),
        ("SELECT has_schema_privilege('public', 'CREATE, USAGE'), has_schema_privilege('public', 'CREATE')", "t|f"),
        (
            "SELECT relname, ARRAY(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum IN (1, 2) ORDER BY attnum) \
             FROM pg_class c WHERE relname = 'probe'",
            "probe|{date,time}",
        ),
        ("SELECT count(*) >= 0 FROM pg_stat_activity", "t"),
        ("SELECT count(*) FROM pg_locks WHERE false", "0"),
        ("SELECT usename FROM pg_user", "admin"),
    ] {
        assert_eq!(texts(&client, sql).await, [answer], "{sql}");
    }
}
