//! Messages: their order, dictionaries, compression, and the memory that rows share with them.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::Float64Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use zonelake_ingest::{ArrowDecoder, Refusal};
use zonelake_schemas::wire::control::RefusedCode;

use crate::fixture::{Fixture, Sender, batch, column_text, messages, stored_devices};
use crate::sent::{decode, decode_with, devices, times, with_field};

#[test]
fn a_column_in_its_kept_type_shares_the_memory_of_the_message() {
    let fixture = Fixture::new();
    let messages = messages(&with_field("raw", Arc::new(Float64Array::from(vec![1.0; 1_000]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).unwrap();
    decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
    // An allocation begins at a multiple of 16, and the buffers in a message at multiples of 8.
    let frame = messages.batch;
    let range = frame.as_ptr_range();
    let decoded = decoder.decode(frame, &fixture.context()).unwrap();
    let stored = decoded.stored.unwrap();
    let values = stored.column_by_name("raw").unwrap().as_primitive::<Float64Type>().values();
    assert!(range.contains(&values.as_ptr().cast()));
}

#[test]
fn a_column_that_uses_little_of_the_message_does_not_keep_it_alive() {
    let fixture = Fixture::new();
    let messages = messages(&with_field("pm", Arc::new(Float64Array::from(vec![1.0; 1_000]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema).unwrap();
    decoder.handle_dictionary(messages.dictionaries[0].clone()).unwrap();
    let mut frame = messages.batch.to_vec();
    frame.shrink_to_fit();
    let frame = bytes::Bytes::from(frame);
    // Times are 8 of the 20 bytes of a row; the rest is converted.
    let decoded = decoder.decode(frame.clone(), &fixture.context()).unwrap();
    assert!(frame.is_unique());
    assert_eq!(column_text(&decoded.stored.unwrap(), "time")[999], "2024-12-31T23:59:59.999001Z");
}

#[test]
fn dictionaries_may_grow_by_deltas_and_be_replaced() {
    let fixture = Fixture::new();
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let mut sender = Sender::new(IpcWriteOptions::default());
    let mut decode = |names: &[&str]| {
        let sent = sender.send(&batch(vec![("time", times(names.len())), ("device", devices(names))]));
        if decoder.digest(b"") == ArrowDecoder::new(&fixture.table, fixture.limits.clone()).digest(b"") {
            decoder.handle_schema(&sent.schema).unwrap();
        }
        let sizes: Vec<_> = sent.dictionaries.iter().map(bytes::Bytes::len).collect();
        for dictionary in sent.dictionaries {
            decoder.handle_dictionary(dictionary).unwrap();
        }
        (stored_devices(&decoder.decode(sent.batch, &fixture.context()).unwrap()), decoder.digest(b"x"), sizes.len())
    };
    let (first, digest_ab, sent) = decode(&["a", "b"]);
    assert_eq!(sent, 1);
    let (grown, digest_abc, sent) = decode(&["a", "b", "c"]);
    assert_eq!((grown[..2].to_vec(), sent), (first.clone(), 1));
    assert_eq!(grown[2], fixture.key("c").unwrap().0);
    let (replaced, digest_ba, _) = decode(&["b", "a"]);
    assert_eq!(replaced, [first[1], first[0]]);
    assert!(digest_ab != digest_abc && digest_ab != digest_ba);

    // A sender that starts again sends the grown dictionary whole; its content is the same.
    let mut fresh = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let sent = messages(&batch(vec![("time", times(3)), ("device", devices(&["a", "b", "c"]))]));
    fresh.handle_schema(&sent.schema).unwrap();
    fresh.handle_dictionary(sent.dictionaries[0].clone()).unwrap();
    assert_eq!(fresh.digest(b"x"), digest_abc);
    assert_ne!(fresh.digest(b"x"), fresh.digest(b"y"));
}

#[test]
fn compressed_batches_decode_alike() {
    let fixture = Fixture::new();
    let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 50) / 100.0).collect();
    let sent = with_field("pm", Arc::new(Float64Array::from(values)));
    let plain = decode(&fixture, &sent).unwrap();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let decoded = decode_with(&fixture, &sent, options).unwrap();
        assert_eq!(decoded.stored, plain.stored, "{codec:?}");
    }
}

#[test]
fn messages_out_of_order_are_refused() {
    let fixture = Fixture::new();
    let sent = messages(&with_field("pm", Arc::new(Float64Array::from(vec![1.0]))));
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let code = |result: Result<(), Refusal>| result.unwrap_err().code;
    assert_eq!(code(decoder.decode(sent.batch.clone(), &fixture.context()).map(drop)), RefusedCode::Protocol);
    assert_eq!(code(decoder.handle_dictionary(sent.dictionaries[0].clone())), RefusedCode::Protocol);
    assert_eq!(code(decoder.handle_schema(&sent.batch)), RefusedCode::BadPayload);
    decoder.handle_schema(&sent.schema).unwrap();
    assert_eq!(code(decoder.decode(sent.batch.clone(), &fixture.context()).map(drop)), RefusedCode::Protocol);
    assert_eq!(code(decoder.decode(sent.schema.clone(), &fixture.context()).map(drop)), RefusedCode::BadPayload);
    assert_eq!(code(decoder.handle_dictionary(sent.batch.clone())), RefusedCode::BadPayload);
}

#[test]
fn an_index_outside_of_its_dictionary_is_refused() {
    let fixture = Fixture::new();
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    let two = messages(&batch(vec![("time", times(2)), ("device", devices(&["a", "b"]))]));
    let one = messages(&batch(vec![("time", times(1)), ("device", devices(&["a"]))]));
    decoder.handle_schema(&two.schema).unwrap();
    decoder.handle_dictionary(one.dictionaries[0].clone()).unwrap();
    let refusal = decoder.decode(two.batch, &fixture.context()).unwrap_err();
    assert_eq!(refusal.code, RefusedCode::BadPayload);
    assert!(refusal.message.contains("column device, row 1: index 1"), "{refusal}");
}
