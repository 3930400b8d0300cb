//! What every table log promises, run for the Delta log on real files and for its twin in memory.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use zonelake_objects::SyncedStore;
use zonelake_parquet::{ColumnStats, DataFile, StatValue};
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::SystemClock;
use zonelake_tablelog::{LogCommit, LogSnapshot, MemoryLog, TableLog, TableLogError, delta_table};

/// A table, and how to come back to it as after a restart.
trait Bench: Send + Sync {
    fn handle(&self) -> Box<dyn TableLog>;
}

struct DeltaBench {
    folder: tempfile::TempDir,
}

impl Bench for DeltaBench {
    fn handle(&self) -> Box<dyn TableLog> {
        let store = SyncedStore::new(self.folder.path()).unwrap();
        let url = store.url().join("tables/air/").unwrap();
        Box::new(delta_table(Arc::new(store), &url, Arc::new(SystemClock::default())).unwrap())
    }
}

impl Bench for MemoryLog {
    fn handle(&self) -> Box<dyn TableLog> {
        Box::new(self.clone())
    }
}

/// Runs one promise for both logs, the Delta log on both kinds of runtime.
fn for_both(promise: fn(Arc<dyn Bench>) -> BoxFuture<'static, ()>) {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    one.block_on(promise(Arc::new(MemoryLog::new("air"))));
    one.block_on(promise(Arc::new(DeltaBench { folder: tempfile::tempdir().unwrap() })));
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    many.block_on(promise(Arc::new(DeltaBench { folder: tempfile::tempdir().unwrap() })));
}

fn table(fields: &str) -> TableDef {
    TableDef::from_toml(&format!("name = \"air\"\ndescription = \"Air.\"\n{fields}")).unwrap()
}

const FIELDS: &str = r#"
[[field]]
name = "pm2_5"
type = "double"
decimals = 2
unit = "µg/m³"
description = "Particles."
[[field]]
name = "raw"
type = "double"
[[field]]
name = "note"
type = "text"
[[field]]
name = "count"
type = "bigint"
[[field]]
name = "seen"
type = "timestamp"
[[field]]
name = "total"
type = "double"
decimals = 3
digits = 15
"#;

fn stats(min: StatValue, max: StatValue, nulls: u64) -> ColumnStats {
    ColumnStats { min: Some(min), max: Some(max), nulls }
}

fn file(number: u64) -> Arc<DataFile> {
    use StatValue::{Double, Integer, Text};
    let n = i64::try_from(number).unwrap();
    let columns = [
        ("time", stats(Integer(-n * 1_000), Integer(1_767_225_600_123_000 + n * 1_000), 0)),
        ("zone", stats(Text("a \"b\" \\ é".into()), Text("vung-ang".into()), 0)),
        ("device", ColumnStats { min: None, max: None, nulls: number + 3 }),
        ("backfill", ColumnStats { min: None, max: None, nulls: 0 }),
        ("pm2_5", stats(Integer(-n), Integer(999_999_999), 1)),
        ("raw", stats(Double(-0.1), Double(1e22), 2)),
        ("note", ColumnStats { min: Some(Text(String::new())), max: None, nulls: 0 }),
        ("count", stats(Integer(i64::MIN), Integer(i64::MAX), 0)),
        ("seen", ColumnStats { min: None, max: None, nulls: number + 3 }),
        ("total", stats(Integer(-999_999_999_999_999), Integer(n), 0)),
    ];
    Arc::new(DataFile {
        path: format!("date=2026-01-0{}/part-{number}.parquet", number % 9 + 1),
        bytes: 1_000 + number,
        rows: number + 3,
        date: 20_454 + i32::try_from(number % 9).unwrap(),
        stats: columns.map(|(name, stats)| (name.to_owned(), stats)).into(),
        checksum: Some(u64::MAX - number),
    })
}

fn txns(last: &[(&str, i64)]) -> Vec<(String, i64)> {
    last.iter().map(|(app, lsn)| ((*app).to_owned(), *lsn)).collect()
}

fn by_path(mut snapshot: LogSnapshot) -> (i64, Vec<Arc<DataFile>>, HashMap<String, i64>) {
    snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
    (snapshot.version, snapshot.files, snapshot.txns)
}

#[test]
fn a_table_is_created_once_and_is_empty() {
    for_both(|bench| {
        Box::pin(async move {
            assert!(bench.handle().load().await.is_err(), "there is no table yet");
            let first = by_path(bench.handle().open(&table(FIELDS)).await.unwrap());
            assert_eq!(first, (0, Vec::new(), HashMap::new()));
            let again = by_path(bench.handle().open(&table(FIELDS)).await.unwrap());
            assert_eq!(again, first);
        })
    });
}

#[test]
fn what_is_committed_is_there_after_reopening() {
    for_both(|bench| {
        Box::pin(async move {
            let log = bench.handle();
            log.open(&table(FIELDS)).await.unwrap();
            let first = LogCommit {
                base_version: 0,
                adds: vec![file(1), file(2)],
                txns: txns(&[("zonelake/shard-0000", 7), ("zonelake/shard-0001", i64::MAX)]),
                ..LogCommit::default()
            };
            assert_eq!(log.commit(first).await.unwrap(), 1);
            let second = LogCommit {
                base_version: 1,
                adds: vec![file(3)],
                txns: txns(&[("zonelake/shard-0000", 9)]),
                ..LogCommit::default()
            };
            assert_eq!(log.commit(second).await.unwrap(), 2);

            let expected_txns: HashMap<_, _> =
                txns(&[("zonelake/shard-0000", 9), ("zonelake/shard-0001", i64::MAX)]).into_iter().collect();
            let expected = (2, vec![file(1), file(2), file(3)], expected_txns);
            assert_eq!(by_path(log.load().await.unwrap()), expected);
            assert_eq!(by_path(bench.handle().load().await.unwrap()), expected);
            assert_eq!(by_path(bench.handle().open(&table(FIELDS)).await.unwrap()), expected);
        })
    });
}

