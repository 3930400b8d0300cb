//! Records of every batch that was ever made, and the check of what a query would see.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::{GroupSequence, Lsn, ShardNumber};
use zonelake_storage::{Store, Table};

use crate::gateway::SimGateway;
use crate::harness::DEVICES;

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
    /// By device: rows of batches up to this one are deleted.
    deleted: [u64; DEVICES.len()],
    /// By device: rows of batches up to this one may be deleted.
    may_be_deleted: [u64; DEVICES.len()],
    /// The last batch that was seen when the deletion began that is under way.
    seen_before_deletion: u64,
}

#[derive(Debug)]
struct BatchRecord {
    rows: usize,
    rejected: usize,
    /// `ingested_at` of its rows, once seen.
    ingested_at: Option<i64>,
    /// Where its rows stand among all writes, once seen in memory.
    identity: Option<Identity>,
    /// By device: its rows were missing once.
    is_gone: [bool; DEVICES.len()],
}

/// Where the rows of a batch stand: the record that has them, and its group. Files do not have it.
type Identity = (ShardNumber, Lsn, GroupSequence);

/// A row as it is seen: its time of receipt, and its identity where it is in memory.
type SeenRow = (Seen, i64, Option<Identity>);

/// A row of a file, with its zone, device and time.
type FileRow = (SeenRow, (Option<String>, Option<String>, i64));

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
    files: HashMap<String, Arc<Vec<FileRow>>>,
    pub checks: u64,
    /// The clock was set far back, and times of receipt may have followed it.
    clock_was_set: bool,
}

impl Oracle {
    pub(crate) fn begin_stream(&mut self, producer: usize, epoch: u64, table: &str, backfill: bool) -> usize {
        let (table, batches) = (table.to_owned(), Vec::new());
        let record = StreamRecord {
            producer,
            epoch,
            table,
            backfill,
            batches,
            acknowledged: 0,
            seen: 0,
            fenced: false,
            deleted: [0; DEVICES.len()],
            may_be_deleted: [0; DEVICES.len()],
            seen_before_deletion: 0,
        };
        self.streams.push(record);
        self.streams.len() - 1
    }

    /// The clock was set by years.
    pub(crate) fn handle_clock_set(&mut self) {
        self.clock_was_set = true;
    }

    /// The number that the next batch of a stream gets.
    pub(crate) fn next_number(&self, stream: usize) -> u64 {
        self.streams[stream].batches.len() as u64 + 1
    }

