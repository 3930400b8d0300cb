//! Records of every batch that was ever made, and the check of what a query would see.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use zonelake_schemas::reject::REJECTED;
use zonelake_storage::{Store, Table};

use crate::gateway::SimGateway;

/// A rule that was broken, in words.
pub(crate) type Broken = String;

/// One stream of batches in one epoch.
#[derive(Debug)]
pub(crate) struct StreamRecord {
    pub producer: usize,
    pub epoch: u64,
    pub table: String,
    pub backfill: bool,
    /// Batch n is at n - 1.
    batches: Vec<BatchRecord>,
    /// The last batch of which a gateway knows that it is durable.
    acknowledged: u64,
    /// The last batch that a query has seen.
    seen: u64,
    /// A later epoch has begun: nothing more of it may be stored.
    fenced: bool,
}

#[derive(Debug)]
struct BatchRecord {
    rows: usize,
    rejected: usize,
    /// `ingested_at` of its rows, once seen.
    ingested_at: Option<i64>,
}

/// One row of a batch, or what was rejected of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Seen {
    stream: usize,
    number: u64,
    row: usize,
    is_rejection: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub streams: Vec<StreamRecord>,
    /// Files never change.
    files: HashMap<String, Arc<Vec<(Seen, i64)>>>,
    pub checks: u64,
}

impl Oracle {
    pub(crate) fn begin_stream(&mut self, producer: usize, epoch: u64, table: &str, backfill: bool) -> usize {
        let (table, batches) = (table.to_owned(), Vec::new());
        let record =
            StreamRecord { producer, epoch, table, backfill, batches, acknowledged: 0, seen: 0, fenced: false };
        self.streams.push(record);
        self.streams.len() - 1
    }

    /// The number that the next batch of a stream gets.
    pub(crate) fn next_number(&self, stream: usize) -> u64 {
        self.streams[stream].batches.len() as u64 + 1
    }

    pub(crate) fn handle_made(&mut self, stream: usize, rows: usize, rejected: usize) {
        self.streams[stream].batches.push(BatchRecord { rows, rejected, ingested_at: None });
    }

    pub(crate) fn handle_acknowledged(&mut self, stream: usize, number: u64) {
        let record = &mut self.streams[stream];
        record.acknowledged = record.acknowledged.max(number);
    }

    /// A later epoch has been opened: all earlier streams of the producer stay as they are now.
    pub(crate) fn handle_epoch(&mut self, producer: usize, epoch: u64) {
        for record in self.streams.iter_mut().filter(|record| record.producer == producer && record.epoch < epoch) {
            record.fenced = true;
        }
    }

    /// Value of the field `id` of a row.
    pub(crate) fn id(stream: usize, number: u64, row: usize) -> i64 {
        i64::try_from((stream as u64 * BATCHES_MAX + number) * ROWS_MAX + row as u64).expect("runs are short")
    }

    /// Judges what a query would see now.
    pub(crate) fn check(&mut self, store: &Store, files: &InMemory) -> Result<u64, Broken> {
        self.checks += 1;
        let mut rows: Vec<(Seen, i64)> = Vec::new();
        for table in store.tables().values() {
            self.read_table(table, files, &mut rows)?;
        }
        rows.sort_unstable();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("a row is seen twice: {}", self.name(&pair[0].0)));
        }
        let mut found: HashMap<(usize, u64), Found> = HashMap::new();
        for (seen, ingested_at) in &rows {
            let batch = found.entry((seen.stream, seen.number)).or_insert(Found::new(*ingested_at));
            match seen.is_rejection {
                true => batch.rejected += 1,
                false => batch.rows += 1,
            }
            batch.is_one_instant &= batch.ingested_at == *ingested_at;
        }
        for (index, record) in self.streams.iter_mut().enumerate() {
            record.check(index, &mut found)?;
        }
        match found.into_keys().next() {
            Some((stream, number)) => Err(format!("batch {number} of stream {stream} is seen and is not to be")),
            None => Ok(rows.len() as u64),
        }
    }

    /// A stream of a living gateway that has batches without acknowledgement, in words.
    pub(crate) fn unacknowledged_of(&self, gateways: &[SimGateway]) -> Option<String> {
        let streams = gateways.iter().filter(|gateway| gateway.alive).flat_map(|gateway| &gateway.streams);
        let waiting = streams.map(|stream| (stream.record, &self.streams[stream.record]));
        let mut waiting = waiting.filter(|(_, record)| record.acknowledged < record.batches.len() as u64);
        waiting.next().map(|(index, record)| {
            format!("stream {index}: {} of {} batches are acknowledged", record.acknowledged, record.batches.len())
        })
    }

    fn name(&self, seen: &Seen) -> String {
        let what = if seen.is_rejection { "rejection" } else { "row" };
        format!("{what} {} of batch {} of stream {}", seen.row, seen.number, seen.stream)
    }

    fn read_table(&mut self, table: &Table, files: &InMemory, rows: &mut Vec<(Seen, i64)>) -> Result<(), Broken> {
        let view = table.view();
        for chunk in view.chunks() {
            self.read_rows(table.name(), &chunk.rows, rows)?;
        }
        for file in view.files.iter() {
            if !self.files.contains_key(&file.path) {
                let mut read = Vec::new();
                for batch in read_file(table, &file.path, files)? {
                    self.read_rows(table.name(), &batch, &mut read)?;
                }
                if read.len() as u64 != file.rows {
                    return Err(format!("file {} has {} rows, not {}", file.path, read.len(), file.rows));
                }
                self.files.insert(file.path.clone(), Arc::new(read));
            }
            rows.extend(self.files[&file.path].iter().cloned());
        }
        Ok(())
    }

    fn read_rows(&self, table: &str, batch: &RecordBatch, rows: &mut Vec<(Seen, i64)>) -> Result<(), Broken> {
        let column = |name: &str| batch.column_by_name(name).cloned().ok_or_else(|| format!("no column {name}"));
        let ingested_at = column("ingested_at")?;
        let ingested_at = ingested_at.as_primitive::<TimestampMicrosecondType>();
        if table != REJECTED {
            let ids = column("id")?;
            for (id, at) in ids.as_primitive::<Int64Type>().values().iter().zip(ingested_at.values()) {
                let id = u64::try_from(*id).map_err(|error| error.to_string())?;
                let (batch, row) = (id / ROWS_MAX, id % ROWS_MAX);
                let (stream, row) = (index(batch / BATCHES_MAX)?, index(row)?);
                rows.push((Seen { stream, number: batch % BATCHES_MAX, row, is_rejection: false }, *at));
            }
            return Ok(());
        }
        let (producers, tables) = (column("producer")?, column("table_name")?);
        let [epochs, numbers, positions] = ["epoch", "batch", "row"].map(&column);
        let (epochs, numbers, positions) = (epochs?, numbers?, positions?);
        let number = |array: &ArrayRef, row| array.as_primitive::<Int64Type>().value(row) as u64;
        for row in 0..batch.num_rows() {
            let (producer, table) = (text(&producers, row), text(&tables, row));
            let (epoch, backfill) = (number(&epochs, row), column("backfill")?.as_boolean().value(row));
            let stream = self.streams.iter().position(|record| {
                format!("p{}", record.producer) == producer
                    && record.epoch == epoch
                    && record.table == table
                    && record.backfill == backfill
            });
            let stream = stream.ok_or_else(|| format!("a rejection of {producer}, epoch {epoch}, which is unknown"))?;
            let position = index(number(&positions, row))?;
            let seen = Seen { stream, number: number(&numbers, row), row: position, is_rejection: true };
            rows.push((seen, ingested_at.value(row)));
        }
        Ok(())
    }
}

