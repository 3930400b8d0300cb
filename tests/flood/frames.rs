//! Frames that keep to the protocol and harm by their cost or their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use zonelake_gateway::{ArrowEncoder, Compression};
use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::wire::frame::FrameKind;

use crate::bystanders::{Bystanders, alone, lasting, runtime};
use crate::installation::Installation;
use crate::quic_offender::{Sender, batch_frame, config, endpoint, frame, with_receive_window};

/// Fields of the table `environment` that take a double.
const FIELDS: [&str; 36] = [
    "pm2_5",
    "pm10",
    "tsp",
    "so2",
    "no2",
    "co",
    "o3",
    "h2s",
    "nh3",
    "temperature",
    "humidity",
    "pressure",
    "dew_point",
    "rain",
    "wind_direction",
    "wind_speed",
    "noise",
    "noise_max",
    "flow",
    "flow_in",
    "water_temperature",
    "ph",
    "cod",
    "bod5",
    "toc",
    "tss",
    "nh4_n",
    "total_n",
    "total_p",
    "color",
    "dissolved_oxygen",
    "residual_chlorine",
    "oil",
    "phenol",
    "cyanide",
    "iron",
];

/// Most rows of a batch.
const ROWS: usize = 131_072;

/// Memory that a server may take beside floods: what its limits add up to, see docs/security.md.
const MEMORY_MAX: u64 = 1_400 << 20;

/// Schema message and payload of a batch of some hundred kilobytes that is about 41 MB in memory.
fn expensive_batch() -> (Vec<u8>, Vec<u8>) {
    let time = TimestampMicrosecondArray::from_value(1_700_000_000_000_000, ROWS).with_timezone("UTC");
    let device = StringArray::from_iter_values(std::iter::repeat_n("o", ROWS));
    let value: ArrayRef = Arc::new(Float64Array::from_value(1.0, ROWS));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("time", Arc::new(time)), ("device", Arc::new(device))];
    columns.extend(FIELDS.map(|field| (field, Arc::clone(&value))));
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut encoder = ArrowEncoder::new(&batch.schema(), Compression::Zstd).expect("it can compress so");
    let encoded = encoder.encode(&batch).expect("it is of the encoder's schema");
    assert!(encoded.payload.len() < 1 << 20, "small on the wire: {}", encoded.payload.len());
    (encoded.prelude.schema().expect("Arrow has one").to_vec(), encoded.payload.to_vec())
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn small_frames_that_cost_much_slow_their_sender_alone() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("offender");
    let bystanders = Bystanders::start(&place, &server);
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), zonelake_schemas::wire::ALPN);
    let batch = Arc::new(expensive_batch());
    let generation = AtomicU64::new(0);
    bystanders.survive("frames of 41 MB", &server, MEMORY_MAX, &|| {
        let round = generation.fetch_add(1, Ordering::Relaxed);
        let sent = Arc::new(AtomicU64::new(0));
        runtime().block_on(async {
            let mut streams = Vec::new();
            for connection in 0..4u64 {
                let endpoint = endpoint(0);
                let connecting = endpoint.connect_with(client.clone(), target, "localhost").expect("an address");
                let link = connecting.await.expect("it connects");
                for stream in 0..30u64 {
                    let sender = Sender {
                        token: token.clone(),
                        producer: format!("o-{round}-{connection}-{stream}"),
                        table: "environment",
                        encoding: Encoding::Arrow,
                    };
                    streams.push(tokio::spawn(send_expensive(sender, link.clone(), batch.clone(), Arc::clone(&sent))));
                }
            }
            tokio::time::sleep(lasting()).await;
            streams.iter().for_each(tokio::task::JoinHandle::abort);
        });
        format!("{} sent", sent.load(Ordering::Relaxed))
    });
    bystanders.finish(&server);
    assert!(!place.log().contains("panicked"), "{}", place.log());
}

/// Sends a batch forty times on a stream of its own, as fast as the server lets it.
async fn send_expensive(sender: Sender, link: quinn::Connection, batch: Arc<(Vec<u8>, Vec<u8>)>, sent: Arc<AtomicU64>) {
    let Some((mut up, mut down)) = sender.open(&link).await else { return };
    // Acknowledgements are read, so that nothing but the cost of the frames is tried.
    tokio::spawn(async move { while let Ok(Some(_)) = down.read_chunk(1 << 16, true).await {} });
    let _ = up.write_all(&frame(FrameKind::Schema, &batch.0)).await;
    for number in 1..=40 {
        if up.write_all(&batch_frame(number, &batch.1)).await.is_err() {
            return;
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn a_client_that_reads_no_acknowledgements_and_repeats_its_batch_takes_bounded_memory() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("offender");
    let bystanders = Bystanders::start(&place, &server);
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), zonelake_schemas::wire::ALPN);
    // Room for the answer to the opening and a little more, which nobody reads.
    let client = with_receive_window(client, 64 << 10);
    bystanders.survive("repeated batches, nothing read", &server, 600 << 20, &|| {
        let sent = Arc::new(AtomicU64::new(0));
        runtime().block_on(async {
            let endpoint = endpoint(0);
            let link = endpoint.connect_with(client.clone(), target, "localhost").expect("an address").await;
            let link = link.expect("it connects");
            let mut streams = Vec::new();
            for stream in 0..30u64 {
                let sender = Sender {
                    token: token.clone(),
                    producer: format!("o-{stream}"),
                    table: "environment",
                    encoding: Encoding::Line,
                };
                let (link, sent) = (link.clone(), Arc::clone(&sent));
                streams.push(tokio::spawn(async move {
                    // What is not read stays in `down`, which must live as long as the stream.
                    let Some((mut up, _down)) = sender.open(&link).await else { return };
                    let batch = batch_frame(1, b"environment,device=o temperature=20 1700000000000000000");
                    let many: Vec<u8> = batch.repeat(1_000);
                    while up.write_all(&many).await.is_ok() {
                        sent.fetch_add(1_000, Ordering::Relaxed);
                    }
                }));
            }
            tokio::time::sleep(lasting()).await;
            streams.iter().for_each(tokio::task::JoinHandle::abort);
            tokio::time::sleep(Duration::from_millis(10)).await;
        });
        format!("{} sent", sent.load(Ordering::Relaxed))
    });
    bystanders.finish(&server);
    assert!(!place.log().contains("panicked"), "{}", place.log());
}
