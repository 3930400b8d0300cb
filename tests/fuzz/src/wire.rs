//! Frames, and the protobuf messages in control frames.

use std::fmt::Debug;

use prost::Message;
use zonelake_schemas::wire::control::{Ack, Open, Opened, Pushed, Pushes, Refused};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, batch_prefix, control_frame, split_batch};

/// Cuts bytes into frames and reads control messages and numbers of batches.
pub fn frames(mut input: &[u8]) {
    while let Some(header) = input.first_chunk::<HEADER_BYTES>() {
        let Ok(read) = FrameHeader::decode(*header, FRAME_BYTES_MAX) else { return };
        assert_eq!(read.encode(), *header, "a header is written as it was read");
        let Some((body, rest)) = input[HEADER_BYTES..].split_at_checked(read.body_bytes) else { return };
        match read.kind {
            FrameKind::Open => message::<Open>(body),
            FrameKind::Opened => message::<Opened>(body),
            FrameKind::Refused => message::<Refused>(body),
            FrameKind::Ack => message::<Ack>(body),
            FrameKind::Pushes => message::<Pushes>(body),
            FrameKind::Pushed => message::<Pushed>(body),
            FrameKind::Batch => {
                if let Ok((number, payload)) = split_batch(body) {
                    assert_eq!(batch_prefix(number, payload.len())[..], input[..HEADER_BYTES + 8]);
                }
            }
            FrameKind::Schema | FrameKind::Dictionary => {}
        }
        input = rest;
    }
}

/// Reads a control message.
pub fn control(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    match kind % 6 {
        0 => message::<Open>(body),
        1 => message::<Opened>(body),
        2 => message::<Refused>(body),
        3 => message::<Ack>(body),
        4 => message::<Pushes>(body),
        _ => message::<Pushed>(body),
    }
}

/// Checks that a message that can be read is written so that it reads the same.
fn message<M: Message + Default + PartialEq + Debug>(body: &[u8]) {
    let Ok(read) = M::decode(body) else { return };
    let frame = control_frame(FrameKind::Open, &read);
    let again = M::decode(&frame[HEADER_BYTES..]);
    assert_eq!(again.as_ref(), Ok(&read));
}

/// A server's limit of a data frame.
const FRAME_BYTES_MAX: usize = 1 << 20;
