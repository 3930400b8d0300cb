//! The last row of one device, and the last value of each field that it ever had.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_schemas::{GroupSequence, Lsn, ShardId};

/// Order of the rows of a device: by event time, then by the order in which they were made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowOrder {
    /// Event time, µs.
    pub time_us: i64,
    /// Rank among rows of one event time, see [`RowOrder::new`].
    pub rank: i64,
}

impl RowOrder {
    /// Order of a row. Its rank is the sequence of its group. Rows whose sequence is not known, as those in files of a release that
    /// did not write it, are before all others, and among them the time of receipt decides.
    pub fn new(time_us: i64, sequence: GroupSequence, ingested_at_us: i64) -> Self {
        let rank = match i64::try_from(sequence.0) {
            Ok(sequence) if sequence > 0 => sequence,
            _ => ingested_at_us.min(0x3FFF_FFFF_FFFF_FFFF) - (1 << 62),
        };
        Self { time_us, rank }
    }
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastValue {
    /// A double by its bits; any other value of a fixed width as its integer.
    Bits(u64),
    /// Text.
    Text(Arc<str>),
}

impl LastValue {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Bits(_) => 0,
            // The text with its two counts.
            Self::Text(text) => text.len() + 16,
        }
    }
}

/// The last value of a field that is not null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastField {
    /// Position of the field in its table.
    pub field: u16,
    /// Number of the quality of its row.
    pub quality: u8,
    /// True where it is in the device's last row; the fields for which it is not are null there.
    pub is_in_last_row: bool,
    /// Order of its row.
    pub order: RowOrder,
    /// The value.
    pub value: LastValue,
}

/// What a row has beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastHead {
    /// Order of the row.
    pub order: RowOrder,
    /// Time of receipt, µs.
    pub ingested_at_us: i64,
    /// Number of the quality.
    pub quality: u8,
    /// True for a row that came on the back-fill lane.
    pub is_backfill: bool,
}

/// The last row of a device at one location, and the last values there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLast {
    /// The last row.
    pub head: LastHead,
    /// Fields that ever had a value, by position.
    pub fields: Vec<LastField>,
    /// Last record of each shard that has changed anything of this; nothing where that is not known.
    pub changed_by: Vec<(ShardId, Lsn)>,
}

impl DeviceLast {
    /// A device whose only row has no values yet.
    pub(super) fn new(head: LastHead) -> Self {
        Self { head, fields: Vec::new(), changed_by: Vec::new() }
    }

    /// Takes the head of a row in. True where the row is the last one now; the values of its fields follow by
    /// [`DeviceLast::offer_value`]. Of rows of one order the one that is offered last counts, since rows of one group come
    /// in their order.
    pub(super) fn offer_head(&mut self, head: &LastHead) -> bool {
        if head.order < self.head.order {
            return false;
        }
        self.head = *head;
        self.fields.iter_mut().for_each(|field| field.is_in_last_row = false);
        true
    }

    /// Takes a value of a row in. `is_last` as [`DeviceLast::offer_head`] has said. Returns the growth in bytes, and nothing where
    /// a newer value is known.
    pub(super) fn offer_value(
        &mut self,
        field: u16,
        head: &LastHead,
        is_last: bool,
        value: impl FnOnce() -> LastValue,
    ) -> Option<isize> {
        match self.fields.binary_search_by_key(&field, |known| known.field) {
            Ok(at) => {
                let known = &mut self.fields[at];
                if head.order < known.order {
                    return None;
                }
                let before = known.value.text_bytes();
                known.value = value();
                known.order = head.order;
                known.quality = head.quality;
                known.is_in_last_row = is_last;
                Some(known.value.text_bytes().cast_signed() - before.cast_signed())
            }
            Err(at) => {
                let value = value();
                let bytes = FIELD_BYTES + value.text_bytes();
                let (order, quality) = (head.order, head.quality);
                self.fields.insert(at, LastField { field, quality, is_in_last_row: is_last, order, value });
                Some(bytes.cast_signed())
            }
        }
    }