    pub(crate) fn handle_made(&mut self, stream: usize, rows: usize, rejected: usize) {
        self.streams[stream].batches.push(BatchRecord {
            rows,
            rejected,
            ingested_at: None,
            identity: None,
            is_gone: [false; DEVICES.len()],
        });
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

    /// Rows of a device in a table are going to be deleted: those that are seen now.
    pub(crate) fn handle_delete_begun(&mut self, table: &str) {
        self.of_table(table).for_each(|record| record.seen_before_deletion = record.seen);
    }

    /// They are deleted. What came meanwhile may be deleted, too.
    pub(crate) fn handle_deleted(&mut self, table: &str, device: usize) {
        self.of_table(table).for_each(|record| {
            record.deleted[device] = record.deleted[device].max(record.seen_before_deletion);
            record.may_be_deleted[device] = record.batches.len() as u64;
        });
    }

    /// Whether they are deleted is open.
    pub(crate) fn handle_delete_open(&mut self, table: &str, device: usize) {
        self.of_table(table).for_each(|record| record.may_be_deleted[device] = record.batches.len() as u64);
    }

    fn of_table(&mut self, table: &str) -> impl Iterator<Item = &mut StreamRecord> {
        self.streams.iter_mut().filter(move |record| record.table == table)
    }

    /// Value of the field `id` of a row.
    pub(crate) fn id(stream: usize, number: u64, row: usize) -> i64 {
        i64::try_from((stream as u64 * BATCHES_MAX + number) * ROWS_MAX + row as u64).expect("runs are short")
    }

    /// Judges what a query would see now.
    pub(crate) fn check(&mut self, store: &Store, files: &InMemory) -> Result<u64, Broken> {
        self.checks += 1;
        let mut rows: Vec<SeenRow> = Vec::new();
        for table in store.tables().values() {
            self.read_table(table, files, &mut rows)?;
        }
        rows.sort_unstable();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("a row is seen twice: {}", self.name(&pair[0].0)));
        }
        let mut found: HashMap<(usize, u64), Found> = HashMap::new();
        for (seen, ingested_at, identity) in &rows {
            let batch = found.entry((seen.stream, seen.number)).or_insert(Found::new(*ingested_at));
            match seen.is_rejection {
                true => batch.rejected += 1,
                false => batch.rows[seen.row % DEVICES.len()] += 1,
            }
            batch.is_one_instant &= batch.ingested_at == *ingested_at;
            if let Some(identity) = identity {
                batch.is_one_record &= *batch.identity.get_or_insert(*identity) == *identity;
            }
        }
        for (index, record) in self.streams.iter_mut().enumerate() {
            record.check(index, &mut found, self.clock_was_set)?;
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

    fn read_table(&mut self, table: &Table, files: &InMemory, rows: &mut Vec<SeenRow>) -> Result<(), Broken> {
        let view = table.view();
        for chunk in view.chunks() {
            let first = rows.len();
            self.read_rows(table.name(), &chunk.rows, rows)?;
            let identities = chunk.origins.iter().flat_map(|origin| {
                std::iter::repeat_n((chunk.shard_number, origin.lsn, origin.sequence), origin.rows as usize)
            });
            rows[first..].iter_mut().zip(identities).for_each(|(row, identity)| row.2 = Some(identity));
        }
        for file in view.files.iter() {
            if !self.files.contains_key(&file.path) {
                let (mut read, mut places) = (Vec::new(), Vec::new());
                for batch in read_file(table, &file.path, files)? {
                    self.read_rows(table.name(), &batch, &mut read)?;
                    read_places(&batch, &mut places)?;
                }
                if read.len() as u64 != file.rows {
                    return Err(format!("file {} has {} rows, not {}", file.path, read.len(), file.rows));
                }
                self.files.insert(file.path.clone(), Arc::new(read.into_iter().zip(places).collect()));
            }
            let hidden = view.hidden.in_file(file).unwrap_or_default();
            let is_visible =
                |(_, (zone, device, time)): &&FileRow| !hidden.hides(zone.as_deref(), device.as_deref(), *time);
            rows.extend(self.files[&file.path].iter().filter(is_visible).map(|(row, _)| row.clone()));
        }
        Ok(())
    }

    fn read_rows(&self, table: &str, batch: &RecordBatch, rows: &mut Vec<SeenRow>) -> Result<(), Broken> {
        let column = |name: &str| batch.column_by_name(name).cloned().ok_or_else(|| format!("no column {name}"));
        let ingested_at = column("ingested_at")?;
        let ingested_at = ingested_at.as_primitive::<TimestampMicrosecondType>();
        if table != REJECTED {
            let ids = column("id")?;
            for (id, at) in ids.as_primitive::<Int64Type>().values().iter().zip(ingested_at.values()) {
                let id = u64::try_from(*id).map_err(|error| error.to_string())?;
                let (batch, row) = (id / ROWS_MAX, id % ROWS_MAX);
                let (stream, row) = (index(batch / BATCHES_MAX)?, index(row)?);
                rows.push((Seen { stream, number: batch % BATCHES_MAX, row, is_rejection: false }, *at, None));
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
            rows.push((seen, ingested_at.value(row), None));
        }
        Ok(())
    }
}

/// Rows that were found of a batch.
struct Found {
    /// By device.
    rows: [usize; DEVICES.len()],
    rejected: usize,
    ingested_at: i64,
    is_one_instant: bool,
    identity: Option<Identity>,
    is_one_record: bool,
}

impl Found {
    fn new(ingested_at: i64) -> Self {
        Self {
            rows: [0; DEVICES.len()],
            rejected: 0,
            ingested_at,
            is_one_instant: true,
            identity: None,
            is_one_record: true,
        }
    }
}

impl StreamRecord {
    fn check(
        &mut self,
        index: usize,
        found: &mut HashMap<(usize, u64), Found>,
        clock_was_set: bool,
    ) -> Result<(), Broken> {
        let mut last_seen = 0;
        let mut latest = i64::MIN;
        let mut latest_sequence = GroupSequence(1);
        for (number, batch) in (1..).zip(&mut self.batches) {
            let Some(found) = found.remove(&(index, number)) else { continue };
            let name = || format!("batch {number} of stream {index} (epoch {}, table {})", self.epoch, self.table);
            if number != last_seen + 1 {
                return Err(format!("{} is seen and the one before it is not", name()));
            }
            last_seen = number;
            if found.rejected != batch.rejected {
                let (rejected, expected) = (found.rejected, batch.rejected);
                return Err(format!("{}: {rejected} rejections are seen of {expected}", name()));
            }
            for device in 0..DEVICES.len() {
                let of_device = batch.rows.saturating_sub(device).div_ceil(DEVICES.len());
                let is_deleted = number <= self.deleted[device] || batch.is_gone[device];
                let may_be_deleted = number <= self.may_be_deleted[device];
                match found.rows[device] {
                    0 if of_device > 0 && (is_deleted || may_be_deleted) => batch.is_gone[device] = true,
                    rows if rows == of_device && (rows == 0 || !is_deleted) => {}
                    rows => {
                        return Err(format!(
                            "{}: {rows} rows of device {device} are seen of {of_device}, deleted: {is_deleted}",
                            name()
                        ));
                    }
                }
            }
            let ingested_at = *batch.ingested_at.get_or_insert(found.ingested_at);
            if !found.is_one_instant || ingested_at != found.ingested_at {
                return Err(format!("{}: its time of receipt is not what it was", name()));
            }
            if ingested_at < latest && !clock_was_set {
                return Err(format!("{}: its time of receipt is before that of the batch before it", name()));
            }
            latest = ingested_at;
            let identity = batch.identity.or(found.identity);
            if !found.is_one_record || found.identity.is_some_and(|found| Some(found) != identity) {
                return Err(format!("{}: the record that it is of is not what it was", name()));
            }
            batch.identity = identity;
            let sequence = identity.map_or(latest_sequence, |(_, _, sequence)| sequence);
            if sequence < latest_sequence {
                return Err(format!("{}: its sequence is before that of the batch before it", name()));
            }
            latest_sequence = sequence;
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

/// Zone, device and time of each row.
fn read_places(batch: &RecordBatch, places: &mut Vec<(Option<String>, Option<String>, i64)>) -> Result<(), Broken> {
    let column = |name: &str| batch.column_by_name(name).cloned().ok_or_else(|| format!("no column {name}"));
    let (zone, device, time) = (column("zone")?, column("device")?, column("time")?);
    let time = time.as_primitive::<TimestampMicrosecondType>();
    for row in 0..batch.num_rows() {
        let name = |array: &ArrayRef| array.is_valid(row).then(|| text(array, row));
        places.push((name(&zone), name(&device), time.value(row)));
    }
    Ok(())
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
