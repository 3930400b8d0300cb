//! Replay of a Delta log at its newest version: metadata, files and transactions.
//!
//! Files come from deltalake's replay. Transactions are read here, in one pass for all applications: from the newest
//! checkpoint, and from the entries behind it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{EagerSnapshot, LogicalFileView, Metadata, Protocol, StructType};
use deltalake_core::logstore::LogStoreRef;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use serde::Deserialize;
use zonelake_parquet::{DataFile, ObjectReader, date_from_text};

use crate::delta::error::LogName;
use crate::delta::format::{CHECKSUM_TAG, LOG_FOLDER, READER_VERSION, WRITER_VERSION, version};
use crate::delta::stats_json::{BoundForms, bound_forms, stats_from_text};
use crate::error::TableLogError;
use crate::table_log::LogSnapshot;

/// The newest version of a table.
pub(super) struct Replay {
    pub snapshot: LogSnapshot,
    pub metadata: Metadata,
    pub forms: BoundForms,
}

impl Replay {
    pub(super) async fn read(log_store: &LogStoreRef, name: &LogName) -> Result<Self, TableLogError> {
        let found = EagerSnapshot::try_new(log_store.as_ref(), None).await;
        let eager = found.map_err(|error| match error {
            DeltaTableError::ObjectStore { source } => name.store_error(source),
            other => name.corrupt(format!("cannot read the log: {other}")),
        })?;
        check_protocol(eager.protocol()).map_err(|what| name.corrupt(what))?;
        let metadata = eager.metadata().clone();
        let forms = schema_forms(&metadata).map_err(|what| name.corrupt(what))?;
        let active = eager.log_data();
        let files = active.iter().map(|view| data_file(&view, &forms).map(Arc::new));
        let files = files.collect::<Result<_, _>>().map_err(|what| name.corrupt(what))?;
        let txns = Txns::read(log_store, eager.version()).await;
        let txns = txns.map_err(|error| name.corrupt(format!("cannot read its transactions: {error}")))?;
        Ok(Self { snapshot: LogSnapshot { version: version(eager.version()), files, txns }, metadata, forms })
    }
}

/// The forms of the bounds of a table's columns.
pub(super) fn schema_forms(metadata: &Metadata) -> Result<BoundForms, String> {
    let schema: StructType = metadata.parse_schema().map_err(|error| error.to_string())?;
    Ok(bound_forms(&schema))
}

/// Another program may have raised the protocol. What this one does not know, it must not write, and may misread.
fn check_protocol(protocol: &Protocol) -> Result<(), String> {
    let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
    if reader == READER_VERSION && writer <= WRITER_VERSION {
        return Ok(());
    }
    Err(format!("another program has raised its protocol to reader {reader}, writer {writer}; 1 and 2 are known here"))
}

#[expect(deprecated, reason = "the tags of a file are in no other public view of deltalake 1.1")]
fn data_file(view: &LogicalFileView, forms: &BoundForms) -> Result<DataFile, String> {
    let add = view.add_action();
    let wrong = |what: &str| format!("file {}: {what}", add.path);
    if add.deletion_vector.is_some() {
        return Err(wrong("it has a deletion vector, which another program must have added"));
    }
    let date = add.partition_values.get("date").and_then(Option::as_deref).and_then(date_from_text);
    let date = date.ok_or_else(|| wrong("it has no date"))?;
    let checksum = add.tags.as_ref().and_then(|tags| tags.get(CHECKSUM_TAG)?.as_deref());
    let checksum = checksum.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let stats = add.stats.as_deref().and_then(|text| stats_from_text(text, forms, checksum.is_none()));
    let (rows, stats) = stats.ok_or_else(|| wrong("its number of rows is not known"))?;
    let bytes = u64::try_from(add.size).map_err(|error| wrong(&format!("its size is {}: {error}", add.size)))?;
    Ok(DataFile { path: add.path, bytes, rows, date, stats, checksum })
}