/// Rows that were found of a batch.
struct Found {
    rows: usize,
    rejected: usize,
    ingested_at: i64,
    is_one_instant: bool,
}

impl Found {
    fn new(ingested_at: i64) -> Self {
        Self { rows: 0, rejected: 0, ingested_at, is_one_instant: true }
    }
}

impl StreamRecord {
    fn check(&mut self, index: usize, found: &mut HashMap<(usize, u64), Found>) -> Result<(), Broken> {
        let mut last_seen = 0;
        let mut latest = i64::MIN;
        for (number, batch) in (1..).zip(&mut self.batches) {
            let Some(found) = found.remove(&(index, number)) else { continue };
            let name = || format!("batch {number} of stream {index} (epoch {}, table {})", self.epoch, self.table);
            if number != last_seen + 1 {
                return Err(format!("{} is seen and the one before it is not", name()));
            }
            last_seen = number;
            if (found.rows, found.rejected) != (batch.rows, batch.rejected) {
                let (rows, rejected) = (found.rows, found.rejected);
                let expected = (batch.rows, batch.rejected);
                return Err(format!("{}: {rows} rows and {rejected} rejections are seen of {expected:?}", name()));
            }
            let ingested_at = *batch.ingested_at.get_or_insert(found.ingested_at);
            if !found.is_one_instant || ingested_at != found.ingested_at {
                return Err(format!("{}: its time of receipt is not what it was", name()));
            }
            if ingested_at < latest {
                return Err(format!("{}: its time of receipt is before that of the batch before it", name()));
            }
            latest = ingested_at;
        }
        if last_seen < self.acknowledged {
            let acknowledged = self.acknowledged;
            return Err(format!(
                "stream {index}: batch {acknowledged} is acknowledged and {last_seen} is the last seen"
            ));
        }
        if last_seen < self.seen {
            return Err(format!("stream {index}: batch {} was seen and is gone, {last_seen} is the last", self.seen));
        }
        if self.fenced && last_seen > self.seen {
            return Err(format!("stream {index}: batch {last_seen} of a fenced epoch is stored"));
        }
        self.seen = last_seen;
        Ok(())
    }
}

fn text(array: &ArrayRef, row: usize) -> String {
    arrow::util::display::array_value_to_string(array, row).expect("text is shown as it is")
}

fn read_file(table: &Table, path: &str, files: &InMemory) -> Result<Vec<RecordBatch>, Broken> {
    let location = zonelake_parquet::path_in_store(table.root(), path);
    let bytes = futures::executor::block_on(async { files.get(&location).await?.bytes().await });
    let bytes = bytes.map_err(|error| format!("file {path} of the table cannot be read: {error}"))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build());
    let reader = reader.map_err(|error| format!("file {path}: {error}"))?;
    reader.map(|batch| batch.map_err(|error| format!("file {path}: {error}"))).collect()
}

fn index(number: u64) -> Result<usize, Broken> {
    usize::try_from(number).map_err(|error| error.to_string())
}

/// Batches of a stream, and rows of a batch, that fit in an id.
const BATCHES_MAX: u64 = 1_000;
const ROWS_MAX: u64 = 16;
