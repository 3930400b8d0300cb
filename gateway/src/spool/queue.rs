//! One lane of a spool: its segments, of which the last is written and the first is released.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zonelake_schemas::{BatchNumber, Epoch};

use super::error::{SpoolError, at};
use super::format::{BODY_BYTES_MAX, HEADER_BYTES, InForce, block_bytes_max, encode_block};
use super::identity::{sync_folder, write_durably};
use super::segment::{DAMAGED, Segment, list, make_segment, scan};
use crate::batch::EncodedBatch;

/// Batches of one lane on disk.
#[derive(Debug)]
pub(crate) struct Queue {
    folder: PathBuf,
    epoch: Epoch,
    segment_bytes_max: u64,
    segments: VecDeque<Segment>,
    /// The last segment's file.
    file: File,
    in_force: InForce,
    /// Number of the next batch.
    next: u64,
    /// Last sequence number up to which the server has acknowledged and segments were released.
    acknowledged: BatchNumber,
    broken: Option<(PathBuf, String)>,
}

impl Queue {
    /// Opens or makes a lane's folder. What a crash has left behind the last whole block was never confirmed and is cut
    /// off.
    pub(crate) fn open(folder: &Path, epoch: Epoch, segment_bytes_max: u64) -> Result<Self, SpoolError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        sync_folder(folder.parent().unwrap_or(Path::new(".")))?;
        // What is read from here on, a loss of power leaves: a process that was killed may have named a file, or removed one, in memory
        // only. Else the number up to which all is acknowledged might go back behind segments that are gone.
        sync_folder(folder)?;
        let mut segments = list(folder, epoch)?;
        let acknowledged = read_acknowledged(folder)?;
        let mut end = None;
        while let Some(last) = segments.back() {
            if last.is_apart {
                return Err(SpoolError::NumbersLost(last.path.clone()));
            }
            // A segment whose head was torn held nothing yet.
            if let Some(found) = scan(last)? {
                end = Some(found);
                break;
            }
            fs::remove_file(&last.path).map_err(at(&last.path))?;
            segments.pop_back();
        }
        let is_damaged = end.as_ref().is_some_and(|found| found.is_damaged);
        let (file, in_force, next) = match (end, segments.back_mut()) {
            (Some(scanned), Some(last)) => {
                last.bytes = scanned.bytes;
                let file = File::options().read(true).write(true).open(&last.path).map_err(at(&last.path))?;
                if !scanned.is_damaged {
                    file.set_len(scanned.bytes).and_then(|()| file.sync_all()).map_err(at(&last.path))?;
                }
                (file, scanned.in_force, last.first + scanned.batches)
            }
            _ => {
                let first = acknowledged.0 + 1;
                let (segment, file) = make_segment(folder, epoch, first)?;
                segments.push_back(segment);
                (file, InForce::default(), first)
            }
        };
        let folder = folder.into();
        let mut queue =
            Self { folder, epoch, segment_bytes_max, segments, file, in_force, next, acknowledged, broken: None };
        if is_damaged {
            // Nothing is written after damage; the cursor that reaches the segment quarantines it.
            queue.roll()?;
        }
        Ok(queue)
    }

    /// Appends a batch and syncs it; gives back its number. It is durable then. On an error it is not taken.
    pub(crate) fn append(&mut self, batch: &EncodedBatch) -> Result<BatchNumber, SpoolError> {
        if let Some((path, what)) = &self.broken {
            return Err(SpoolError::Broken { path: path.clone(), what: what.clone() });
        }
        let bytes = block_bytes_max(batch);
        if bytes > BODY_BYTES_MAX {
            return Err(SpoolError::TooLarge { bytes, bytes_max: BODY_BYTES_MAX });
        }
        let last = self.last();
        if last.bytes > HEADER_BYTES as u64 && last.bytes + bytes as u64 > self.segment_bytes_max {
            self.roll()?;
        }
        let number = BatchNumber(self.next);
        let mut in_force = self.in_force.clone();
        let block = encode_block(number, batch, &mut in_force);
        let last = self.segments.back_mut().expect("there is always one");
        if let Err(source) = self.file.write_all_at(&block, last.bytes) {
            // A part of a block must not stay after the last whole one. An error does not matter: the next batch is
            // written at the same offset.
            self.file.set_len(last.bytes).ok();
            return Err(at(&last.path)(source));
        }
        if let Err(source) = self.file.sync_data() {
            self.broken = Some((last.path.clone(), source.to_string()));
            // After a failed sync nobody knows which pages reached the disk, and a second sync may succeed without them.
            // So the queue takes nothing more until it is opened again; cutting the file is an attempt only.
            self.file.set_len(last.bytes).ok();
            return Err(SpoolError::Broken { path: last.path.clone(), what: source.to_string() });
        }
        last.bytes += block.len() as u64;
        self.in_force = in_force;
        self.next += 1;
        Ok(number)
    }

    /// Releases the segments whose batches the server has all acknowledged, except the last one, which holds the
    /// sequence numbers.
    pub(crate) fn release(&mut self, acknowledged: BatchNumber) -> Result<(), SpoolError> {
        let done = |queue: &Self| queue.segments.len() > 1 && queue.segments[1].first <= acknowledged.0 + 1;
        if !done(self) {
            return Ok(());
        }
        // The number is durable before the first segment goes: a folder without segments begins after it.
        write_durably(&self.folder.join(ACKNOWLEDGED), acknowledged.0.to_string().as_bytes())?;
        self.acknowledged = acknowledged;
        while done(self) {
            self.remove_first()?;
        }
        sync_folder(&self.folder)
    }

    /// Gives up the oldest segment, if there is another one behind it, and says how many batches that were.
    pub(crate) fn drop_oldest(&mut self) -> Result<Option<u64>, SpoolError> {
        while self.segments.len() > 1 && self.segments[0].is_apart {
            self.remove_first()?;
        }
        let [first, second, ..] = self.segments.make_contiguous() else { return Ok(None) };
        let batches = second.first - first.first;
        self.remove_first()?;
        sync_folder(&self.folder)?;
        Ok(Some(batches))
    }

    /// Quarantines a segment that cannot be read to its end. The file is renamed and stays for diagnosis.
    pub(crate) fn quarantine(&mut self, first: u64) -> Result<(), SpoolError> {
        let Some(index) = self.segments.iter().position(|segment| segment.first == first) else { return Ok(()) };
        if index + 1 == self.segments.len() {
            self.roll()?;
        }
        let segment = &mut self.segments[index];
        let path = segment.path.with_extension(DAMAGED);
        fs::rename(&segment.path, &path).map_err(at(&segment.path))?;
        *segment = Segment { path, first, bytes: 0, is_apart: true };
        sync_folder(&self.folder)
    }

    /// The segment that has a number, and whether it has it; `None` where no segment has it or ever will.
    pub(crate) fn segment_of(&self, number: u64) -> Option<Segment> {
        let index = self.segments.partition_point(|segment| segment.first <= number);
        self.segments.get(index.checked_sub(1)?).filter(|segment| !segment.is_apart).cloned()
    }

    /// The first number from this one on that a segment has; the next one to be given where none has.
    pub(crate) fn first_kept(&self, number: u64) -> u64 {
        let index = self.segments.partition_point(|segment| segment.first <= number);
        let in_midst = index.checked_sub(1).map(|before| (number, &self.segments[before]));
        let behind = self.segments.range(index..).map(|segment| (segment.first, segment));
        let mut kept = in_midst.into_iter().chain(behind).filter(|(_, segment)| !segment.is_apart);
        kept.next().map_or(self.next, |(first, _)| first)
    }

    /// First number behind those of the segment that begins with `first`.
    pub(crate) fn end_of(&self, first: u64) -> u64 {
        let index = self.segments.partition_point(|segment| segment.first <= first);
        self.segments.get(index).map_or(self.next, |segment| segment.first)
    }

    /// Number of the last batch taken.
    pub(crate) fn last_number(&self) -> BatchNumber {
        BatchNumber(self.next - 1)
    }

    /// Last sequence number up to which segments were released.
    pub(crate) fn acknowledged(&self) -> BatchNumber {
        self.acknowledged
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("there is always one")
    }

    fn roll(&mut self) -> Result<(), SpoolError> {
        let (segment, file) = make_segment(&self.folder, self.epoch, self.next)?;
        self.segments.push_back(segment);
        self.file = file;
        self.in_force = InForce::default();
        Ok(())
    }

    fn remove_first(&mut self) -> Result<(), SpoolError> {
        let first = &self.segments[0];
        if !first.is_apart {
            match fs::remove_file(&first.path) {
                Err(source) if source.kind() != ErrorKind::NotFound => return Err(at(&first.path)(source)),
                _ => {}
            }
        }
        self.segments.pop_front();
        Ok(())
    }
}

