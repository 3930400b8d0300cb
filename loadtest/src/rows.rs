//! Batches of simulated rows, encoded as gateways encode them, and what was put into them.
//!
//! Rows come tick by tick: at each tick every device of the connection measures once. In a batch of more rows than devices
//! there are several ticks; where it has fewer, the next batch goes on in the middle of the tick.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::array::{Decimal32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use zonelake_benches::workload::FieldWalk;
use zonelake_gateway::{ArrowEncoder, Compression, EncodeError, EncodedBatch, line_block};

use crate::workload::Walks;

/// Encoding of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wire {
    /// Arrow, values as doubles
    Doubles,
    /// Arrow, values as decimals of two places (Decimal32)
    Decimals,
    /// Line protocol
    Lines,
}

/// Rows that one device has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentByDevice {
    /// Name.
    pub device: String,
    /// Rows.
    pub rows: u64,
    /// Sum of the times, milliseconds since [`RowsArgs::start_us`].
    pub time_sum_ms: i64,
    /// Sum of each field, hundredths.
    pub sums: Vec<i64>,
}

/// Parts of a source of rows.
#[derive(Debug, Clone)]
pub(crate) struct RowsArgs {
    /// Table.
    pub table: String,
    /// Encoding.
    pub wire: Wire,
    /// Walks of the values of its devices.
    pub walks: &'static [FieldWalk],
    /// Names of its devices.
    pub devices: Vec<String>,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Time of the first tick, microseconds since 1970, UTC.
    pub start_us: i64,
    /// Time from tick to tick; whole milliseconds.
    pub tick_us: i64,
    /// Seed of the walks.
    pub seed: u64,
}

/// The rows of one connection.
pub(crate) struct RowSource {
    args: RowsArgs,
    walks: Walks,
    encoder: Option<ArrowEncoder>,
    schema: Arc<Schema>,
    names: Arc<StringArray>,
    /// Device that comes next, and the tick that it is in.
    next_device: usize,
    tick: i64,
    sums: Vec<Vec<i64>>,
    rows: Vec<u64>,
    time_sums_ms: Vec<i64>,
}

impl RowSource {
    /// A source that has sent nothing yet.
    ///
    /// # Errors
    /// Where Arrow cannot encode the schema.
    pub(crate) fn new(args: RowsArgs) -> Result<Self, EncodeError> {
        let devices = args.devices.len();
        let value = if args.wire == Wire::Decimals { DataType::Decimal32(9, 2) } else { DataType::Float64 };
        let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
        let fixed =
            [Field::new("time", time, false), Field::new_dictionary("device", DataType::Int32, DataType::Utf8, false)];
        let fields = args.walks.iter().map(|walk| Field::new(walk.name, value.clone(), true));
        let schema = Arc::new(Schema::new(fixed.into_iter().chain(fields).collect::<Vec<_>>()));
        let encoder = match args.wire {
            Wire::Lines => None,
            _ => Some(ArrowEncoder::new(&schema, Compression::None)?),
        };
        Ok(Self {
            walks: Walks::new(args.walks, devices, args.seed),
            names: Arc::new(StringArray::from(args.devices.clone())),
            encoder,
            schema,
            next_device: 0,
            tick: 0,
            sums: vec![vec![0; devices]; args.walks.len()],
            rows: vec![0; devices],
            time_sums_ms: vec![0; devices],
            args,
        })
    }

    /// Time of the tick that the next row is in.
    pub(crate) fn next_time_us(&self) -> i64 {
        self.args.start_us + self.tick * self.args.tick_us
    }

    /// The next rows, encoded.
    ///
    /// # Errors
    /// Where Arrow cannot encode them.
    pub(crate) fn next_batch(&mut self) -> Result<EncodedBatch, EncodeError> {
        let rows = self.args.batch_rows;
        let mut times = Vec::with_capacity(rows);
        let mut devices: Vec<i32> = Vec::with_capacity(rows);
        let mut columns: Vec<Vec<i32>> = (0..self.args.walks.len()).map(|_| Vec::with_capacity(rows)).collect();
        while times.len() < rows {
            let first = self.next_device;
            let last = self.args.devices.len().min(first + rows - times.len());
            let time_us = self.next_time_us();
            let time_ms = (time_us - self.args.start_us) / 1_000;
            self.walks.tick(first..last, |field, values| columns[field].extend_from_slice(values));
            for (field, sums) in self.sums.iter_mut().enumerate() {
                let values = &columns[field][columns[field].len() - (last - first)..];
                sums[first..last].iter_mut().zip(values).for_each(|(sum, &value)| *sum += i64::from(value));
            }
            self.rows[first..last].iter_mut().for_each(|rows| *rows += 1);
            self.time_sums_ms[first..last].iter_mut().for_each(|sum| *sum += time_ms);
            times.extend(std::iter::repeat_n(time_us, last - first));
            devices.extend((first..last).map(|device| i32::try_from(device).expect("few devices")));
            self.next_device = last;
            if last == self.args.devices.len() {
                self.next_device = 0;
                self.tick += 1;
            }
        }
        match self.args.wire {
            Wire::Lines => Ok(line_block(self.lines(&times, &devices, &columns), rows as u64)),
            _ => self.arrow(times, devices, columns),
        }
    }

