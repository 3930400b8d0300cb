//! Every limit of the QUIC interface, exceeded: a clear word for the offender, nothing of it stored, and others go on.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use zonelake_gateway::{ArrowEncoder, Compression};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, control_frame};

use crate::dialogue::{Dialogue, FRAME_BYTES_MAX, Setting, batch_of, doubles, open};
use crate::refusals::others_go_on;
use crate::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_in_all_are_refused_and_those_that_are_open_go_on() {
    let setting = Setting { connections_max: 2, ..Setting::new() };
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut good, _) = server.opened(open(&token, "p")).await;
    let _second = server.opened(open(&token, "second")).await;
    let error = server.try_connect(ALPN).await.expect_err("two are allowed").to_string();
    assert!(error.contains("refused"), "{error}");
    good.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    good.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_beyond_the_first_of_a_second_prove_their_address_and_beyond_that_are_refused() {
    let setting = Setting { handshakes_per_second_max: 6, ..Setting::new() };
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut good, _) = server.opened(open(&token, "p")).await;
    let mut kept = Vec::new();
    let error = loop {
        match server.try_connect(ALPN).await {
            Ok(connection) => kept.push(connection),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("refused"), "{error}");
    assert!(kept.len() >= 10, "six as they come and six with a token, not {}", kept.len());
    let metrics = server.pipeline.metrics();
    assert!(metrics.handshakes_retried.get() >= 6 && metrics.connections_refused.get() >= 1);
    good.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    good.acknowledged(1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.try_connect(ALPN).await.is_ok(), "a second later it may come again");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_senders_that_hear_no_answer_take_a_quarter_of_the_places_and_keep_nobody_out() {
    let setting = Setting { handshakes_max: 8, ..Setting::new() };
    let server = Arc::new(setting.start().await);
    // As with a forged address, nothing that the server sends ever arrives.
    let relay = Relay::to(server.address).await;
    relay.lose(false, true);
    let forged: Vec<_> = (0..30)
        .map(|_| {
            let (server, way) = (Arc::clone(&server), relay.address);
            tokio::spawn(async move { server.connect_by(way, ALPN).await.is_ok() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let metrics = server.pipeline.metrics();
    assert_eq!(metrics.connections.get(), 2, "two of eight may have addresses that were not validated");
    assert!(metrics.handshakes_retried.get() >= 28, "{} were asked for proof", metrics.handshakes_retried.get());
    let good = tokio::time::timeout(Duration::from_secs(1), others_go_on(&server)).await;
    good.expect("a sender that answers gets in at once");
    forged.iter().for_each(|forged| forged.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_the_limit_waits_for_another_to_end_and_other_connections_do_not() {
    let setting = Setting::new();
    let server = setting.start().await;
    let connection = server.connect().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut dialogue = Dialogue::on(connection.clone()).await;
        dialogue.send(&[1]).await;
        streams.push(dialogue);
    }
    let seventeenth = tokio::time::timeout(Duration::from_millis(200), connection.open_bi()).await;
    assert!(seventeenth.is_err(), "sixteen are allowed");
    others_go_on(&server).await;
    assert!(streams[0].answer().await.refused().message.contains("no Open frame"));
    streams.clear();
    let next = tokio::time::timeout(Duration::from_secs(5), connection.open_bi()).await;
    next.expect("an ended stream gives its place back").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_too_many_rows_or_devices_is_refused() {
    let mut setting = Setting::new();
    setting.decode.batch_rows_max = 4;
    setting.decode.batch_devices_max = 2;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    for (values, words) in [([1.0; 5].as_slice(), "5 rows"), ([1.0; 3].as_slice(), "rows of 3 devices")] {
        let (mut dialogue, opened) = server.opened(open(&token, "p")).await;
        assert_eq!(opened.batch_rows_max, 4);
        dialogue.send_batch(1, &batch_of("pm2_5", doubles(values))).await;
        let refused = dialogue.answer().await.refused();
        assert_eq!(refused.code(), RefusedCode::TooLarge, "{}", refused.message);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    assert_eq!(server.rows("environment") + server.rows("rejected"), 0);
    assert!(server.store.registry().devices().is_empty(), "none of them was registered");
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_frame_that_grows_too_large_is_refused_before_it_grows() {
    let mut setting = Setting::new();
    setting.decode.decompressed_bytes_max = 1 << 20;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let text = "x".repeat(2 << 20);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(vec![SystemClock::default().wall_us()]).with_timezone("UTC")),
        ),
        ("device", Arc::new(StringArray::from(vec![text.as_str()]))),
        ("pm2_5", doubles(&[1.0])),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    assert_eq!(schema.field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let rows = RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect()).unwrap();
    let batch = ArrowEncoder::new(&rows.schema(), Compression::Zstd).unwrap().encode(&rows).unwrap();
    assert!(batch.payload.len() < 10_000, "it is small on the wire: {} bytes", batch.payload.len());
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!(refused.code(), RefusedCode::TooLarge, "{}", refused.message);
    assert!(refused.message.contains("1048576"), "{}", refused.message);
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_makes_up_devices_is_stopped_alone_and_its_known_ones_go_on() {
    let mut setting = Setting::new();
    setting.decode.new_devices_per_hour_max = 3;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0; 3]))).await;
    dialogue.acknowledged(1).await;
    // The rows of a new device are rejected, and those of the known ones are stored.
    dialogue.send_batch(2, &batch_of("pm2_5", doubles(&[1.0; 4]))).await;
    let ack = dialogue.answer().await.ack();
    assert_eq!((ack.rows, ack.rejected_rows), (3, 1));
    let [rejection] = &ack.rejections[..] else { panic!("{ack:?}") };
    assert_eq!(rejection.reason, "unknown_device");
    assert!(rejection.first.contains("gateway g has registered as many"), "{}", rejection.first);
    assert_eq!(server.store.registry().devices().len(), 3);
    assert_eq!((server.rows("environment"), server.rows("rejected")), (6, 1));
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_slow_with_the_head_of_a_frame_is_refused_as_with_its_body() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut slow, _) = server.opened(open(&token, "p")).await;
    // Nothing for longer than a frame may take is fine between frames.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    slow.send(&[200, 0]).await;
    let refused = slow.answer().await.refused();
    assert_eq!(refused.code(), RefusedCode::Protocol);
    assert!(refused.message.contains("did not arrive whole within 1s"), "{}", refused.message);
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_token_is_closed_in_time_and_one_with_a_token_is_not() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut known, _) = server.opened(open(&token, "p")).await;
    let silent = server.connect().await;
    let (wrong, answer) = server.open(open("zl_wrong", "p")).await;
    assert_eq!(answer.refused().code(), RefusedCode::Token);
    for unauthenticated in [&silent, &wrong.connection] {
        let closed = tokio::time::timeout(Duration::from_secs(4), unauthenticated.closed()).await;
        let reason = closed.expect("two seconds are allowed here").to_string();
        assert!(reason.contains("no stream was opened with a token"), "{reason}");
    }
    known.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    known.acknowledged(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_can_put_into_memory_is_bounded() {
    let setting = Setting::new();
    let server = setting.start().await;
    let connection = server.connect().await;
    let mut dialogue = Dialogue::on(connection.clone()).await;
    // A frame that may not come first, of which nothing but the head is ever read.
    let flood = async {
        dialogue.send(&FrameHeader { kind: FrameKind::Open, body_bytes: 60_000 }.encode()[..HEADER_BYTES - 1]).await;
        let (mut second, _) = connection.open_bi().await.unwrap();
        while second.write_all(&[0; 65_536]).await.is_ok() {}
    };
    drop(tokio::time::timeout(Duration::from_millis(500), flood).await);
    let sent = connection.stats().udp_tx.bytes;
    assert!(sent < 300_000, "{sent} bytes were let through");
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_gateway_that_sends_slowly_on_all_its_streams_leaves_room_for_others() {
    // A budget of two frames, and as much for what is decoded: the quota of one gateway is one of the frames.
    let mut setting = Setting { frame_timeout: Duration::from_secs(6), ..Setting::new() };
    setting.pipeline.buffered_bytes_max = 4 * FRAME_BYTES_MAX as u64;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let mut slow = Vec::new();
    for producer in ["a", "b", "c", "d"] {
        let (mut dialogue, _) = server.opened(open(&token, producer)).await;
        dialogue.send(&FrameHeader { kind: FrameKind::Batch, body_bytes: FRAME_BYTES_MAX - 1 }.encode()).await;
        slow.push(dialogue);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = SystemClock::default();
    let from = began.monotonic();
    others_go_on(&server).await;
    let took = began.monotonic() - from;
    assert!(took < Duration::from_secs(5), "others waited {took:?} for frames that take six seconds to be given up");
    for mut dialogue in slow {
        assert!(dialogue.answer().await.refused().message.contains("did not arrive whole"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_sends_ahead_of_its_acknowledgements_waits_and_is_all_stored() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, opened) = server.opened(open(&token, "p")).await;
    assert_eq!(opened.unacked_bytes_max, 4 << 20);
    let batch = batch_of("pm2_5", doubles(&vec![1.0; 10_000]));
    let frames = 2 * opened.unacked_bytes_max / batch.payload.len() as u64;
    for number in 1..=frames {
        dialogue.send_batch(number, &batch).await;
    }
    assert_eq!(dialogue.acknowledged(frames).await.rows, 10_000 * frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_that_is_too_long_is_refused() {
    let setting = Setting::new();
    let server = setting.start().await;
    let mut dialogue = Dialogue::on(server.connect().await).await;
    dialogue.send(&control_frame(FrameKind::Open, &open(&"x".repeat(70_000), "p"))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!(refused.code(), RefusedCode::TooLarge, "{}", refused.message);
    others_go_on(&server).await;
}
