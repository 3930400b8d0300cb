//! Device and time of the rows of a source, to ask the server which of them it has by another way than by a push that the ledger knows.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use prost::Message;
use zonelake_schemas::wire::control::PushTimes;

use crate::columns::cells::as_texts;
use crate::columns::rows::WireRows;

/// Times of the rows of a source; of a long one every second row, every fourth and so on.
#[derive(Debug)]
pub(crate) struct RowTimes {
    devices: BTreeMap<String, Vec<i64>>,
    fields: BTreeSet<String>,
    kept: usize,
    seen: u64,
    /// Rows from one that is kept to the next.
    step: u64,
}

impl Default for RowTimes {
    fn default() -> Self {
        Self { devices: BTreeMap::new(), fields: BTreeSet::new(), kept: 0, seen: 0, step: 1 }
    }
}

impl RowTimes {
    /// Takes the rows of a chunk.
    pub(crate) fn add(&mut self, read: &WireRows) {
        let batch = &read.batch;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if column.null_count() < column.len() && !self.fields.contains(field.name()) {
                self.fields.insert(field.name().clone());
            }
        }
        let named = |name: &str| batch.column_by_name(name);
        let (Some(devices), Some(times)) = (named("device").and_then(|devices| as_texts(devices).ok()), named("time"))
        else {
            return;
        };
        if !matches!(times.data_type(), DataType::Timestamp(..)) {
            return;
        }
        let Some(times) = times.as_primitive_opt::<TimestampMicrosecondType>() else { return };
        for row in 0..batch.num_rows() {
            self.seen += 1;
            if (self.seen - 1).is_multiple_of(self.step) {
                match self.devices.get_mut(devices.value(row)) {
                    Some(of_device) => of_device.push(times.value(row)),
                    None => drop(self.devices.insert(devices.value(row).to_owned(), vec![times.value(row)])),
                }
                self.kept += 1;
            }
            if self.kept >= TIMES_MAX {
                self.thin_out();
            }
        }
    }

    /// Forgets every second one, counted over all devices: there may be as many devices as rows.
    fn thin_out(&mut self) {
        self.step *= 2;
        let mut is_odd = false;
        for of_device in self.devices.values_mut() {
            of_device.retain(|_| {
                is_odd = !is_odd;
                is_odd
            });
        }
        self.devices.retain(|_, of_device| !of_device.is_empty());
        self.kept = self.devices.values().map(Vec::len).sum();
    }

    /// Fields that have a value.
    pub(crate) fn fields(&self) -> Vec<String> {
        self.fields.iter().cloned().collect()
    }

    /// The times in questions that fit a frame, and their number. One that several rows have counts once.
    pub(crate) fn questions(&self) -> (Vec<Vec<PushTimes>>, u64) {
        let (mut questions, mut count, mut bytes) = (vec![Vec::new()], 0, 0);
        for (device, times) in &self.devices {
            let times: BTreeSet<i64> = times.iter().copied().collect();
            count += times.len() as u64;
            for part in parts(device, times) {
                bytes += part.encoded_len();
                if bytes > QUESTION_BYTES {
                    questions.push(Vec::new());
                    bytes = part.encoded_len();
                }
                questions.last_mut().expect("there is always one").push(part);
            }
        }
        questions.retain(|question| !question.is_empty());
        (questions, count)
    }
}

/// The times of a device as steps; those of which many differ in several parts.
fn parts(device: &str, times: BTreeSet<i64>) -> Vec<PushTimes> {
    let new = || PushTimes { device: device.to_owned(), ..PushTimes::default() };
    let (mut parts, mut before) = (vec![new()], 0);
    for time in times {
        let mut part = parts.last_mut().expect("there is always one");
        if part.steps_us.len() == PART_STEPS {
            parts.push(new());
            (part, before) = (parts.last_mut().expect("there is always one"), 0);
        }
        match (part.steps_us.last(), part.repeats.last_mut()) {
            (Some(step), Some(repeats)) if *step == time - before => *repeats += 1,
            _ => {
                part.steps_us.push(time - before);
                part.repeats.push(1);
            }
        }
        before = time;
    }
    parts
}

