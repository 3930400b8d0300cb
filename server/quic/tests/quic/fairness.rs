//! A gateway that asks too much, beside one that does not: the first one waits, the second one does not notice.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::array::{TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{Field, Int32Type, Schema};
use quinn::{TransportConfig, VarInt};
use zonelake_gateway::{ArrowEncoder, Compression, EncodedBatch};
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::{Open, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, batch_prefix};

use crate::dialogue::{Dialogue, Running, Setting, batch_of, doubles, open};
use crate::refusals::others_go_on;

/// Rows of a batch that is small on the wire.
const ROWS: usize = 65_536;

/// Rows of one device with a value for each field of `server`'s table `environment`, all the same: some kilobytes on the
/// wire, and twenty megabytes decoded.
fn small_on_the_wire(server: &Running) -> EncodedBatch {
    let device =
        DictionaryArray::<Int32Type>::new(Int32Array::from_value(0, ROWS), Arc::new(StringArray::from(vec!["kk-00"])));
    let time = TimestampMicrosecondArray::from_value(1_767_225_600_000_000, ROWS).with_timezone("UTC");
    let mut columns: Vec<(String, ArrayRef)> =
        vec![("time".into(), Arc::new(time)), ("device".into(), Arc::new(device))];
    let registered = &server.table("environment").registered;
    for (index, field) in registered.def.fields.iter().enumerate() {
        // One value alone is stored; the others are nulls, which take no memory and no disk once they are decoded.
        let values: ArrayRef = match index {
            0 => Arc::new(Float64Array::from_value(1.0, ROWS)),
            _ => new_null_array(registered.schemas.wire.field_with_name(&field.name).unwrap().data_type(), ROWS),
        };
        columns.push((field.name.clone(), values));
    }
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    ArrowEncoder::new(&batch.schema(), Compression::Zstd).unwrap().encode(&batch).unwrap()
}

fn production(token: &str, producer: &str) -> Open {
    Open { table: "production".into(), ..open(token, producer) }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_frames_of_one_gateway_that_decode_to_much_do_not_hold_up_another_gateway() {
    let mut setting = Setting::new();
    setting.live_bytes_max = 2 << 30;
    let server = Arc::new(setting.start().await);
    let (offender, good) = (server.token("offender", "vung-ang"), server.token("good", "phu-vinh"));
    let batch = Arc::new(small_on_the_wire(&server));
    assert!(batch.payload.len() < 200_000, "{} bytes on the wire", batch.payload.len());
    let mut senders = Vec::new();
    for of_connection in 0..3 {
        let connection = server.connect().await;
        for of_stream in 0..16 {
            let (connection, batch) = (connection.clone(), Arc::clone(&batch));
            let open = open(&offender, &format!("p-{of_connection}-{of_stream}"));
            senders.push(tokio::spawn(async move {
                let mut dialogue = Dialogue::on(connection).await;
                dialogue.open(&open).await;
                for number in 1..=4 {
                    dialogue.send_batch(number, &batch).await;
                }
                dialogue.acknowledged(4).await.rows
            }));
        }
    }
    let (mut dialogue, _) = server.opened(production(&good, "good")).await;
    let of_offender = || server.rows("environment") / ROWS;
    while of_offender() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // How many batches of the offender are stored while one of the other gateway is under way. With one queue for all
    // they would be as many as it has streams.
    let mut passed = Vec::new();
    for number in 1..=10 {
        let before = of_offender();
        dialogue.send_batch(number, &batch_of("temperature", doubles(&[1.0]))).await;
        dialogue.acknowledged(number).await;
        passed.push(of_offender() - before);
    }
    passed.sort_unstable();
    assert!(passed[5] <= 6, "batches of the offender that went before one of the other gateway: {passed:?}");
    let mut rows = 0;
    for sender in senders {
        rows += sender.await.unwrap();
    }
    assert_eq!(rows, 48 * 4 * ROWS as u64, "what the offender sent is stored all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_stored_is_answered_by_its_digest_and_not_decoded() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch).await;
    dialogue.acknowledged(1).await;
    for _ in 0..10 {
        dialogue.send_payload(1, &batch).await;
        assert_eq!(dialogue.answer().await.ack().repeated_batches, 1);
    }
    // Bytes that are no batch at all: if they were decoded, they would be refused for that.
    dialogue.send_frame(FrameKind::Batch, &[1u64.to_le_bytes().as_slice(), b"no Arrow"].concat()).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number), (RefusedCode::OtherContent, 1), "{}", refused.message);
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_acknowledgements_is_closed_and_takes_no_more_memory_than_it_may() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    // Room for `Opened`, and for some acknowledgements behind it.
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(12_000)).receive_window(VarInt::from_u32(12_000));
    let connection = server.connect_with(server.address, ALPN, transport).await.unwrap();
    let mut dialogue = Dialogue::on(connection.clone()).await;
    dialogue.open(&open(&token, "p")).await;
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    dialogue.send_batch(1, &batch).await;
    let flood = async {
        let mut sent = 0u64;
        let frame = batch_prefix(BatchNumber(1), batch.payload.len());
        let frame = [frame.as_slice(), &batch.payload].concat();
        while dialogue.up.write_all(&frame).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let (sent, reason) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(flood, connection.closed()) })
            .await
            .expect("the server closes it");
    assert!(reason.to_string().contains("not read"), "{reason}");
    assert!(sent > 100, "it has sent {sent} batches");
    for _ in 0..100 {
        if server.pipeline.bytes_in_flight() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.pipeline.bytes_in_flight(), 0);
    assert_eq!(server.rows("environment"), 1);
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_frame_may_take_as_long_as_its_link_needs_while_it_moves() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&vec![1.0; 10_000]));
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_frame(FrameKind::Schema, batch.prelude.schema().unwrap()).await;
    for (_, dictionary) in batch.prelude.dictionaries() {
        dialogue.send_frame(FrameKind::Dictionary, dictionary).await;
    }
    let frame = batch_prefix(BatchNumber(1), batch.payload.len());
    let frame = [frame.as_slice(), &batch.payload].concat();
    assert!(frame.len() > 150_000);
    // A frame may take one second here as a whole where it is small. This one takes more than two.
    for part in frame.chunks(40_000) {
        dialogue.send(part).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(dialogue.acknowledged(1).await.rows, 10_000);

    // One that moves next to nothing is given up, as one that stands still.
    for part in frame[..100_000].chunks(2_000).chain(std::iter::repeat_n(&[0u8; 100][..], 20)) {
        dialogue.send(part).await;
        if part.len() < 2_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let refused = dialogue.answer().await.refused();
    assert!(refused.message.contains("did not arrive whole"), "{}", refused.message);
    others_go_on(&server).await;
}