    /// Rows that each device has sent.
    pub(crate) fn sent(&self) -> Vec<SentByDevice> {
        (0..self.args.devices.len())
            .filter(|&device| self.rows[device] > 0)
            .map(|device| SentByDevice {
                device: self.args.devices[device].clone(),
                rows: self.rows[device],
                time_sum_ms: self.time_sums_ms[device],
                sums: self.sums.iter().map(|sums| sums[device]).collect(),
            })
            .collect()
    }

    fn arrow(
        &mut self,
        times: Vec<i64>,
        devices: Vec<i32>,
        columns: Vec<Vec<i32>>,
    ) -> Result<EncodedBatch, EncodeError> {
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
            Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(devices), self.names.clone())),
        ];
        for values in columns {
            arrays.push(match self.args.wire {
                Wire::Decimals => Arc::new(Decimal32Array::from(values).with_precision_and_scale(9, 2)?),
                _ => Arc::new(Float64Array::from_iter_values(values.iter().map(|&value| f64::from(value) / 100.0))),
            });
        }
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)?;
        self.encoder.as_mut().expect("Arrow has an encoder").encode(&batch)
    }

    fn lines(&self, times: &[i64], devices: &[i32], columns: &[Vec<i32>]) -> String {
        let mut lines = String::with_capacity(times.len() * LINE_BYTES);
        for (row, (time, &device)) in times.iter().zip(devices).enumerate() {
            let device = &self.args.devices[usize::try_from(device).expect("an index")];
            lines.push_str(&self.args.table);
            lines.push_str(",device=");
            lines.push_str(device);
            for (index, (walk, values)) in self.args.walks.iter().zip(columns).enumerate() {
                lines.push(if index == 0 { ' ' } else { ',' });
                lines.push_str(walk.name);
                lines.push('=');
                push_hundredths(&mut lines, values[row]);
            }
            write!(lines, " {time}000").expect("a string takes everything");
            lines.push('\n');
        }
        lines
    }
}

impl std::fmt::Debug for RowSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowSource").field("args", &self.args).field("tick", &self.tick).finish_non_exhaustive()
    }
}

/// A value as a sensor writes it: at most two places, none that is zero at the end.
fn push_hundredths(lines: &mut String, value: i32) {
    let mut digits = [0u8; 12];
    let (mut rest, mut at) = (value.unsigned_abs() / 100, digits.len());
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        lines.push('-');
    }
    digits[at..].iter().for_each(|&digit| lines.push(char::from(digit)));
    let places = u8::try_from(value.unsigned_abs() % 100).expect("below 100");
    if places > 0 {
        lines.push('.');
        lines.push(char::from(b'0' + places / 10));
        if places % 10 > 0 {
            lines.push(char::from(b'0' + places % 10));
        }
    }
}

/// About the length of a line of eight fields.
const LINE_BYTES: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_are_written_as_short_as_they_are() {
        for (value, text) in [(0, "0"), (5, "0.05"), (50, "0.5"), (123, "1.23"), (100, "1"), (-7, "-0.07")] {
            let mut line = String::new();
            push_hundredths(&mut line, value);
            assert_eq!(line, text);
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
    fn what_was_sent_is_what_stands_in_the_lines() {
        let args = RowsArgs {
            table: "t".into(),
            wire: Wire::Lines,
            walks: &crate::workload::AIR[..2],
            devices: vec!["a".into(), "b".into(), "c".into()],
            batch_rows: 5,
            start_us: 1_000_000,
            tick_us: 1_000,
            seed: 1,
        };
        let mut source = RowSource::new(args).unwrap();
        let blocks: Vec<_> = (0..4).map(|_| source.next_batch().unwrap()).collect();
        let (mut rows, mut sum, mut time_ms) = (0, 0.0, 0);
        for line in blocks.iter().flat_map(|block| std::str::from_utf8(&block.payload).unwrap().lines()) {
            if !line.contains("device=b") {
                continue;
            }
            let (fields, time) = line.rsplit_once(' ').unwrap();
            let first = fields.split(['=', ',']).nth(3).unwrap();
            rows += 1;
            sum += first.parse::<f64>().unwrap();
            time_ms += time.parse::<i64>().unwrap() / 1_000_000 - 1_000;
        }
        let sent = source.sent();
        assert_eq!(sent[1].device, "b");
        assert_eq!(sent[1].rows, rows);
        assert_eq!(sent[1].time_sum_ms, time_ms);
        assert_eq!(sent[1].sums[0], (sum * 100.0_f64).round() as i64);
        assert_eq!(sent.iter().map(|sent| sent.rows).sum::<u64>(), 20);
    }
}
