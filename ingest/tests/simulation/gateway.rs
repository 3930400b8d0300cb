//! Simulated gateways: the real numbering, window and resuming of `zonelake-gateway`, over links that the run cuts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int32Type, Schema};
use prost::Message;
use zonelake_gateway::{Acked, Outbox};
use zonelake_gateway::{ArrowEncoder, Compression, EncodedBatch, StreamError, line_block};
use zonelake_schemas::Lane;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused, RefusedCode};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, control_frame};

use crate::harness::{DEVICES, TABLES};
use crate::oracle::{Broken, Oracle};
use crate::rng::Rng;

/// A process at a zone. It is one producer in one epoch, with a stream or two.
pub(crate) struct SimGateway {
    pub producer: usize,
    pub epoch: u64,
    pub streams: Vec<SimStream>,
    /// A fenced gateway has stopped.
    pub alive: bool,
}

pub(crate) struct SimStream {
    pub record: usize,
    pub link: Option<usize>,
    table: usize,
    lane: Lane,
    outbox: Outbox,
    /// Absent where lines are sent.
    encoder: Option<ArrowEncoder>,
    received: Vec<u8>,
    /// The server has opened the present link.
    is_open: bool,
}

/// Bytes on their way between a gateway's stream and a session.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub gateway: usize,
    pub stream: usize,
    pub up: VecDeque<u8>,
    pub down: VecDeque<u8>,
    pub gateway_has_it: bool,
    pub server_has_it: bool,
}

/// Result of what a gateway's stream has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Fine,
    TryAgain,
    Fenced,
}

impl SimGateway {
    pub(crate) fn new(producer: usize, epoch: u64, rng: &mut Rng, oracle: &mut Oracle) -> Self {
        let mut streams: Vec<SimStream> = Vec::new();
        for _ in 0..=rng.below(2) {
            let (table, lane) = (rng.below(TABLES.len()), [Lane::Live, Lane::Backfill][rng.below(2)]);
            if streams.iter().all(|other| (other.table, other.lane) != (table, lane)) {
                let record = oracle.begin_stream(producer, epoch, TABLES[table], lane == Lane::Backfill);
                streams.push(SimStream::new(record, table, lane, rng));
            }
        }
        Self { producer, epoch, streams, alive: true }
    }
}

impl SimStream {
    fn new(record: usize, table: usize, lane: Lane, rng: &mut Rng) -> Self {
        let compression = [Compression::None, Compression::Lz4][rng.below(2)];
        let schema = rows(&[], 0, 0).schema();
        let encoder = (!rng.one_in(3)).then(|| encoder(&schema, compression));
        Self {
            record,
            link: None,
            table,
            lane,
            outbox: Outbox::new(WINDOW_BYTES),
            encoder,
            received: Vec::new(),
            is_open: false,
        }
    }

    /// The first frame of a new link.
    pub(crate) fn open_frame(&mut self, producer: usize, epoch: u64) -> Vec<u8> {
        self.handle_disconnected();
        let encoding = if self.encoder.is_some() { Encoding::Arrow } else { Encoding::Line };
        let open = Open {
            producer: format!("p{producer}"),
            epoch,
            table: TABLES[self.table].into(),
            lane: self.lane as u32,
            encoding: encoding as i32,
            ..Open::default()
        };
        control_frame(FrameKind::Open, &open)
    }

    /// Makes a batch where the window has room for it.
    pub(crate) fn make_batch(&mut self, rng: &mut Rng, oracle: &mut Oracle, now_us: i64) -> Result<bool, Broken> {
        let number = oracle.next_number(self.record);
        let count = if rng.one_in(8) { 12 } else { 1 + rng.below(3) };
        let ids: Vec<i64> = (0..count).map(|row| Oracle::id(self.record, number, row)).collect();
        let rejected = if rng.one_in(4) { 1 + rng.below(count) } else { 0 };
        let encoded = self.encode(&ids, rejected, now_us)?;
        if !self.outbox.admits(&encoded) {
            return Ok(false);
        }
        let submitted = self.outbox.handle_submit(encoded, NOW).map_err(|error| error.to_string())?;
        if submitted.0 != number {
            return Err(format!("the gateway numbers batch {number} as {submitted}"));
        }
        oracle.handle_made(self.record, count, rejected);
        Ok(true)
    }

