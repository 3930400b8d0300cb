//! A lane on disk: appended to, released, torn, damaged, and read again.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;
use zonelake_schemas::{BatchNumber, Epoch};

use super::cursor::{Cursor, Next};
use super::error::SpoolError;
use super::queue::Queue;
use super::segment::ENDING;
use crate::batch::EncodedBatch;
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
        let mut paths: Vec<PathBuf> = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
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

#[test]
fn damage_is_told_from_a_torn_tail_and_set_aside_and_the_rest_stays_readable() {
    for (at_byte, lost_from) in [(HEAD_BYTES, 1), (HEAD_BYTES + 30, 1), (HEAD_BYTES + 140, 2)] {
        for of_last in [false, true] {
            let place = Place::new();
            let mut queue = place.open();
            append(&mut queue, 1..=if of_last { 5 } else { 20 });
            let last = queue.last_number().0;
            let damaged = queue.segments[0].clone();
            let behind = queue.end_of(damaged.first);
            drop(queue);
            let mut bytes = fs::read(&damaged.path).unwrap();
            bytes[at_byte] ^= 0x40;
            fs::write(&damaged.path, bytes).unwrap();
            let queue = place.open();
            assert_eq!(queue.last_number().0, last, "its numbers are not given again");
            let (found, lost, mut queue) = read(queue, 1);
            let expected = (1..=last).map(|number| if (lost_from..behind).contains(&number) { 0 } else { number });
            assert_eq!(found, expected.collect::<Vec<_>>(), "byte {at_byte}");
            assert_eq!(lost, behind - lost_from);
            assert!(damaged.path.with_extension("damaged").exists());
            append(&mut queue, last + 1..=last + 2);
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
