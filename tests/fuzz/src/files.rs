//! Files that others may have written: the Delta log of a table, and the spool of a gateway.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use url::Url;
use zonelake_gateway::read_spool;
use zonelake_schemas::{Epoch, TableDef};
use zonelake_tablelog::{LogCommit, TableLog, delta_table};

use crate::payloads::{StoppedClock, TABLE};

/// Reads the log of a table whose last file is the input: which file (one byte), and its bytes. What reads takes a commit, and reads
/// again with it.
pub fn delta_log(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    let bench = DeltaBench::get();
    let name = match which % 4 {
        0 | 1 => "00000000000000000001.json",
        2 => "_last_checkpoint",
        _ => "00000000000000000000.checkpoint.parquet",
    };
    bench.runtime.block_on(async {
        let store = Arc::new(InMemory::new());
        let log = |name: &str| Path::from(format!("t/_delta_log/{name}"));
        let first = log("00000000000000000000.json");
        store.put(&first, bench.first_entry.clone().into()).await.expect("memory takes it");
        store.put(&log(name), bytes.to_vec().into()).await.expect("memory takes it");
        let table = bench.table(Arc::clone(&store) as _);
        let Ok(opened) = table.open(&bench.declared).await else { return };
        let base_version = opened.version;
        let txns = vec![("node-1/shard-0000".to_owned(), 7)];
        let Ok(version) = table.commit(LogCommit { base_version, txns, ..LogCommit::default() }).await else { return };
        let read = bench.table(store).load().await.expect("what was committed upon reads again");
        assert_eq!((read.version, read.txns.get("node-1/shard-0000")), (version, Some(&7)));
        assert_eq!(read.files.len(), opened.files.len(), "a commit of nothing changes no file");
    });
}

/// Opens a lane of a spool with one segment, which is the input, as a gateway does after a crash. With an odd first byte the rest is
/// the file; else it is changes to a good one. What is read once is read again.
pub fn spool(input: &[u8]) {
    let Some((mode, rest)) = input.split_first() else { return };
    let bytes = if mode % 2 == 1 { rest.to_vec() } else { crate::logs::changed(good_spool(), rest) };
    let folder = spool_folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it can be removed");
    }
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("00000000000000000001.spool"), bytes).expect("a file can be written");
    let Ok(batches) = read_spool(&folder, Epoch(3)) else { return };
    assert!(batches.windows(2).all(|pair| pair[0].0 < pair[1].0), "numbers grow");
    // What cannot be read to its end is put aside, with the batches in front of it.
    let names = fs::read_dir(&folder).expect("it can be listed").filter_map(Result::ok);
    if names.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|end| end == "damaged")) {
        return;
    }
    let again = read_spool(&folder, Epoch(3)).expect("what was opened opens again");
    assert_eq!(again.len(), batches.len());
    for ((number, batch), (same, other)) in batches.iter().zip(&again) {
        assert_eq!((number, batch.rows, &batch.payload), (same, other.rows, &other.payload));
    }
}

/// A segment of four batches, as both libraries write it.
pub fn good_spool() -> &'static [u8] {
    include_bytes!("../../../gateway/tests/fixtures/spool/00000000000000000001.spool")
}

fn spool_folder() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| tempfile::tempdir().expect("a temporary folder can be made"))
        .path()
        .join(format!("lane-{:?}", std::thread::current().id()))
}

struct DeltaBench {
    runtime: Runtime,
    declared: TableDef,
    first_entry: Vec<u8>,
}

impl DeltaBench {
    fn get() -> &'static Self {
        static BENCH: OnceLock<DeltaBench> = OnceLock::new();
        BENCH.get_or_init(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            let declared = TableDef::from_toml(TABLE).expect("the declaration is good");
            let mut bench = Self { runtime, declared, first_entry: Vec::new() };
            bench.first_entry = bench.runtime.block_on(async {
                let store = Arc::new(InMemory::new());
                bench.table(Arc::clone(&store) as _).open(&bench.declared).await.expect("a new table opens");
                let entry = store.get(&Path::from("t/_delta_log/00000000000000000000.json")).await.expect("its entry");
                entry.bytes().await.expect("it is in memory").to_vec()
            });
            bench
        })
    }

    fn table(&self, store: Arc<dyn ObjectStore>) -> impl TableLog {
        let url = Url::parse("memory:///t/").expect("a URL");
        delta_table(store, &url, Arc::new(StoppedClock)).expect("the scheme is known")
    }
}

/// The first entry of a table's log.
pub fn first_delta_entry() -> Vec<u8> {
    DeltaBench::get().first_entry.clone()
}