    /// Notes the record that has changed it.
    pub(super) fn note_change(&mut self, shard: ShardId, lsn: Lsn) {
        match self.changed_by.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, last)) => *last = lsn.max(*last),
            None => self.changed_by.push((shard, lsn)),
        }
    }

    /// True where it is not known that it was the same when shards had these last records.
    pub fn may_have_changed_since(&self, position: &BTreeMap<ShardId, Lsn>) -> bool {
        let is_later = |(shard, lsn): &(ShardId, Lsn)| position.get(shard).is_none_or(|seen| lsn > seen);
        self.changed_by.is_empty() || self.changed_by.iter().any(is_later)
    }

    /// Joins what is known of the same device from elsewhere.
    pub(super) fn merge(&mut self, other: &Self) {
        let is_last = self.offer_head_of_elsewhere(&other.head);
        other.changed_by.iter().for_each(|(shard, lsn)| self.note_change(*shard, *lsn));
        for field in &other.fields {
            let head = LastHead { order: field.order, quality: field.quality, ..other.head };
            let is_newer = match self.fields.binary_search_by_key(&field.field, |known| known.field) {
                Ok(at) => field.order > self.fields[at].order,
                Err(_) => true,
            };
            if is_newer {
                self.offer_value(field.field, &head, is_last && field.is_in_last_row, || field.value.clone());
            }
        }
    }

    /// As [`DeviceLast::offer_head`], where a row of the same order is the same row.
    fn offer_head_of_elsewhere(&mut self, head: &LastHead) -> bool {
        head.order > self.head.order && self.offer_head(head)
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.fields.iter().map(|field| field.value.text_bytes()).sum();
        DEVICE_BYTES + self.fields.len() * FIELD_BYTES + texts
    }

    /// The last value of a field.
    pub fn field(&self, field: u16) -> Option<&LastField> {
        self.fields.binary_search_by_key(&field, |known| known.field).ok().map(|at| &self.fields[at])
    }
}

/// Memory of a device without fields, about, with its counts and its place in a page.
pub(super) const DEVICE_BYTES: usize = size_of::<DeviceLast>() + size_of::<(ShardId, Lsn)>() + 32;
/// Memory of a field without text. A vector that grows has up to as much again for a while.
pub(super) const FIELD_BYTES: usize = size_of::<LastField>();

#[cfg(test)]
mod tests {
    use super::*;

    fn head(time_us: i64, sequence: u64) -> LastHead {
        let order = RowOrder::new(time_us, GroupSequence(sequence), 5);
        LastHead { order, ingested_at_us: 5, quality: 0, is_backfill: false }
    }

    fn offer(device: &mut DeviceLast, head: LastHead, fields: &[(u16, u64)]) {
        let is_last = device.offer_head(&head);
        for (field, bits) in fields {
            device.offer_value(*field, &head, is_last, || LastValue::Bits(*bits));
        }
    }

    #[test]
    fn a_late_row_gives_a_field_its_value_and_leaves_the_last_row_as_it_is() {
        let mut device = DeviceLast::new(head(10, 1));
        offer(&mut device, head(10, 1), &[(0, 100)]);
        offer(&mut device, head(5, 2), &[(0, 50), (3, 53)]);
        assert_eq!(device.head, head(10, 1));
        assert_eq!(
            device.field(0).map(|field| (&field.value, field.is_in_last_row)),
            Some((&LastValue::Bits(100), true))
        );
        assert_eq!(
            device.field(3).map(|field| (&field.value, field.is_in_last_row)),
            Some((&LastValue::Bits(53), false))
        );
        offer(&mut device, head(11, 3), &[]);
        assert!(device.fields.iter().all(|field| !field.is_in_last_row), "the last row has no values");
        assert_eq!(device.field(0).map(|field| field.order.time_us), Some(10));
    }

    #[test]
    fn of_rows_of_one_time_the_one_that_was_made_durable_last_counts() {
        for swapped in [false, true] {
            let mut rows = [(head(10, 7), 1), (head(10, 8), 2)];
            if swapped {
                rows.reverse();
            }
            let mut device = DeviceLast::new(rows[0].0);
            rows.iter().for_each(|(head, bits)| offer(&mut device, *head, &[(0, *bits)]));
            assert_eq!((device.head, &device.fields[0].value), (head(10, 8), &LastValue::Bits(2)));
        }
        let of_file = RowOrder::new(10, GroupSequence(0), i64::MAX);
        assert!(of_file < RowOrder::new(10, GroupSequence(1), 0), "what comes later is behind what files have");
        assert!(RowOrder::new(10, GroupSequence(0), 1) < RowOrder::new(10, GroupSequence(0), 2));
    }

    #[test]
    fn devices_from_two_sources_are_joined_as_if_their_rows_had_come_together() {
        let rows: Vec<(LastHead, Vec<(u16, u64)>)> = vec![
            (head(10, 1), vec![(0, 1), (1, 1)]),
            (head(12, 2), vec![(0, 2)]),
            (head(11, 3), vec![(1, 3), (2, 3)]),
            (head(12, 4), vec![(3, 4)]),
        ];
        for split in 0_u8..16 {
            let of = |part: bool| {
                let mut chosen = rows.iter().enumerate().filter(|(at, _)| (split >> at & 1 == 1) == part).peekable();
                let first = chosen.peek().map(|(_, (head, _))| *head)?;
                let mut device = DeviceLast::new(first);
                chosen.for_each(|(_, (head, fields))| offer(&mut device, *head, fields));
                Some(device)
            };
            let mut whole = DeviceLast::new(rows[0].0);
            rows.iter().for_each(|(head, fields)| offer(&mut whole, *head, fields));
            let joined = match (of(true), of(false)) {
                (Some(mut one), Some(other)) => {
                    one.merge(&other);
                    one
                }
                (one, other) => one.or(other).unwrap(),
            };
            assert_eq!(joined, whole, "split {split:04b}");
        }
    }
}
