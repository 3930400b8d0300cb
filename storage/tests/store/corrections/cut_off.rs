//! Commits of unknown outcome, and kills.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use zonelake_objects::SyncedStore;
use zonelake_registry::Registry;
use zonelake_schemas::TableDef;
use zonelake_schemas::audit::AuditOutcome;
use zonelake_schemas::clock::Clock;
use zonelake_storage::{Store, StoreArgs, StoreOptions, StoreParts};
use zonelake_tablelog::{LogCommit, LogSnapshot, TableLog, TableLogError, delta_table};

use crate::corrections::fixture::{Seen, Trail, append, correct, folder, last_a, order, seen, value};
use crate::made::{Folder, Opened};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_row_of_a_device_has_its_corrected_value_also_after_a_kill_though_as_many_rows_are_there_as_before() {
    let folder = folder();
    let mut opened = folder.open().await;
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x")]);
    opened.store.flush_all().await.unwrap();
    assert_eq!(last_a(&opened, "pump").await, 1.0);
    correct(&opened, &Trail::default(), vec![value(2, Some("pump"), 0, "a", Some("2"))]).await.unwrap();
    let known = opened.air().view().last_rows().unwrap();
    assert!(known.is_none(), "statements read the rows until the last ones are known again");
    // Killed before they are.
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(last_a(&opened, "pump").await, 2.0);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(last_a(&opened, "pump").await, 2.0, "by the checkpoint that was written then");
}

/// What goes wrong with a commit or a look at the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The commit has not landed.
    Lost,
    /// The commit has landed and is reported as failed.
    Landed,
    /// The log cannot be read.
    Unread,
}

#[derive(Debug)]
struct FaultyLog {
    inner: Box<dyn TableLog>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl FaultyLog {
    fn meets(&self, of: &[Fault]) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let is_next = faults.first().is_some_and(|fault| of.contains(fault));
        is_next.then(|| faults.remove(0))
    }
}

fn failed() -> TableLogError {
    TableLogError::Store { table: "air".into(), source: "a fault was injected".into() }
}

#[async_trait]
impl TableLog for FaultyLog {
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError> {
        self.inner.open(table).await
    }

    async fn load(&self) -> Result<LogSnapshot, TableLogError> {
        if self.meets(&[Fault::Unread]).is_some() { Err(failed()) } else { self.inner.load().await }
    }

    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError> {
        let fault = self.meets(&[Fault::Lost, Fault::Landed]);
        if fault != Some(Fault::Lost) {
            let version = self.inner.commit(commit).await?;
            if fault.is_none() {
                return Ok(version);
            }
        }
        Err(failed())
    }
}