/// Times that are kept of a source.
const TIMES_MAX: usize = 32_768;
/// Bytes of a question beside which token, names of fields and its last device have room in a control frame.
const QUESTION_BYTES: usize = 40_000;
/// Steps of a part; each takes up to ten bytes, and how often it is made a few more.
const PART_STEPS: usize = 2_500;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zonelake_schemas::wire::frame::CONTROL_BYTES_MAX;

    use super::*;
    use crate::look::Look;
    use crate::mapping::declaration::Mapping;
    use crate::recordings::{ENERGY, wire};
    use crate::source::open::{OpenSource, PushInput};

    fn times(text: &str) -> RowTimes {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).expect("there is room");
        let source = OpenSource::open(&PushInput::File { path, format: None }).expect("it is there");
        let mut times = RowTimes::default();
        let mapping = Arc::new(Mapping::by_name("energy"));
        Look::at_rows(&source, &mapping, &wire(ENERGY), |read, _| times.add(read)).expect("it can be read");
        times
    }

    fn instants(questions: &[Vec<PushTimes>]) -> Vec<(&str, i64)> {
        let mut instants = Vec::new();
        for part in questions.iter().flatten() {
            let mut at = 0;
            for (step, repeats) in part.steps_us.iter().zip(&part.repeats) {
                for _ in 0..*repeats {
                    at += step;
                    instants.push((part.device.as_str(), at));
                }
            }
        }
        instants
    }

    #[test]
    fn each_time_of_a_device_is_asked_about_once_and_with_the_fields_that_have_values() {
        let times = times(
            "time,device,active_energy,co2\n1970-01-01T00:00:02Z,b,1,\n1970-01-01T00:00:01Z,b,1,\n1970-01-01T00:00:01Z,a,2,\n1970-01-01T00:00:01Z,a,3,\n",
        );
        let (questions, count) = times.questions();
        assert_eq!((questions.len(), count), (1, 3));
        assert_eq!(instants(&questions), [("a", 1_000_000), ("b", 1_000_000), ("b", 2_000_000)]);
        let fields = times.fields();
        assert!(fields.contains(&"active_energy".to_owned()) && !fields.contains(&"co2".to_owned()), "{fields:?}");
    }

    /// A list of all devices of a province, each with one row: to forget every second time of each device forgets nothing of it.
    #[test]
    fn a_source_of_very_many_devices_is_asked_about_by_some_of_its_rows_too() {
        let rows: String = (0..100_000).map(|device: u32| format!("1970-01-01T00:00:01Z,d{device:06},1\n")).collect();
        let times = times(&format!("time,device,active_energy\n{rows}"));
        let (_, count) = times.questions();
        assert!((TIMES_MAX as u64 / 2..=TIMES_MAX as u64).contains(&count), "{count}");
        assert_eq!((times.kept as u64, times.devices.len() as u64), (count, count));
    }

    #[test]
    fn a_long_source_is_asked_about_by_some_of_its_rows_and_in_parts_that_fit_a_frame() {
        let rows: String = (0..100_000)
            .map(|row: u32| {
                format!(
                    "{},d{},1\n",
                    chrono::DateTime::from_timestamp(i64::from(row) * 977, 0).expect("a time").format("%FT%TZ"),
                    row % 3
                )
            })
            .collect();
        let times = times(&format!("time,device,active_energy\n{rows}"));
        let (questions, count) = times.questions();
        assert!((TIMES_MAX as u64 / 2..=TIMES_MAX as u64).contains(&count), "{count}");
        assert_eq!(questions.iter().flatten().count(), 3, "a regular series is two steps");
        for question in &questions {
            let bytes: usize = question.iter().map(Message::encoded_len).sum();
            assert!(bytes < CONTROL_BYTES_MAX - 16_384, "{bytes}");
        }
        let mut all = instants(&questions);
        let asked = all.len();
        all.dedup();
        assert_eq!((all.len(), all.len() as u64), (asked, count));

        let irregular: BTreeSet<i64> = (0..10_000_i64).map(|row| row * row * 1_000_003).collect();
        let parts = parts("d", irregular.clone());
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| part.encoded_len() < QUESTION_BYTES));
        assert!(instants(&[parts]).into_iter().map(|(_, at)| at).eq(irregular));
    }
}
