//! The protocol at the sender, with every break that a link can have.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Ack, Opened};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind};

use super::acked::AckedBatch;
use super::state::Outbox;
use crate::batch::{EncodedBatch, Prelude};
use crate::error::StreamError;

const NOW: Duration = Duration::from_secs(1);

fn batch(text: &str) -> EncodedBatch {
    EncodedBatch { prelude: Prelude::default(), payload: Bytes::copy_from_slice(text.as_bytes()), rows: 1 }
}

fn under(schema: &str, dictionary: &str, text: &str) -> EncodedBatch {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    EncodedBatch { prelude: Prelude::new(bytes(schema), [(0, bytes(dictionary))].into()), ..batch(text) }
}

fn opened(last_number: u64) -> Opened {
    Opened { last_number, frame_bytes_max: 1_000, batch_rows_max: 10, unacked_bytes_max: 100, ..Opened::default() }
}

fn ack(number: u64) -> Ack {
    Ack { number, ..Ack::default() }
}

/// Content of the pieces, one word a frame.
fn words(pieces: Option<Vec<Bytes>>) -> String {
    let mut bytes = Bytes::from(pieces.unwrap_or_default().concat());
    let mut words = Vec::new();
    while !bytes.is_empty() {
        let header = FrameHeader::decode(bytes[..5].try_into().unwrap(), 1_000).unwrap();
        let body = bytes.split_to(5 + header.body_bytes).slice(5..);
        words.push(match header.kind {
            FrameKind::Batch => {
                let (number, payload) = zonelake_schemas::wire::frame::split_batch(&body).unwrap();
                format!("{number}:{}", String::from_utf8_lossy(payload))
            }
            _ => String::from_utf8_lossy(&body).into_owned(),
        });
    }
    words.join(" ")
}

#[test]
fn an_acknowledgement_may_say_how_much_is_to_wait_from_then_on() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(0), NOW).unwrap();
    for text in ["0123456789", "b"] {
        outbox.handle_submit(batch(text), NOW).unwrap();
        outbox.poll_frames();
    }
    outbox.handle_ack(Ack { unacked_bytes_max: 5, ..ack(1) }, NOW).unwrap();
    assert!(outbox.admits(&batch("0123")) && !outbox.admits(&batch("01234")));
    outbox.handle_ack(ack(1), NOW).unwrap();
    assert!(!outbox.admits(&batch("01234")), "as before");
    outbox.handle_ack(Ack { unacked_bytes_max: 50, ..ack(1) }, NOW).unwrap();
    assert!(outbox.admits(&batch("01234")));
    outbox.handle_opened(&opened(1), NOW).unwrap();
    assert!(outbox.admits(&batch(&"0".repeat(99))), "a new link begins with what `Opened` says");
}

#[test]
fn numbers_go_on_behind_the_servers_last_one() {
    let mut outbox = Outbox::new(1_000);
    assert!(!outbox.admits(&batch("a")), "nothing may be sent before the stream is open");
    outbox.handle_opened(&opened(7), NOW).unwrap();
    assert_eq!(outbox.handle_submit(batch("a"), NOW), Ok(BatchNumber(8)));
    assert_eq!(words(outbox.poll_frames()), "8:a");
    assert_eq!(words(outbox.poll_frames()), "");
}

#[test]
fn what_is_not_durable_is_written_again_and_the_rest_is_not() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(0), NOW).unwrap();
    for text in ["a", "b", "c"] {
        outbox.handle_submit(batch(text), NOW).unwrap();
        outbox.poll_frames();
    }
    outbox.handle_ack(ack(1), NOW).unwrap();
    outbox.handle_disconnected();
    let resumed = outbox.handle_opened(&opened(2), NOW * 3).unwrap();
    assert_eq!(resumed.counts, None);
    assert_eq!(resumed.batches, [AckedBatch { number: BatchNumber(2), rows: 1, latency: NOW * 2 }]);
    assert_eq!(words(outbox.poll_frames()), "3:c");
    assert!(!outbox.is_drained());
    outbox.handle_ack(ack(3), NOW).unwrap();
    assert!(outbox.is_drained());
}

#[test]
fn schema_and_dictionaries_go_out_when_they_change_and_again_on_each_new_link() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(0), NOW).unwrap();
    for batch in [under("S", "d", "a"), under("S", "d", "b"), under("S", "e", "c"), under("T", "e", "d")] {
        outbox.handle_submit(batch, NOW).unwrap();
    }
    let first: Vec<String> = (0..4).map(|_| words(outbox.poll_frames())).collect();
    assert_eq!(first, ["S d 1:a", "2:b", "e 3:c", "T e 4:d"]);
    outbox.handle_disconnected();
    outbox.handle_opened(&opened(1), NOW).unwrap();
    assert_eq!(words(outbox.poll_frames()), "S d 2:b");
}