/// Last version by application.
struct Txns(HashMap<String, i64>);

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Txns {
    async fn read(log_store: &LogStoreRef, newest: u64) -> Result<HashMap<String, i64>, AnyError> {
        let store = log_store.object_store(None);
        let mut txns = Self(HashMap::new());
        let checkpoint = newest_checkpoint(store.as_ref(), newest).await?;
        if let Some((_, parts)) = &checkpoint {
            for part in parts {
                txns.add_checkpoint(&store, part).await?;
            }
        }
        // Later entries override earlier ones, so the order is checkpoint, then versions upwards.
        for version in checkpoint.map_or(0, |(version, _)| version + 1)..=newest {
            let entry = log_store.read_commit_entry(version).await?;
            let entry = entry.ok_or_else(|| format!("version {version} is missing"))?;
            txns.add_entry(&entry)?;
        }
        Ok(txns.0)
    }

    async fn add_checkpoint(&mut self, store: &Arc<dyn ObjectStore>, part: &ObjectMeta) -> Result<(), AnyError> {
        let reader = ObjectReader::new(Arc::clone(store), part.location.clone(), part.size);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let txn_only = ProjectionMask::columns(builder.parquet_schema(), ["txn.appId", "txn.version"]);
        let mut batches = builder.with_projection(txn_only).build()?;
        while let Some(batch) = batches.try_next().await? {
            self.add_batch(&batch).ok_or("the checkpoint's txn column is not as the protocol has it")?;
        }
        Ok(())
    }

    fn add_batch(&mut self, batch: &RecordBatch) -> Option<()> {
        let Some(txn) = batch.column_by_name("txn") else { return Some(()) };
        let txn = txn.as_struct_opt()?;
        let apps = txn.column_by_name("appId")?.as_string_opt::<i32>()?;
        let versions = txn.column_by_name("version")?.as_primitive_opt::<Int64Type>()?;
        for row in (0..txn.len()).filter(|&row| txn.is_valid(row) && apps.is_valid(row)) {
            self.0.insert(apps.value(row).to_owned(), versions.value(row));
        }
        Some(())
    }

    fn add_entry(&mut self, entry: &[u8]) -> Result<(), serde_json::Error> {
        for line in entry.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(txn) = serde_json::from_slice::<EntryLine>(line)?.txn {
                self.0.insert(txn.app_id, txn.version);
            }
        }
        Ok(())
    }
}

/// The part of an action that speaks of transactions.
#[derive(Deserialize)]
struct EntryLine {
    txn: Option<TxnLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

/// Version and files of the newest checkpoint at or before a version, where all its parts are there.
async fn newest_checkpoint(
    store: &dyn ObjectStore,
    newest: u64,
) -> Result<Option<(u64, Vec<ObjectMeta>)>, object_store::Error> {
    let folder = Path::from(LOG_FOLDER);
    let mut found: BTreeMap<u64, Vec<(u32, ObjectMeta)>> = BTreeMap::new();
    let mut listed = store.list(Some(&folder));
    while let Some(meta) = listed.try_next().await? {
        if let Some((version, parts)) = meta.location.filename().and_then(checkpoint_name)
            && version <= newest
        {
            found.entry(version).or_default().push((parts, meta));
        }
    }
    let whole = found.into_iter().rev().find_map(|(version, files)| {
        let parts = files.iter().map(|(parts, _)| *parts).max()?;
        let files: Vec<_> = files.into_iter().filter(|(of, _)| *of == parts).map(|(_, meta)| meta).collect();
        (files.len() == parts as usize).then_some((version, files))
    });
    Ok(whole)
}

/// Version and number of parts of `<version>.checkpoint.parquet` or `<version>.checkpoint.<part>.<parts>.parquet`.
fn checkpoint_name(name: &str) -> Option<(u64, u32)> {
    let mut words = name.split('.');
    let version = words.next()?.parse().ok()?;
    match (words.next()?, words.next()?, words.next(), words.next(), words.next()) {
        ("checkpoint", "parquet", None, None, None) => Some((version, 1)),
        ("checkpoint", part, Some(parts), Some("parquet"), None) => {
            let (_, parts): (u32, u32) = (part.parse().ok()?, parts.parse().ok()?);
            Some((version, parts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_known_by_their_names() {
        assert_eq!(checkpoint_name("00000000000000000100.checkpoint.parquet"), Some((100, 1)));
        assert_eq!(checkpoint_name("00000000000000000100.checkpoint.0000000002.0000000003.parquet"), Some((100, 3)));
        for other in ["00000000000000000100.json", "_last_checkpoint", "00000000000000000100.checkpoint.a-b.parquet"] {
            assert_eq!(checkpoint_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_later_entry_overrides_an_earlier_one() {
        let mut txns = Txns(HashMap::new());
        txns.add_entry(b"{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"add\":{\"path\":\"txn\"}}\n").unwrap();
        txns.add_entry(b"{\"txn\":{\"appId\":\"a\",\"version\":2,\"lastUpdated\":5}}").unwrap();
        assert_eq!(txns.0, HashMap::from([("a".to_owned(), 2)]));
        assert!(txns.add_entry(b"{\"txn\":{\"appId\":\"a\"").is_err());
    }
}
