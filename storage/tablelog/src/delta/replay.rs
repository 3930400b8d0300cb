//! Replay of a Delta log at its newest version: metadata, files and transactions.
//!
//! Files come from deltalake's replay. Transactions and removed files are read here, in one pass: from the newest checkpoint, and
//! from the entries behind it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{EagerSnapshot, LogicalFileView, Metadata, Protocol, StructType};
use deltalake_core::logstore::LogStoreRef;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use serde::Deserialize;
use zonelake_parquet::{DataFile, ObjectReader, date_from_text};

use crate::delta::checkpoint::{Tail, newest_checkpoint};
use crate::delta::error::LogName;
use crate::delta::format::{CHECKSUM_TAG, READER_VERSION, WRITER_VERSION, version};
use crate::delta::stats_json::{BoundForms, bound_forms, stats_from_text};
use crate::error::TableLogError;
use crate::table_log::LogSnapshot;

/// The newest version of a table.
pub(super) struct Replay {
    pub snapshot: LogSnapshot,
    pub metadata: Metadata,
    pub forms: BoundForms,
    /// Entries behind the newest checkpoint.
    pub tail: Tail,
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
        let files = files.collect::<Result<Vec<_>, _>>().map_err(|what| name.corrupt(what))?;
        let rest = Rest::read(log_store, eager.version()).await;
        let (rest, tail) = rest.map_err(|error| name.corrupt(format!("cannot read its transactions: {error}")))?;
        let removed = rest.removed_beside(&files);
        let snapshot = LogSnapshot { version: version(eager.version()), files, txns: rest.txns, removed };
        Ok(Self { snapshot, metadata, forms, tail })
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

/// What the log holds beside files and metadata.
#[derive(Default)]
struct Rest {
    /// Last version by application.
    txns: HashMap<String, i64>,
    /// Paths of all files that were removed; some may have come back.
    removed: HashSet<String>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Rest {
    async fn read(log_store: &LogStoreRef, newest: u64) -> Result<(Self, Tail), AnyError> {
        let store = log_store.object_store(None);
        let mut rest = Self::default();
        let checkpoint = newest_checkpoint(store.as_ref(), newest).await?;
        let mut tail = Tail::behind(checkpoint.as_ref().map_or(&[], |(_, parts)| parts.as_slice()));
        if let Some((_, parts)) = &checkpoint {
            for part in parts {
                rest.add_checkpoint(&store, part).await?;
            }
        }
        // Later entries override earlier ones, so the order is checkpoint, then versions upwards.
        for version in checkpoint.map_or(0, |(version, _)| version + 1)..=newest {
            let entry = log_store.read_commit_entry(version).await?;
            let entry = entry.ok_or_else(|| format!("version {version} is missing"))?;
            rest.add_entry(&entry)?;
            tail.add(entry.len());
        }
        Ok((rest, tail))
    }

    /// The removed files that the table has not.
    fn removed_beside(&self, files: &[Arc<DataFile>]) -> Vec<String> {
        let listed: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let mut removed: Vec<String> =
            self.removed.iter().filter(|path| !listed.contains(path.as_str())).cloned().collect();
        removed.sort_unstable();
        removed
    }

    async fn add_checkpoint(&mut self, store: &Arc<dyn ObjectStore>, part: &ObjectMeta) -> Result<(), AnyError> {
        let reader = ObjectReader::new(Arc::clone(store), part.location.clone(), part.size);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        let wanted = ProjectionMask::columns(builder.parquet_schema(), ["txn.appId", "txn.version", "remove.path"]);
        let mut batches = builder.with_projection(wanted).build()?;
        while let Some(batch) = batches.try_next().await? {
            self.add_txns(&batch).ok_or("the checkpoint's txn column is not as the protocol has it")?;
            self.add_removed(&batch).ok_or("the checkpoint's remove column is not as the protocol has it")?;
        }
        Ok(())
    }

    fn add_txns(&mut self, batch: &RecordBatch) -> Option<()> {
        let Some(txn) = batch.column_by_name("txn") else { return Some(()) };
        let txn = txn.as_struct_opt()?;
        let apps = txn.column_by_name("appId")?.as_string_opt::<i32>()?;
        let versions = txn.column_by_name("version")?.as_primitive_opt::<Int64Type>()?;
        for row in (0..txn.len()).filter(|&row| txn.is_valid(row) && apps.is_valid(row)) {
            self.txns.insert(apps.value(row).to_owned(), versions.value(row));
        }
        Some(())
    }

    fn add_removed(&mut self, batch: &RecordBatch) -> Option<()> {
        let Some(remove) = batch.column_by_name("remove") else { return Some(()) };
        let remove = remove.as_struct_opt()?;
        let paths = remove.column_by_name("path")?.as_string_opt::<i32>()?;
        let rows = (0..remove.len()).filter(|&row| remove.is_valid(row) && paths.is_valid(row));
        self.removed.extend(rows.map(|row| paths.value(row).to_owned()));
        Some(())
    }

    fn add_entry(&mut self, entry: &[u8]) -> Result<(), serde_json::Error> {
        for line in entry.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line: EntryLine = serde_json::from_slice(line)?;
            if let Some(txn) = line.txn {
                self.txns.insert(txn.app_id, txn.version);
            }
            self.removed.extend(line.remove.map(|remove| remove.path));
        }
        Ok(())
    }
}

/// The part of an action that speaks of transactions and removed files.
#[derive(Deserialize)]
struct EntryLine {
    txn: Option<TxnLine>,
    remove: Option<RemoveLine>,
}

#[derive(Deserialize)]
struct RemoveLine {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_entry_overrides_an_earlier_one() {
        let mut txns = Rest::default();
        txns.add_entry(b"{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"add\":{\"path\":\"txn\"}}\n").unwrap();
        txns.add_entry(b"{\"txn\":{\"appId\":\"a\",\"version\":2,\"lastUpdated\":5}}").unwrap();
        assert_eq!(txns.txns, HashMap::from([("a".to_owned(), 2)]));
        assert!(txns.add_entry(b"{\"txn\":{\"appId\":\"a\"").is_err());
    }
}