    fn encode(&mut self, ids: &[i64], rejected: usize, now_us: i64) -> Result<EncodedBatch, Broken> {
        let batch = rows(ids, rejected, now_us);
        match &mut self.encoder {
            Some(encoder) => encoder.encode(&batch).map_err(|error| error.to_string()),
            None => {
                let line = |(row, id): (usize, &i64)| {
                    let (device, value) = (DEVICES[row % DEVICES.len()], value(row, rejected));
                    format!(
                        "{},device={device} id={id}i,v={value} {}\n",
                        TABLES[self.table],
                        (now_us + row as i64) * 1000
                    )
                };
                let lines: String = ids.iter().enumerate().map(line).collect();
                Ok(line_block(lines, ids.len() as u64))
            }
        }
    }

    /// Frames that the link has not got yet.
    pub(crate) fn poll_frames(&mut self) -> Option<Vec<u8>> {
        if self.is_open { self.outbox.poll_frames().map(|pieces| pieces.concat()) } else { None }
    }

    pub(crate) fn handle_disconnected(&mut self) {
        self.link = None;
        self.is_open = false;
        self.received.clear();
        self.outbox.handle_disconnected();
    }

    /// Takes what has come down.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], oracle: &mut Oracle) -> Result<Heard, Broken> {
        self.received.extend_from_slice(bytes);
        while let Some(header) = self.received.first_chunk::<HEADER_BYTES>() {
            let header = FrameHeader::decode(*header, 1 << 20).map_err(|error| error.to_string())?;
            if self.received.len() < HEADER_BYTES + header.body_bytes {
                break;
            }
            let frame: Vec<u8> = self.received.drain(..HEADER_BYTES + header.body_bytes).collect();
            let body = &frame[HEADER_BYTES..];
            let acked: Result<Acked, StreamError> = match header.kind {
                FrameKind::Opened => {
                    self.is_open = true;
                    self.outbox.handle_opened(&read::<Opened>(body)?, NOW)
                }
                FrameKind::Ack => self.outbox.handle_ack(read::<Ack>(body)?, NOW),
                FrameKind::Refused => return heard(&read::<Refused>(body)?),
                other => return Err(format!("the server sends a frame {other:?}")),
            };
            let acked = acked.map_err(|error| format!("stream {}: {error}", self.record))?;
            oracle.handle_acknowledged(self.record, acked.number.0);
        }
        Ok(Heard::Fine)
    }
}

fn heard(refused: &Refused) -> Result<Heard, Broken> {
    match refused.code() {
        RefusedCode::Fenced => Ok(Heard::Fenced),
        RefusedCode::Gap | RefusedCode::Unavailable => Ok(Heard::TryAgain),
        other => Err(format!("refused with {other:?}: {}", refused.message)),
    }
}

fn read<M: Message + Default>(body: &[u8]) -> Result<M, Broken> {
    M::decode(body).map_err(|error| error.to_string())
}

fn encoder(schema: &Schema, compression: Compression) -> ArrowEncoder {
    ArrowEncoder::new(schema, compression).expect("both compressions are built in")
}

/// The first rows have a value that is out of its field's range.
fn value(row: usize, rejected: usize) -> f64 {
    if row < rejected { 1_000.0 } else { 1.5 }
}

fn rows(ids: &[i64], rejected: usize, now_us: i64) -> RecordBatch {
    let devices: DictionaryArray<Int32Type> = (0..ids.len()).map(|row| Some(DEVICES[row % DEVICES.len()])).collect();
    let time = (0..ids.len() as i64).map(|row| now_us + row);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(time).with_timezone("UTC"))),
        ("device", Arc::new(devices)),
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        ("v", Arc::new((0..ids.len()).map(|row| Some(value(row, rejected))).collect::<Float64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Latencies are of no interest here.
const NOW: Duration = Duration::ZERO;
/// A few batches.
const WINDOW_BYTES: usize = 4_000;
