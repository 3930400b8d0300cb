//! The bytes of a stream to frames, as a session cuts them, and the digest of each batch.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_ingest::ArrowDecoder;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::frame::{FrameHeader, HEADER_BYTES, batch_prefix, split_batch};

use crate::harness::{DECIMALS, Form, Harness, LARGE, SMALL};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "frame");
    for rows in [LARGE, SMALL] {
        group.throughput(Throughput::Elements((8 * rows * FRAMES) as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new("cut", rows), |bencher| {
            let (_, sent) = prepared.get_or_insert_with(|| prepare(DECIMALS, rows));
            bencher.iter(|| cut(sent));
        });
        group.bench_function(BenchmarkId::new("digest", rows), |bencher| {
            let (decoder, sent) = prepared.get_or_insert_with(|| prepare(DECIMALS, rows));
            let payloads = cut(sent);
            bencher.iter(|| payloads.iter().fold(0, |all, payload| all ^ decoder.digest(black_box(payload))));
        });
    }
    group.finish();
}

/// Each frame's payload in a buffer of its own.
fn cut(sent: &[u8]) -> Vec<Bytes> {
    let mut rest = sent;
    let mut payloads = Vec::with_capacity(FRAMES);
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let header = FrameHeader::decode(*header, FRAME_BYTES_MAX).expect("it is a frame");
        let mut body = BytesMut::zeroed(header.body_bytes);
        body.copy_from_slice(&behind[..header.body_bytes]);
        rest = &behind[header.body_bytes..];
        let body = body.freeze();
        let (_, payload) = split_batch(&body).expect("it has a number");
        payloads.push(body.slice_ref(payload));
    }
    payloads
}

fn prepare(form: Form, rows: usize) -> (ArrowDecoder, Vec<u8>) {
    let harness = Harness::new();
    let encoded = harness.encoded(form, &mut harness.sender(0), rows, FRAMES);
    let mut sent = Vec::new();
    for (number, batch) in (1..).zip(&encoded) {
        sent.extend_from_slice(&batch_prefix(BatchNumber(number), batch.payload.len()));
        sent.extend_from_slice(&batch.payload);
    }
    (harness.decoder(form, &encoded[0]), sent)
}

/// Frames that are cut in one go.
const FRAMES: usize = 16;
/// The program's limit.
const FRAME_BYTES_MAX: usize = 16 << 20;