#[test]
fn a_rewrite_takes_files_out_and_puts_others_in_at_once() {
    for_both(|bench| {
        Box::pin(async move {
            let log = bench.handle();
            log.open(&table(FIELDS)).await.unwrap();
            let adds = vec![file(1), file(2), file(3)];
            log.commit(LogCommit { adds, ..LogCommit::default() }).await.unwrap();
            let rewrite = LogCommit {
                base_version: 1,
                adds: vec![file(4)],
                removes: vec![file(1), file(3)],
                ..LogCommit::default()
            };
            log.commit(rewrite).await.unwrap();
            let (version, files, txns) = by_path(bench.handle().load().await.unwrap());
            assert_eq!((version, files, txns), (2, vec![file(2), file(4)], HashMap::new()));
            let removal = LogCommit { base_version: 2, removes: vec![file(2)], ..LogCommit::default() };
            log.commit(removal).await.unwrap();
            assert_eq!(by_path(bench.handle().load().await.unwrap()).1, vec![file(4)]);
        })
    });
}

#[test]
fn a_version_that_is_taken_is_a_conflict_and_changes_nothing() {
    for_both(|bench| {
        Box::pin(async move {
            let (log, other) = (bench.handle(), bench.handle());
            log.open(&table(FIELDS)).await.unwrap();
            other.open(&table(FIELDS)).await.unwrap();
            let commit = |number| LogCommit { adds: vec![file(number)], ..LogCommit::default() };
            log.commit(commit(1)).await.unwrap();
            for _ in 0..2 {
                let late = other.commit(commit(2)).await;
                assert!(matches!(late, Err(TableLogError::Conflict { version: 1, .. })), "{late:?}");
            }
            assert_eq!(by_path(bench.handle().load().await.unwrap()).1, vec![file(1)]);
            other.commit(LogCommit { base_version: 1, ..commit(2) }).await.unwrap();
            assert_eq!(by_path(log.load().await.unwrap()).1, vec![file(1), file(2)]);
        })
    });
}

#[test]
fn a_change_of_a_version_that_is_not_there_yet_is_refused() {
    for_both(|bench| {
        Box::pin(async move {
            let log = bench.handle();
            log.open(&table(FIELDS)).await.unwrap();
            let ahead = log.commit(LogCommit { base_version: 5, adds: vec![file(1)], ..LogCommit::default() }).await;
            assert!(
                matches!(&ahead, Err(TableLogError::Corrupt { what, .. }) if what.contains("0 is the newest")),
                "{ahead:?}"
            );
            assert_eq!(log.commit(LogCommit { adds: vec![file(1)], ..LogCommit::default() }).await.unwrap(), 1);
        })
    });
}

#[test]
fn a_handle_that_was_never_opened_commits_as_well() {
    for_both(|bench| {
        Box::pin(async move {
            bench.handle().open(&table(FIELDS)).await.unwrap();
            let commit = LogCommit { adds: vec![file(1)], ..LogCommit::default() };
            assert_eq!(bench.handle().commit(commit).await.unwrap(), 1);
            assert_eq!(by_path(bench.handle().load().await.unwrap()).1, vec![file(1)]);
        })
    });
}

#[test]
fn added_fields_are_a_commit_of_their_own_and_old_files_stay() {
    for_both(|bench| {
        Box::pin(async move {
            let log = bench.handle();
            log.open(&table(FIELDS)).await.unwrap();
            log.commit(LogCommit { adds: vec![file(1)], txns: txns(&[("a", 1)]), ..LogCommit::default() })
                .await
                .unwrap();
            let more = table(&format!("{FIELDS}\n[[field]]\nname = \"extra\"\ntype = \"bigint\""));
            let opened = by_path(bench.handle().open(&more).await.unwrap());
            assert_eq!(opened, (2, vec![file(1)], HashMap::from([("a".into(), 1)])));

            let log = bench.handle();
            assert_eq!(log.open(&more).await.unwrap().version, 2, "it is there already");
            let mut newer = DataFile::clone(&file(2));
            newer.stats.insert("extra".into(), stats(StatValue::Integer(1), StatValue::Integer(2), 0));
            let newer = Arc::new(newer);
            log.commit(LogCommit { base_version: 2, adds: vec![Arc::clone(&newer)], ..LogCommit::default() })
                .await
                .unwrap();
            assert_eq!(by_path(bench.handle().load().await.unwrap()).1, vec![file(1), newer]);
            assert_eq!(bench.handle().open(&table(FIELDS)).await.unwrap().version, 3, "a field less changes nothing");
        })
    });
}

#[test]
fn a_field_of_another_type_is_refused_by_name() {
    for_both(|bench| {
        Box::pin(async move {
            bench.handle().open(&table(FIELDS)).await.unwrap();
            let other = table(&FIELDS.replace("decimals = 2", "decimals = 1"));
            let error = bench.handle().open(&other).await.unwrap_err();
            assert!(matches!(&error, TableLogError::Corrupt { what, .. } if what.contains("pm2_5")), "{error}");
            assert_eq!(bench.handle().load().await.unwrap().version, 0);
        })
    });
}