/// Opens the folder with faults in the log of its table.
async fn open_with_faults(folder: &Folder, faults: &Arc<Mutex<Vec<Fault>>>) -> Opened {
    let options = StoreOptions {
        folder: folder.data(),
        node: folder.node.into(),
        shards: 1,
        segment_bytes: 1 << 20,
        flush_bytes_max: 1 << 20,
        flush_age_max: Duration::from_secs(60),
        live_bytes_max: 4 << 20,
        log_bytes_max: 8 << 20,
        free_bytes_min: 0,
        parquet: zonelake_parquet::ParquetOptions::default(),
    };
    let clock: Arc<dyn Clock> = Arc::clone(&folder.clock) as _;
    let synced = SyncedStore::new(&folder.data().join("tables")).unwrap();
    let (tables_root, tables_url) = (synced.root().clone(), synced.url().clone());
    let object_store: Arc<dyn object_store::ObjectStore> = Arc::new(synced);
    let (below, of_log, faults) = (Arc::clone(&object_store), Arc::clone(&clock), Arc::clone(faults));
    let table_log = move |name: &str| {
        let url = tables_url.join(&format!("{name}/")).unwrap();
        let inner = Box::new(delta_table(Arc::clone(&below), &url, Arc::clone(&of_log))?);
        let is_air = name == "air";
        let log = FaultyLog { inner, faults: if is_air { Arc::clone(&faults) } else { Arc::default() } };
        Ok(Box::new(log) as Box<dyn TableLog>)
    };
    let parts = StoreParts {
        registry: Arc::new(Registry::open(&folder.data().join("registry.sqlite"), Arc::clone(&clock)).unwrap()),
        object_store,
        url: url::Url::parse("file:///").unwrap(),
        tables_root,
        table_log: Box::new(table_log),
        lock: None,
    };
    let declared = vec![TableDef::from_toml(folder.declared).unwrap()];
    let args = StoreArgs { options, declared, clock, disk: Arc::clone(&folder.disk) };
    let (store, shards, recovered) = Store::open_on(args, parts).await.unwrap();
    Opened { store, shards, recovered }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_reported_as_failed_is_a_correction_as_a_whole_or_none_whatever_follows() {
    use Fault::{Landed, Lost, Unread};

    for (faults, is_done, has_landed, outcome) in [
        (&[Lost][..], false, false, AuditOutcome::Unknown),
        (&[Landed], true, true, AuditOutcome::Allowed),
        (&[Lost, Unread], false, false, AuditOutcome::Unknown),
        (&[Landed, Unread], false, true, AuditOutcome::Unknown),
    ] {
        for is_killed in [false, true] {
            let folder = folder();
            // Registers the gateways.
            drop(folder.open().await);
            let armed = Arc::default();
            let mut opened = open_with_faults(&folder, &armed).await;
            append(&mut opened, 1, &[(Some("pump"), 0, 1, "x"), (Some("pump"), 86_400, 2, "x")]);
            opened.store.flush_all().await.unwrap();
            assert_eq!(last_a(&opened, "pump").await, 2.0);
            let before = seen(&opened);
            let x = || Some("x".to_owned());
            let after: Seen =
                [(("pump".to_owned(), 0), vec![(Some(10), x())]), (("pump".to_owned(), 86_400), vec![(Some(20), x())])]
                    .into();
            let values =
                vec![value(2, Some("pump"), 0, "a", Some("10")), value(3, Some("pump"), 86_400, "a", Some("20"))];
            let trail = Trail::default();
            *armed.lock().unwrap() = faults.to_vec();
            let done = correct(&opened, &trail, values.clone()).await;
            assert_eq!(done.is_ok(), is_done, "{faults:?}");
            assert!(trail.changes().iter().all(|change| change.0 == outcome), "{faults:?}");
            assert_eq!(trail.changes().len(), 2);
            if is_killed {
                drop(opened);
                opened = open_with_faults(&folder, &armed).await;
            } else {
                // The next commit finds out.
                append(&mut opened, 2, &[(Some("fan"), 7, 7, "x")]);
                opened.store.flush_all().await.unwrap();
            }
            let expected = if has_landed { &after } else { &before };
            let mut found = seen(&opened);
            found.remove(&("fan".to_owned(), 7));
            assert_eq!(found, *expected, "{faults:?}, killed: {is_killed}");
            assert_eq!(last_a(&opened, "pump").await, if has_landed { 20.0 } else { 2.0 }, "{faults:?}, {is_killed}");
            let again = correct(&opened, &trail, values).await.unwrap();
            assert_eq!(again.changed, if has_landed { 0 } else { 2 });
            let mut found = seen(&opened);
            found.remove(&("fan".to_owned(), 7));
            assert_eq!(found, after);
            assert_eq!(last_a(&opened, "pump").await, 20.0);
        }
    }
}

#[test]
fn a_correction_that_is_cut_off_at_any_moment_is_there_as_a_whole_or_not_at_all() {
    // A runtime for each life of the store: its end waits for what was begun on the disk, as the kernel does for a process that is killed.
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = folder();
    let mut now = runtime().block_on(async {
        let mut opened = folder.open().await;
        let rows: Vec<(Option<&str>, i64, i64, &str)> = (0..40).map(|n| (Some("pump"), n * 7_000, n, "x")).collect();
        append(&mut opened, 1, &rows);
        opened.store.flush_all().await.unwrap();
        assert!(opened.air().view().files.len() > 2, "one commit exchanges several files");
        seen(&opened)
    });
    for round in 0..25u64 {
        let new = 1_000 * (round as i64 + 1);
        let text = |n: i64| (new + n).to_string();
        let values = (0..40).map(|n| value(n as u64, Some("pump"), n * 7_000, "a", Some(&text(n)))).collect();
        let x = || Some("x".to_owned());
        let after: Seen = (0..40).map(|n| (("pump".to_owned(), n * 7_000), vec![(Some(new + n), x())])).collect();
        let order = order(values);
        // Cut off in its first steps, in the midst, or not at all: each is a moment that a kill may come at.
        let done = runtime().block_on(async {
            let (opened, trail) = (folder.open().await, Trail::default());
            let correction = opened.store.correct(&order, &trail);
            tokio::time::timeout(Duration::from_millis(round * 4), correction).await
        });
        let found = runtime().block_on(async { seen(&folder.open().await) });
        if let Ok(done) = done {
            assert_eq!(done.unwrap().changed, 40);
            assert_eq!(found, after, "what was answered is there");
        }
        assert!(found == after || found == now, "round {round}");
        now = found;
    }
    let again = vec![value(1, Some("pump"), 0, "a", Some("-1"))];
    let done = runtime().block_on(async { correct(&folder.open().await, &Trail::default(), again).await.unwrap() });
    assert_eq!(done.changed, 1);
}
