//! Arrow messages that lie: nothing of them panics, reads outside of the message, or reserves what it claims.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]
#![expect(unsafe_code, reason = "a counting allocator is the only way to see what was reserved")]

mod fixture;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use bytes::Bytes;
use fixture::{Fixture, Messages, NOW_US, Sender, batch};
use proptest::prelude::*;
use zonelake_ingest::ArrowDecoder;
use zonelake_schemas::wire::control::RefusedCode;

/// Notes the largest single reservation.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it hands everything to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// A batch of every kind of column, with nulls.
fn sent(compression: Option<CompressionType>, rows: usize) -> Messages {
    let some = |row: usize| !row.is_multiple_of(3);
    let texts = |row: usize| some(row).then(|| format!("text number {row}, longer than a view holds"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![NOW_US; rows]).with_timezone("UTC"))),
        (
            "device",
            Arc::new((0..rows).map(|row| if row % 2 == 0 { "a" } else { "b" }).collect::<DictionaryArray<Int32Type>>()),
        ),
        ("quality", Arc::new((0..rows).map(|row| some(row).then_some("good")).collect::<StringArray>())),
        ("pm", Arc::new((0..rows).map(|row| some(row).then_some(row as f64 / 100.0)).collect::<Float64Array>())),
        ("raw", Arc::new((0..rows).map(|row| Some(row as f64 / 3.0)).collect::<Float64Array>())),
        ("count", Arc::new((0..rows).map(|row| some(row).then_some(row as i64)).collect::<Int64Array>())),
        ("on", Arc::new((0..rows).map(|row| some(row).then_some(true)).collect::<BooleanArray>())),
        ("note", Arc::new((0..rows).map(texts).collect::<StringViewArray>())),
    ];
    Sender::new(IpcWriteOptions::default().try_with_compression(compression).unwrap()).send(&batch(columns))
}

/// Runs a whole stream; refusals are fine, panics are not.
fn run(fixture: &Fixture, messages: &Messages) -> Option<u64> {
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).ok()?;
    for dictionary in &messages.dictionaries {
        decoder.handle_dictionary(dictionary.clone()).ok()?;
    }
    let decoded = decoder.decode(messages.batch.clone(), &fixture.context()).ok()?;
    assert_eq!(decoded.stored.map_or(0, |stored| stored.num_rows()) as u64, decoded.rows);
    Some(decoded.rows)
}

fn mutated(bytes: &Bytes, at: usize, value: u8, length: Option<usize>) -> Bytes {
    let mut bytes = bytes.to_vec();
    let end = bytes.len();
    bytes[at % end] = value;
    bytes.truncate(length.map_or(end, |length| length % (end + 1)));
    bytes.into()
}

fn codec() -> impl Strategy<Value = Option<CompressionType>> {
    prop_oneof![Just(None), Just(Some(CompressionType::LZ4_FRAME)), Just(Some(CompressionType::ZSTD))]
}

#[test]
fn the_unchanged_messages_decode() {
    let fixture = Fixture::new();
    for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        assert_eq!(run(&fixture, &sent(codec, 100)), Some(100), "{codec:?}");
    }
}

#[test]
fn every_byte_of_every_message_may_be_anything() {
    let mut fixture = Fixture::new();
    fixture.limits.decompressed_bytes_max = 1 << 20;
    for codec in [None, Some(CompressionType::LZ4_FRAME)] {
        let whole = sent(codec, 9);
        for value in [0x00, 0x7F, 0x80, 0xFF] {
            for at in 0..whole.schema.len() {
                run(
                    &fixture,
                    &Messages {
                        schema: mutated(&whole.schema, at, value, None),
                        dictionaries: whole.dictionaries.clone(),
                        batch: whole.batch.clone(),
                    },
                );
            }
            for at in 0..whole.dictionaries[0].len() {
                let dictionaries = vec![mutated(&whole.dictionaries[0], at, value, None)];
                run(&fixture, &Messages { schema: whole.schema.clone(), dictionaries, batch: whole.batch.clone() });
            }
            for at in 0..whole.batch.len() {
                run(
                    &fixture,
                    &Messages {
                        schema: whole.schema.clone(),
                        dictionaries: whole.dictionaries.clone(),
                        batch: mutated(&whole.batch, at, value, None),
                    },
                );
            }
        }
    }
}

