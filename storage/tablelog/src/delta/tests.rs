//! The Delta log on real files, with faults injected between it and the store.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde_json::{Value, json};
use url::Url;
use zonelake_objects::{NotSynced, SyncedStore};
use zonelake_parquet::{ColumnStats, DataFile, StatValue};
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::SystemClock;

use super::{DeltaLog, delta_table};
use crate::{LogCommit, TableLog, TableLogError};

/// What goes wrong with the next write of a name that contains a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It fails and nothing is written.
    Lost,
    /// It is written, and reported as failed.
    Landed,
    /// It is written, and its folder cannot be synced.
    NotSynced,
    /// Another writer was there before.
    Overtaken,
}

/// A synced store that fails where it is told to.
#[derive(Debug)]
struct FaultyStore {
    inner: SyncedStore,
    fault: Mutex<Option<(&'static str, Fault)>>,
}

impl FaultyStore {
    fn fail_next(&self, word: &'static str, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((word, fault));
    }

    fn is_to_fail(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self, path: &Path) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.is_some_and(|(word, _)| path.as_ref().contains(word)) {
            fault.take().map(|(_, fault)| fault)
        } else {
            None
        }
    }
}

fn failure(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "FaultyStore", source: source.into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.take(location) {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::Lost) => Err(failure("lost")),
            Some(Fault::Landed) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(failure("landed"))
            }
            Some(Fault::NotSynced) => {
                self.inner.put_opts(location, payload, opts).await?;
                let path = PathBuf::from(location.as_ref());
                Err(failure(NotSynced { path, source: std::io::Error::other("no sync") }))
            }
            Some(Fault::Overtaken) => {
                self.inner.put_opts(location, "{\"commitInfo\":{}}".into(), PutOptions::default()).await?;
                self.inner.put_opts(location, payload, opts).await
            }
        }
    }

    async fn put_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        match self.take(path) {
            None => self.inner.put_multipart_opts(path, opts).await,
            Some(_) => Err(failure("lost")),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<FaultyStore>,
    url: Url,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = SyncedStore::new(folder.path()).unwrap();
        let url = inner.url().join("tables/air").unwrap();
        Self { folder, store: Arc::new(FaultyStore { inner, fault: Mutex::default() }), url }
    }

    fn log(&self) -> DeltaLog {
        let store: Arc<dyn ObjectStore> = Arc::<FaultyStore>::clone(&self.store);
        delta_table(store, &self.url, Arc::new(SystemClock::default())).unwrap()
    }

    fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join("tables/air/_delta_log").join(name)
    }

    fn entry(&self, version: u64) -> Vec<Value> {
        let text = std::fs::read_to_string(self.disk(&format!("{version:020}.json"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Versions of the checkpoints on disk.
    fn checkpoints(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(self.disk("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut versions: Vec<u64> = names
            .filter(|name| name.ends_with(".checkpoint.parquet"))
            .map(|name| name[..20].parse().unwrap())
            .collect();
        versions.sort_unstable();
        versions
    }
}

fn table() -> TableDef {
    TableDef::from_toml(
        r#"
        name = "air"
        description = "Air."
        [[field]]
        name = "pm2_5"
        type = "double"
        decimals = 2
        unit = "µg/m³"
        description = "Particles."
        "#,
    )
    .unwrap()
}

fn add(number: i64) -> LogCommit {
    let bound = |n| Some(StatValue::Integer(n));
    let stats = [
        ("time", ColumnStats { min: bound(1_767_225_600_000_000), max: bound(1_767_225_600_001_000), nulls: 0 }),
        ("pm2_5", ColumnStats { min: bound(-7), max: bound(1234), nulls: 2 }),
    ];
    let file = DataFile {
        path: format!("date=2026-01-01/part-{number}.parquet"),
        bytes: 99,
        rows: 5,
        date: 20_454,
        stats: stats.map(|(name, stats)| (name.to_owned(), stats)).into(),
        checksum: Some(0xabc),
    };
    LogCommit {
        base_version: number,
        adds: vec![Arc::new(file)],
        txns: vec![("zonelake/shard-0003".into(), number)],
        ..LogCommit::default()
    }
}

#[tokio::test]
async fn the_log_is_what_delta_readers_expect() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    log.commit(add(0)).await.unwrap();

    let created = bench.entry(0);
    let find = |entry: &[Value], name: &str| entry.iter().find_map(|action| action.get(name).cloned()).unwrap();
    assert_eq!(find(&created, "protocol"), json!({ "minReaderVersion": 1, "minWriterVersion": 2 }));
    let metadata = find(&created, "metaData");
    assert_eq!(metadata["partitionColumns"], json!(["date"]));
    assert_eq!(metadata["name"], "air");
    assert_eq!(metadata["configuration"]["delta.enableExpiredLogCleanup"], "true");
    let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let types: Vec<_> =
        fields.iter().map(|field| (field["name"].as_str().unwrap(), field["type"].as_str().unwrap())).collect();
    let expected = [
        ("date", "date"),
        ("time", "timestamp"),
        ("ingested_at", "timestamp"),
        ("province", "string"),
        ("zone", "string"),
        ("site", "string"),
        ("device", "string"),
        ("quality", "string"),
        ("backfill", "boolean"),
        ("pm2_5", "decimal(9,2)"),
        ("_shard", "long"),
        ("_lsn", "long"),
        ("_row", "integer"),
        ("_sequence", "long"),
    ];
    assert_eq!(types, expected);
    assert_eq!(fields[9]["metadata"], json!({ "comment": "Particles. [µg/m³]", "unit": "µg/m³" }));
    assert_eq!((&fields[9]["nullable"], &fields[1]["nullable"]), (&json!(true), &json!(false)));

    let committed = bench.entry(1);
    assert_eq!(committed[0]["commitInfo"]["operation"], "WRITE");
    let added = find(&committed, "add");
    assert_eq!(added["partitionValues"], json!({ "date": "2026-01-01" }));
    assert_eq!(added["path"], "date=2026-01-01/part-0.parquet");
    assert_eq!(added["dataChange"], true);
    let stats: Value = serde_json::from_str(added["stats"].as_str().unwrap()).unwrap();
    let expected = json!({
        "numRecords": 5,
        "tightBounds": false,
        "minValues": { "time": "2026-01-01T00:00:00.000Z", "pm2_5": -0.07 },
        "maxValues": { "time": "2026-01-01T00:00:00.001Z", "pm2_5": 12.34 },
        "nullCount": { "time": 0, "pm2_5": 2 },
    });
    assert_eq!(stats, expected);
    let txn = find(&committed, "txn");
    assert_eq!((&txn["appId"], &txn["version"]), (&json!("zonelake/shard-0003"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_comes_with_the_bytes_of_the_entries_and_is_read_back() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    let mut number = 0;
    while bench.checkpoints().is_empty() {
        let mut commit = add(number);
        if number == 50 {
            commit.removes = add(10).adds;
            commit.txns.push(("zonelake/shard-0009".into(), 5));
        }
        log.commit(commit).await.unwrap();
        log.checkpoints.written().await;
        number += 1;
        assert!(number < 1_000, "no checkpoint");
    }
    // Not one for a hundred small commits.
    assert!(number > 100, "{number}");
    for _ in 0..3 {
        log.commit(add(number)).await.unwrap();
        number += 1;
    }
    let before = log.load().await.unwrap();
    // What the checkpoint holds is read from it alone.
    for version in 0..bench.checkpoints()[0] {
        std::fs::remove_file(bench.disk(&format!("{version:020}.json"))).unwrap();
    }
    let mut after = bench.log().open(&table()).await.unwrap();
    assert_eq!((after.version, after.files.len() as i64), (number, number - 1));
    let txns = [("zonelake/shard-0003".to_owned(), number - 1), ("zonelake/shard-0009".to_owned(), 5)];
    assert_eq!(after.txns, HashMap::from(txns));
    let mut files = before.files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    after.files.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(after.files, files);
    assert_eq!(after.files[0], add(0).adds[0]);
    let removed: Vec<_> = add(10).adds.iter().map(|file| file.path.clone()).collect();
    assert_eq!((&after.removed, &before.removed), (&removed, &removed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_cannot_be_written_hurts_nothing_and_is_tried_again() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    bench.store.fail_next("checkpoint", Fault::Lost);
    let mut number = 0;
    while bench.store.is_to_fail() {
        assert_eq!(log.commit(add(number)).await.unwrap(), number + 1);
        log.checkpoints.written().await;
        number += 1;
        assert!(number < 1_000, "no checkpoint was tried");
    }
    assert!(bench.checkpoints().is_empty());
    assert_eq!(log.commit(add(number)).await.unwrap(), number + 1);
    log.checkpoints.written().await;
    assert_eq!(bench.checkpoints(), [u64::try_from(number + 1).unwrap()]);
    assert_eq!(bench.log().load().await.unwrap().files.len() as i64, number + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_checkpoints_stay_and_entries_that_are_not_old_stay_too() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    let (mut number, mut seen) = (0, Vec::new());
    while seen.len() < 3 {
        log.commit(add(number)).await.unwrap();
        log.checkpoints.written().await;
        number += 1;
        let newest = bench.checkpoints().last().copied();
        if newest.is_some() && newest != seen.last().copied() {
            seen.extend(newest);
        }
        assert!(number < 3_000, "no third checkpoint: {seen:?}");
    }
    assert_eq!(bench.checkpoints(), seen[1..]);
    // They are as far from each other as each is large.
    assert!((0..=number).all(|version| bench.disk(&format!("{version:020}.json")).exists()));
    // A program that opens the table counts on from what it finds.
    assert_eq!(bench.log().open(&table()).await.unwrap().files.len() as i64, number);
}

#[tokio::test]
async fn a_table_of_before_learns_that_its_log_is_cleaned_up() {
    let bench = Bench::new();
    bench.log().open(&table()).await.unwrap();
    let created = bench.disk(&format!("{:020}.json", 0));
    let text = std::fs::read_to_string(&created).unwrap();
    let off = text.replace("\"delta.enableExpiredLogCleanup\":\"true\"", "\"delta.enableExpiredLogCleanup\":\"false\"");
    assert_ne!(off, text);
    std::fs::write(&created, off).unwrap();
    assert_eq!(bench.log().open(&table()).await.unwrap().version, 1);
    assert!(bench.entry(1).iter().any(|action| {
        action["metaData"]["configuration"]["delta.enableExpiredLogCleanup"] == "true"
            && action["metaData"]["configuration"]["delta.checkpointInterval"] == "100"
    }));
    assert_eq!(bench.log().open(&table()).await.unwrap().version, 1, "once");
}

#[tokio::test]
async fn a_table_of_before_gets_the_columns_of_the_identity_once_and_behind_all_fields() {
    let bench = Bench::new();
    bench.log().open(&table()).await.unwrap();
    let created = bench.disk(&format!("{:020}.json", 0));
    // As a release before the identity has made the table.
    let of_before = bench.entry(0).into_iter().map(|mut action| {
        if let Some(text) = action["metaData"]["schemaString"].as_str() {
            let mut schema: Value = serde_json::from_str(text).unwrap();
            let fields = schema["fields"].as_array_mut().unwrap();
            fields.retain(|field| !field["name"].as_str().unwrap().starts_with('_'));
            action["metaData"]["schemaString"] = schema.to_string().into();
        }
        action.to_string() + "\n"
    });
    std::fs::write(&created, of_before.collect::<String>()).unwrap();
    let mut wider = table();
    wider.fields.push(zonelake_schemas::FieldDef { name: "pm10".into(), ..wider.fields[0].clone() });
    for (declared, fields) in [(&table(), vec!["pm2_5"]), (&wider, vec!["pm2_5", "pm10"])] {
        let version = bench.log().open(declared).await.unwrap().version;
        assert_eq!(bench.log().open(declared).await.unwrap().version, version, "once");
        let metadata = &bench.entry(version.unsigned_abs())[1]["metaData"];
        let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
        let found: Vec<_> = schema["fields"].as_array().unwrap()[9..].to_vec();
        let names: Vec<_> = found.iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert_eq!(names, [fields, zonelake_schemas::identity::COLUMNS.to_vec()].concat());
        assert!(found.iter().all(|field| field["nullable"] == true), "{found:?}");
    }
    assert_eq!(bench.log().load().await.unwrap().version, 2);
}

#[tokio::test]
async fn a_commit_that_has_landed_although_its_write_failed_counts() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    bench.store.fail_next(".json", Fault::Landed);
    assert_eq!(log.commit(add(0)).await.unwrap(), 1);
    assert_eq!(log.commit(add(1)).await.unwrap(), 2);
    assert_eq!(bench.log().load().await.unwrap().files.len(), 2);
}

#[tokio::test]
async fn a_commit_that_is_lost_is_an_error_and_can_be_repeated() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    bench.store.fail_next(".json", Fault::Lost);
    let lost = log.commit(add(0)).await;
    assert!(matches!(lost, Err(TableLogError::Store { .. })), "{lost:?}");
    assert_eq!(log.load().await.unwrap().version, 0);
    assert_eq!(log.commit(add(0)).await.unwrap(), 1);
    assert_eq!(log.load().await.unwrap().files.len(), 1);
}

#[tokio::test]
async fn a_commit_that_is_not_synced_is_not_reported_as_done() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    bench.store.fail_next(".json", Fault::NotSynced);
    let unsure = log.commit(add(0)).await;
    assert!(matches!(unsure, Err(TableLogError::Store { .. })), "{unsure:?}");
    let found = log.load().await.unwrap();
    assert_eq!((found.version, found.txns.get("zonelake/shard-0003")), (1, Some(&0)));
}

#[tokio::test]
async fn a_version_that_another_writer_takes_in_the_last_moment_is_a_conflict() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    bench.store.fail_next(".json", Fault::Overtaken);
    let late = log.commit(add(0)).await;
    assert!(matches!(late, Err(TableLogError::Conflict { version: 1, .. })), "{late:?}");
}

#[tokio::test]
async fn a_table_of_a_newer_protocol_is_refused() {
    let bench = Bench::new();
    bench.log().open(&table()).await.unwrap();
    let raised = json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 4 } });
    std::fs::write(bench.disk("00000000000000000001.json"), raised.to_string()).unwrap();
    let error = bench.log().open(&table()).await.unwrap_err();
    assert!(matches!(&error, TableLogError::Corrupt { what, .. } if what.contains("writer 4")), "{error}");
}

#[tokio::test]
async fn a_damaged_entry_is_an_error_that_names_the_table() {
    let bench = Bench::new();
    let log = bench.log();
    log.open(&table()).await.unwrap();
    log.commit(add(0)).await.unwrap();
    std::fs::write(bench.disk("00000000000000000001.json"), "{\"add\":{\"path\"").unwrap();
    let error = bench.log().load().await.unwrap_err();
    assert!(error.to_string().contains("tables/air"), "{error}");
    assert!(matches!(error, TableLogError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn descriptions_follow_the_declaration() {
    let bench = Bench::new();
    bench.log().open(&table()).await.unwrap();
    let mut changed = table();
    changed.fields[0].description = "Fine particles.".into();
    assert_eq!(bench.log().open(&changed).await.unwrap().version, 1);
    let metadata = &bench.entry(1)[1]["metaData"];
    assert!(metadata["schemaString"].as_str().unwrap().contains("Fine particles. [µg/m³]"));
    assert_eq!(metadata["id"], bench.entry(0)[2]["metaData"]["id"]);
    assert_eq!(bench.log().open(&changed).await.unwrap().version, 1);
}