pub(super) fn read_acknowledged(folder: &Path) -> Result<BatchNumber, SpoolError> {
    let path = folder.join(ACKNOWLEDGED);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(BatchNumber(text.trim().parse().unwrap_or(0))),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(BatchNumber(0)),
        Err(source) => Err(at(path)(source)),
    }
}

/// File with the last sequence number up to which segments were released.
const ACKNOWLEDGED: &str = "acknowledged";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;

    use super::super::cursor::{Cursor, Next};
    use super::super::segment::ENDING;
    use super::*;
    use crate::encode::line_block;

    const EPOCH: Epoch = Epoch(3);

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn folder(&self) -> PathBuf {
            self.0.path().join("live")
        }

        fn open(&self) -> Queue {
            Queue::open(&self.folder(), EPOCH, 1_000).unwrap()
        }

        fn last_segment(&self) -> PathBuf {
            let mut paths: Vec<PathBuf> =
                fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.retain(|path| path.extension().is_some_and(|end| end == ENDING));
            paths.sort();
            paths.pop().unwrap()
        }
    }

    fn text(number: u64) -> String {
        format!("line {number} {}", "x".repeat(80))
    }

    fn append(queue: &mut Queue, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            assert_eq!(queue.append(&line_block(text(number), 1)).unwrap(), BatchNumber(number));
        }
    }

    /// What a cursor finds from a number on: the batches' numbers; 0 for one that is gone.
    fn read(queue: Queue, from: u64) -> (Vec<u64>, u64, Queue) {
        let queue = Mutex::new(queue);
        let (mut cursor, mut found, mut lost) = (Cursor::at(BatchNumber(from)), Vec::new(), 0);
        loop {
            match cursor.read(&queue, &mut lost).unwrap() {
                Next::Batch(number, batch) => {
                    assert_eq!(batch.payload, text(number.0));
                    found.push(number.0);
                }
                Next::Gone(_) => found.push(0),
                Next::End => return (found, lost, queue.into_inner().unwrap()),
            }
        }
    }

    #[test]
    fn batches_are_there_after_a_restart_with_their_numbers_and_from_any_number_on() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=40);
        drop(queue);
        let mut queue = place.open();
        append(&mut queue, 41..=50);
        let (found, _, queue) = read(queue, 1);
        assert!(found.into_iter().eq(1..=50));
        let (found, _, _) = read(queue, 33);
        assert!(found.into_iter().eq(33..=50));
    }

    #[test]
    fn a_reader_steps_over_numbers_that_no_segment_has() {
        let place = Place::new();
        let (_, first) = damaged_lane(&place, 40, 0, HEADER_BYTES + 20);
        let queue = place.open();
        let behind = queue.segments[1].first;
        assert_eq!(first, 1);
        let (queue, mut cursor, mut lost) = (Mutex::new(queue), Cursor::at(BatchNumber(1)), 0);
        assert!(matches!(cursor.read(&queue, &mut lost).unwrap(), Next::Gone(BatchNumber(1))));
        cursor.skip_gone(&queue);
        assert!(
            matches!(cursor.read(&queue, &mut lost).unwrap(), Next::Batch(BatchNumber(number), _) if number == behind)
        );
        // In the midst of a segment it stays where it is.
        cursor.skip_gone(&queue);
        assert!(
            matches!(cursor.read(&queue, &mut lost).unwrap(), Next::Batch(BatchNumber(number), _) if number == behind + 1)
        );
        assert_eq!(lost, behind - 1);
    }

    #[test]
    fn acknowledged_segments_go_and_the_numbers_go_on_behind_them_even_when_all_are_acknowledged() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=40);
        let all = queue.bytes();
        queue.release(BatchNumber(20)).unwrap();
        assert!(queue.bytes() < all * 2 / 3, "{} of {all}", queue.bytes());
        let (found, _, mut queue) = read(queue, 21);
        assert!(found.into_iter().eq(21..=40), "what is not acknowledged stays");
        queue.release(BatchNumber(40)).unwrap();
        assert!(queue.bytes() <= 1_000);
        drop(queue);
        let mut queue = place.open();
        assert_eq!((queue.acknowledged(), queue.last_number()), (BatchNumber(40), BatchNumber(40)));
        append(&mut queue, 41..=41);
    }

    #[test]
    fn what_a_crash_left_of_a_batch_is_cut_off_and_its_number_is_given_again() {
        for cut in [1, 8, 40, 100] {
            let place = Place::new();
            let mut queue = place.open();
            append(&mut queue, 1..=5);
            drop(queue);
            let path = place.last_segment();
            let bytes = fs::metadata(&path).unwrap().len();
            File::options().write(true).open(&path).unwrap().set_len(bytes - cut).unwrap();
            let mut queue = place.open();
            assert_eq!(queue.last_number(), BatchNumber(4), "cut by {cut}");
            append(&mut queue, 5..=6);
            let (found, lost, _) = read(queue, 1);
            assert!(found.into_iter().eq(1..=6) && lost == 0);
        }
    }

    #[test]
    fn a_segment_whose_head_was_being_written_held_nothing() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=5);
        drop(queue);
        fs::write(place.folder().join(format!("{:020}.{ENDING}", 6)), b"ZLSPO").unwrap();
        let mut queue = place.open();
        append(&mut queue, 6..=7);
        assert!(read(queue, 1).0.into_iter().eq(1..=7));
    }

    /// A lane of so many batches in which one bit of a segment has flipped: the segment's path and first number.
    fn damaged_lane(place: &Place, last: u64, which: usize, at_byte: usize) -> (PathBuf, u64) {
        let mut queue = place.open();
        append(&mut queue, 1..=last);
        let damaged = queue.segments[which].clone();
        drop(queue);
        let mut bytes = fs::read(&damaged.path).unwrap();
        bytes[at_byte] ^= 0x40;
        fs::write(&damaged.path, bytes).unwrap();
        (damaged.path, damaged.first)
    }

    #[test]
    fn damage_is_told_from_a_torn_tail_and_set_aside_and_the_rest_stays_readable() {
        let gone = |last: u64, from: u64, behind: u64| {
            (1..=last).map(move |number| if (from..behind).contains(&number) { 0 } else { number }).collect::<Vec<_>>()
        };
        for (at_byte, whole) in [(HEADER_BYTES, 0), (HEADER_BYTES + 30, 0), (HEADER_BYTES + 140, 1)] {
            for (which, last) in [(0, 5), (0, 20), (1, 20), (2, 20)] {
                let place = Place::new();
                let (path, first) = damaged_lane(&place, last, which, at_byte);
                let queue = place.open();
                assert_eq!(queue.last_number().0, last, "its numbers are not given again");
                let behind = queue.end_of(first);
                let (found, lost, queue) = read(queue, 1);
                assert_eq!(
                    (found, lost),
                    (gone(last, first + whole, behind), behind - first - whole),
                    "byte {at_byte}"
                );
                assert!(path.with_extension(DAMAGED).exists());
                // What stands before it is read again after a broken link, and after a restart; nothing more is lost.
                let (found, lost, mut queue) = read(queue, 1);
                assert_eq!((found, lost), (gone(last, first, behind), 0));
                append(&mut queue, last + 1..=last + 2);
                drop(queue);
                let (found, lost, mut queue) = read(place.open(), 1);
                assert_eq!((found, lost), (gone(last + 2, first, behind), 0));
                queue.release(BatchNumber(last)).unwrap();
                assert_eq!(read(queue, last + 1).0, [last + 1, last + 2]);
            }
        }
    }

    #[test]
    fn the_oldest_segment_can_be_given_up_and_its_numbers_are_known_to_be_gone() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=20);
        let dropped = queue.drop_oldest().unwrap().unwrap();
        let (found, lost, mut queue) = read(queue, 1);
        let expected = (1..=20).map(|number| if number <= dropped { 0 } else { number });
        assert_eq!((found, lost), (expected.collect::<Vec<_>>(), 0));
        while queue.drop_oldest().unwrap().is_some() {}
        assert_eq!(queue.last_number(), BatchNumber(20), "the last one stays, with the numbers");
    }

    #[test]
    fn a_disk_that_is_full_takes_no_batch_and_takes_it_when_there_is_room() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=3);
        // A file that can only be read stands for any write that fails.
        let writable = std::mem::replace(&mut queue.file, File::open(place.last_segment()).unwrap());
        assert!(matches!(queue.append(&line_block(text(4), 1)), Err(SpoolError::Io { .. })));
        queue.file = writable;
        append(&mut queue, 4..=4);
        assert!(read(queue, 1).0.into_iter().eq(1..=4));
    }
    #[test]
    fn a_batch_is_taken_only_when_the_disk_has_said_that_it_is_durable_and_none_is_after_a_sync_that_failed() {
        let place = Place::new();
        let mut queue = place.open();
        append(&mut queue, 1..=3);
        // It takes every write and confirms none: fdatasync is an error there. Whoever does not ask it takes the batch.
        let file = std::mem::replace(&mut queue.file, File::options().write(true).open("/dev/null").unwrap());
        assert!(matches!(queue.append(&line_block(text(4), 1)), Err(SpoolError::Broken { .. })));
        assert_eq!(queue.last_number(), BatchNumber(3));
        queue.file = file;
        // A later sync may succeed without the pages that the failed one has lost.
        assert!(matches!(queue.append(&line_block(text(4), 1)), Err(SpoolError::Broken { .. })));
        drop(queue);
        let mut queue = place.open();
        append(&mut queue, 4..=4);
        assert!(read(queue, 1).0.into_iter().eq(1..=4));
    }
}