#[test]
fn a_message_cut_at_any_point_is_refused() {
    let fixture = Fixture::new();
    let whole = sent(None, 9);
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&whole.schema).unwrap();
    for dictionary in &whole.dictionaries {
        decoder.handle_dictionary(dictionary.clone()).unwrap();
    }
    for length in 0..whole.batch.len() {
        let refusal = decoder.decode(whole.batch.slice(..length), &fixture.context()).unwrap_err();
        assert_eq!(refusal.code, RefusedCode::BadPayload);
    }
    let mut longer = whole.batch.to_vec();
    longer.push(0);
    assert_eq!(decoder.decode(longer.into(), &fixture.context()).unwrap_err().code, RefusedCode::BadPayload);
}

#[test]
fn a_claim_of_four_gibibytes_uncompressed_reserves_nothing() {
    let fixture = Fixture::new();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let whole = sent(Some(codec), 4_000);
        let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
        decoder.handle_schema(&whole.schema).unwrap();
        for dictionary in &whole.dictionaries {
            decoder.handle_dictionary(dictionary.clone()).unwrap();
        }
        // The claims are i64 at the start of buffers, which begin at multiples of 8.
        let claims = [32_000i64, 4_000 * 8 + 8, 16_000];
        let body = whole.batch.clone();
        let mut found = 0;
        for at in (0..body.len() - 8).step_by(8) {
            let claim = i64::from_le_bytes(body[at..at + 8].try_into().unwrap());
            if !claims.contains(&claim)
                || body.get(at + 8..at + 12).is_none_or(|magic| {
                    magic != 0x184D_2204_u32.to_le_bytes() && magic != 0xFD2F_B528_u32.to_le_bytes()
                })
            {
                continue;
            }
            found += 1;
            let mut lying = body.to_vec();
            lying[at..at + 8].copy_from_slice(&(4i64 << 30).to_le_bytes());
            LARGEST.store(0, Ordering::Relaxed);
            let refusal = decoder.decode(lying.into(), &fixture.context()).unwrap_err();
            assert_eq!(refusal.code, RefusedCode::TooLarge, "{refusal}");
            assert!(LARGEST.load(Ordering::Relaxed) < 1 << 30);
        }
        assert!(found >= 3, "{codec:?}: {found} claims found");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn mutated_batches_never_panic(
        codec in codec(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        length in proptest::option::of(any::<usize>()),
        rows in 1usize..200,
    ) {
        let mut fixture = Fixture::new();
        fixture.limits.decompressed_bytes_max = 4 << 20;
        let whole = sent(codec, rows);
        let mut batch = whole.batch.clone();
        for (at, value) in changes {
            batch = mutated(&batch, at, value, None);
        }
        let batch = mutated(&batch, 0, 0xFF, length);
        run(&fixture, &Messages { batch, ..whole });
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), has_marker in any::<bool>()) {
        let fixture = Fixture::new();
        let whole = sent(None, 3);
        let mut bytes = bytes;
        if has_marker && bytes.len() > 8 {
            bytes[..8].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 16, 0, 0, 0]);
        }
        let bytes = Bytes::from(bytes);
        let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
        prop_assert!(decoder.handle_schema(&bytes).is_err());
        decoder.handle_schema(&whole.schema).unwrap();
        prop_assert!(decoder.handle_dictionary(bytes.clone()).is_err());
        for dictionary in whole.dictionaries {
            decoder.handle_dictionary(dictionary).unwrap();
        }
        prop_assert!(decoder.decode(bytes, &fixture.context()).is_err());
    }
}
