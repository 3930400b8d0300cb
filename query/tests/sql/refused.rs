//! SQL reads tables and nothing else: no file, no setting, no change.

use zonelake_parquet::ParquetOptions;
use zonelake_query::QueryErrorCode;

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch, rows};

#[tokio::test]
async fn no_statement_reaches_a_file_a_setting_or_a_change() {
    let (harness, keys) = Harness::probe(1);
    harness
        .add_live("probe", vec![probe_batch(harness.schemas("probe"), &[ProbeRow::numbered(1, keys[0], NEW_YEAR_US)])]);
    harness.flush("probe", &ParquetOptions::default()).await;
    let engine = harness.engine();
    let file = harness.table_path("probe", &harness.view("probe").files[0].path);
    let file = file.to_str().unwrap();
    for sql in [
        format!("select * from '{file}'"),
        format!("select * from \"{file}\""),
        format!("select * from 'file://{file}'"),
        format!("select * from read_parquet('{file}')"),
        format!("select * from parquet_metadata('{file}')"),
        format!("select * from parquet_scan('{file}')"),
        format!("create external table a stored as parquet location '{file}'"),
        format!("copy probe to '{}'", harness.spill_dir().join("out.parquet").display()),
        "select * from '/etc/passwd'".into(),
        "select * from \"/etc/passwd\"".into(),
        "select * from read_csv('/etc/passwd')".into(),
        "select pg_read_file('/etc/passwd')".into(),
        "select * from information_schema.df_settings".into(),
        "select * from zonelake.information_schema.df_settings".into(),
        "select * from datafusion.public.probe".into(),
        "show all".into(),
        "show datafusion.execution.batch_size".into(),
        "set datafusion.execution.batch_size = 1".into(),
        "insert into probe (time) values (now())".into(),
        "delete from probe".into(),
        "update probe set level = 1".into(),
        "truncate table probe".into(),
        "drop table probe".into(),
        "create table t as select 1".into(),
        "create view v as select 1".into(),
        "select * into t from probe".into(),
        "with gone as (delete from probe returning *) select * from gone".into(),
        "explain analyze insert into probe (time) values (now())".into(),
        "select 1; drop table probe".into(),
        "prepare p as select 1".into(),
        "execute p".into(),
    ] {
        let error = rows(&engine, &sql).await.expect_err(&sql);
        assert!(matches!(error.code, QueryErrorCode::Sql | QueryErrorCode::NotAllowed), "{sql}: {error:?}");
    }
    assert_eq!(answer(&engine, "select count(*) from probe").await, ["1"]);
    assert!(!harness.spill_dir().join("out.parquet").exists());
}

#[tokio::test]
async fn an_error_says_what_to_change() {
    let (harness, _) = Harness::probe(1);
    let engine = harness.engine();
    for (sql, code, words) in [
        ("select temprature from probe", QueryErrorCode::Sql, "temperature"),
        ("select * from prob", QueryErrorCode::Sql, "SHOW TABLES"),
        ("select * form probe", QueryErrorCode::Sql, "Expected"),
        ("select no_such_function(1)", QueryErrorCode::Sql, "no_such_function"),
        ("select cast('a' as bigint)", QueryErrorCode::Execution, "Cannot cast"),
        (
            "select 1 / (extract(year from now())::bigint - extract(year from now())::bigint)",
            QueryErrorCode::Execution,
            "division by zero",
        ),
    ] {
        let error = rows(&engine, sql).await.expect_err(sql);
        assert_eq!(error.code, code, "{sql}: {error}");
        let told = format!("{} {}", error.message, error.hint().unwrap_or_default());
        assert!(told.contains(words), "{sql}: {told}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_without_its_path() {
    let (harness, keys) = Harness::probe(1);
    harness
        .add_live("probe", vec![probe_batch(harness.schemas("probe"), &[ProbeRow::numbered(1, keys[0], NEW_YEAR_US)])]);
    harness.flush("probe", &ParquetOptions::default()).await;
    let file = harness.table_path("probe", &harness.view("probe").files[0].path);
    std::fs::remove_file(&file).unwrap();
    let error = rows(&harness.engine(), "select * from probe").await.unwrap_err();
    assert_eq!(error.code, QueryErrorCode::Storage, "{error}");
    assert!(!error.message.contains('/') && !error.message.contains("parquet"), "{error}");
}