#[test]
fn the_window_is_the_smaller_of_both_sides_and_always_takes_one_batch() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(0), NOW).unwrap();
    let large = batch(&"x".repeat(150));
    assert!(outbox.admits(&large));
    outbox.handle_submit(large, NOW).unwrap();
    assert!(!outbox.admits(&batch("y")));
    outbox.poll_frames();
    outbox.handle_ack(ack(1), NOW).unwrap();
    assert!(outbox.admits(&batch("y")));
    assert_eq!(outbox.waiting_bytes(), 0);
}

#[test]
fn a_batch_over_the_servers_limits_is_not_taken() {
    let mut outbox = Outbox::new(10_000);
    outbox.handle_opened(&opened(0), NOW).unwrap();
    assert_eq!(
        outbox.handle_submit(batch(&"x".repeat(992)), NOW),
        Err(StreamError::FrameTooLong { bytes: 1_001, bytes_max: 1_000 })
    );
    let rows = EncodedBatch { rows: 11, ..batch("x") };
    assert_eq!(outbox.handle_submit(rows, NOW), Err(StreamError::TooManyRows { rows: 11, rows_max: 10 }));
    assert_eq!(outbox.handle_submit(batch("x"), NOW), Ok(BatchNumber(1)), "a refused batch takes no number");
}

#[test]
fn a_last_number_that_cannot_be_ends_the_stream() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(5), NOW).unwrap();
    assert_eq!(
        outbox.handle_opened(&opened(4), NOW),
        Err(StreamError::ServerForgot { server: BatchNumber(4), acknowledged: BatchNumber(5) })
    );
    assert_eq!(
        outbox.handle_opened(&opened(6), NOW),
        Err(StreamError::NotOurs { server: BatchNumber(6), sent: BatchNumber(5) })
    );
}

#[test]
fn an_acknowledgement_of_what_was_not_written_breaks_the_protocol() {
    let mut outbox = Outbox::new(1_000);
    outbox.handle_opened(&opened(3), NOW).unwrap();
    outbox.handle_submit(batch("a"), NOW).unwrap();
    assert!(matches!(outbox.handle_ack(ack(4), NOW), Err(StreamError::Protocol(_))));
    assert!(matches!(outbox.handle_ack(ack(2), NOW), Err(StreamError::Protocol(_))));
    assert!(outbox.handle_ack(ack(3), NOW).is_ok(), "an acknowledgement may repeat");
}

/// One thing that can happen between an outbox and a server.
#[derive(Debug, Clone, Copy)]
enum Step {
    Submit(u8),
    Write,
    Store,
    Acknowledge,
    Break,
}

proptest! {
    #[test]
    fn whatever_breaks_every_batch_is_stored_once_in_order_under_its_own_dictionary(
        steps in proptest::collection::vec(
            prop_oneof![
                (0u8..3).prop_map(Step::Submit),
                Just(Step::Write),
                Just(Step::Store),
                Just(Step::Acknowledge),
                Just(Step::Break),
            ],
            1..200,
        )
    ) {
        let mut outbox = Outbox::new(1_000_000);
        let limits = Opened { unacked_bytes_max: 1_000_000, ..opened(0) };
        outbox.handle_opened(&limits, NOW).unwrap();
        let mut submitted = 0u64;
        let mut on_the_way = VecDeque::new();
        let mut dictionary = String::new();
        let mut stored = 0u64;
        for step in steps {
            match step {
                Step::Submit(name) => {
                    submitted += 1;
                    let name = format!("D{name}");
                    let number = outbox.handle_submit(under("S", &name, &name), NOW).unwrap();
                    prop_assert_eq!(number, BatchNumber(submitted));
                }
                Step::Write => {
                    on_the_way.extend(words(outbox.poll_frames()).split_whitespace().map(str::to_owned));
                }
                Step::Store => {
                    let Some(word) = on_the_way.pop_front() else { continue };
                    match word.split_once(':') {
                        Some((number, name)) => {
                            stored += 1;
                            prop_assert_eq!(number, stored.to_string());
                            prop_assert_eq!(name, &dictionary);
                        }
                        None => dictionary = word,
                    }
                }
                Step::Acknowledge => {
                    outbox.handle_ack(ack(stored), NOW).unwrap();
                }
                Step::Break => {
                    on_the_way.clear();
                    dictionary.clear();
                    outbox.handle_disconnected();
                    outbox.handle_opened(&Opened { last_number: stored, ..limits.clone() }, NOW).unwrap();
                }
            }
        }
        prop_assert!(outbox.durable() <= BatchNumber(stored));
        prop_assert_eq!(outbox.last_submitted(), BatchNumber(submitted));
    }
}
