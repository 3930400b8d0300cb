//! The examples in `docs/protocol.md` are what the code writes and reads.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use arrow::ipc::reader::StreamDecoder;
use prost::Message;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused, RefusedCode, Rejection};
use zonelake_schemas::wire::frame::{
    CONTROL_BYTES_MAX, FrameHeader, FrameKind, HEADER_BYTES, OPENED_BYTES_MAX, batch_prefix, control_frame, split_batch,
};

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// The blocks that are marked as `hex NAME`, without their comments.
fn examples() -> BTreeMap<String, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    for line in DOCUMENT.lines() {
        match (line.strip_prefix("```hex "), &mut open) {
            (Some(name), _) => open = Some((name.to_owned(), Vec::new())),
            (None, Some(_)) if line == "```" => examples.extend(open.take()),
            (None, Some((_, bytes))) => {
                let digits = line.split('#').next().unwrap().split_whitespace();
                bytes.extend(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()));
            }
            (None, None) => {}
        }
    }
    examples
}

#[test]
fn control_frames_are_written_as_the_document_shows() {
    let examples = examples();
    let open = Open {
        token: "zl_x".into(),
        producer: "p".into(),
        epoch: 1,
        table: "energy".into(),
        lane: 2,
        encoding: Encoding::Arrow as i32,
        ..Open::default()
    };
    assert_eq!(examples["open"], control_frame(FrameKind::Open, &open));
    let opened = Opened {
        last_number: 299,
        frame_bytes_max: 16 << 20,
        batch_rows_max: 131_072,
        schema_version: 1,
        server_time_us: 1_735_689_600_000_000,
        unacked_bytes_max: 32 << 20,
        ..Opened::default()
    };
    assert_eq!(examples["opened"], control_frame(FrameKind::Opened, &opened));
    let rejection = Rejection { number: 300, reason: "out_of_range".into(), count: 1, first: "row 0: x".into() };
    let ack =
        Ack { number: 302, rows: 2, readings: 1, rejected_readings: 1, rejections: vec![rejection], ..Ack::default() };
    assert_eq!(examples["ack"], control_frame(FrameKind::Ack, &ack));
    let refused = Refused {
        code: RefusedCode::Unavailable as i32,
        message: "the disk is full".into(),
        number: 301,
        last_number: 300,
        retry_after_ms: 5_000,
    };
    assert_eq!(examples["refused"], control_frame(FrameKind::Refused, &refused));
    assert_eq!(Open::decode(&examples["open"][HEADER_BYTES..]), Ok(open));
}

#[test]
fn lines_are_framed_as_the_document_shows() {
    let payload = b"energy,device=m1 active_energy=1.5 1735689600000000000\n";
    let frame = [&batch_prefix(BatchNumber(300), payload.len())[..], payload].concat();
    assert_eq!(examples()["batch-line"], frame);
}

#[test]
fn arrow_frames_of_the_document_hold_the_row_that_it_tells() {
    let examples = examples();
    let mut decoder = StreamDecoder::new();
    let mut read = |name: &str, kind: FrameKind| -> Option<RecordBatch> {
        let frame = &examples[name];
        let header = FrameHeader::decode(frame[..HEADER_BYTES].try_into().unwrap(), 10_000).unwrap();
        assert_eq!((header.kind, header.body_bytes), (kind, frame.len() - HEADER_BYTES), "{name}");
        let mut message = &frame[HEADER_BYTES..];
        if kind == FrameKind::Batch {
            let (number, payload) = split_batch(message).unwrap();
            assert_eq!(number, BatchNumber(1));
            message = payload;
        }
        decoder.decode(&mut Buffer::from(message)).unwrap()
    };
    assert!(read("arrow-schema", FrameKind::Schema).is_none());
    assert!(read("arrow-dictionary", FrameKind::Dictionary).is_none());
    let batch = read("arrow-batch", FrameKind::Batch).unwrap();
    assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 1_735_689_600_000_000);
    let device = batch.column(1).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
    assert_eq!(device.into_iter().collect::<Vec<_>>(), [Some("m1")]);
    assert_eq!(batch.column(2).as_primitive::<Float64Type>().value(0), 1.5);
}

#[test]
fn every_refusal_and_limit_of_the_frames_stands_in_the_document() {
    for code in (1..).map_while(|code| RefusedCode::try_from(code).ok()) {
        let name: String = format!("{code:?}").chars().fold(String::new(), |mut name, letter| {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
            name
        });
        let row = format!("| {} | {name} |", code as i32);
        assert!(DOCUMENT.contains(&row), "{row}");
    }
    for reason in zonelake_schemas::RejectReason::ALL {
        let of = if reason.takes_row() { "row" } else { "reading" };
        let row = format!("| `{}` | {of} |", reason.name());
        assert!(DOCUMENT.contains(&row), "{row}");
    }
    for (frame, limit) in [("1 | Open | gateway", CONTROL_BYTES_MAX), ("2 | Opened | server", OPENED_BYTES_MAX)] {
        let digits = limit.to_string();
        let thousands: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        assert!(DOCUMENT.contains(&format!("| {frame} | {} |", thousands.join(","))), "{frame}");
    }
}
