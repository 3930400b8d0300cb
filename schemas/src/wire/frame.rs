//! Frames: the messages that a QUIC stream is cut into.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of what follows, type included: u32, little-endian; 1 to the limit in `Opened` for types 4 to 6, to 4,194,304 for `Opened` and `Pushed`, to 65,536 for the others |
//! | 4 | 1 | type |
//! | 5 | length - 1 | body |
//!
//! | type | name | from | body |
//! |---|---|---|---|
//! | 1 | Open | gateway | protobuf `Open` |
//! | 2 | Opened | server | protobuf `Opened` |
//! | 3 | Refused | server | protobuf `Refused`; the last frame of its stream |
//! | 4 | Schema | gateway | one encapsulated Arrow IPC message: the schema of the batches that follow |
//! | 5 | Dictionary | gateway | one encapsulated Arrow IPC message: a dictionary batch, whole or delta |
//! | 6 | Batch | gateway | number: u64, little-endian, then the payload: one encapsulated Arrow IPC record batch message, or lines |
//! | 7 | Ack | server | protobuf `Ack` |
//! | 8 | Pushes | gateway | protobuf `Pushes`; the first and only frame of its direction |
//! | 9 | Pushed | server | protobuf `Pushed`; likewise |
//!
//! A type that is not in the table is an error of the peer. Version 1; the ALPN id carries it.

use crate::ids::BatchNumber;

/// Bytes of the length and the type together.
pub const HEADER_BYTES: usize = 5;
/// Bytes of the number in front of a batch's payload.
pub const NUMBER_BYTES: usize = 8;
/// Maximum length of a control frame other than `Opened`.
pub const CONTROL_BYTES_MAX: usize = 65_536;
/// Maximum length of an `Opened` frame: it has the schema of a table, of up to 1,000 fields with their descriptions.
pub const OPENED_BYTES_MAX: usize = 4 << 20;

/// Type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Opens a stream of batches.
    Open = 1,
    /// Answers `Open`.
    Opened = 2,
    /// Ends the stream with the reason.
    Refused = 3,
    /// Schema of Arrow batches.
    Schema = 4,
    /// Dictionary of Arrow batches.
    Dictionary = 5,
    /// One sequenced batch.
    Batch = 6,
    /// Cumulative acknowledgement.
    Ack = 7,
    /// Asks about what was pushed, or notes it.
    Pushes = 8,
    /// Answers `Pushes`.
    Pushed = 9,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Open,
            2 => Self::Opened,
            3 => Self::Refused,
            4 => Self::Schema,
            5 => Self::Dictionary,
            6 => Self::Batch,
            7 => Self::Ack,
            8 => Self::Pushes,
            9 => Self::Pushed,
            _ => return None,
        })
    }

    /// Maximum length of a frame of this type; `frame_bytes_max` is that of data frames.
    fn bytes_max(self, frame_bytes_max: usize) -> usize {
        match self {
            Self::Open | Self::Refused | Self::Ack | Self::Pushes => CONTROL_BYTES_MAX,
            Self::Opened | Self::Pushed => OPENED_BYTES_MAX,
            Self::Schema | Self::Dictionary | Self::Batch => frame_bytes_max,
        }
    }
}

/// The first five bytes of a frame, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Type of the frame.
    pub kind: FrameKind,
    /// Bytes of the body that follow.
    pub body_bytes: usize,
}

/// Fault of a frame. The stream cannot go on behind any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Length 0: not even a type.
    #[error("a frame of length 0")]
    Empty,
    /// A length over the limit.
    #[error("a frame of {length} bytes; the limit is {limit}")]
    TooLong {
        /// Length that the frame claims.
        length: usize,
        /// Maximum length.
        limit: usize,
    },
    /// A type that does not exist in this version.
    #[error("a frame of unknown type {0}")]
    UnknownKind(u8),
    /// A batch frame without room for its number.
    #[error("a batch frame of {0} bytes, too short for its number")]
    NoNumber(usize),
}

impl FrameHeader {
    /// Reads a header; `frame_bytes_max` bounds the length of data frames, [`OPENED_BYTES_MAX`] that of `Opened`,
    /// [`CONTROL_BYTES_MAX`] that of other control frames.
    ///
    /// # Errors
    /// [`FrameError::Empty`], [`FrameError::UnknownKind`] and [`FrameError::TooLong`].
    pub fn decode(bytes: [u8; HEADER_BYTES], frame_bytes_max: usize) -> Result<Self, FrameError> {
        let length = u32_le(&bytes) as usize;
        // The length counts the type, so that 0 leaves not even that.
        if length == 0 {
            return Err(FrameError::Empty);
        }
        let kind = FrameKind::from_byte(bytes[4]).ok_or(FrameError::UnknownKind(bytes[4]))?;
        // Before any of the body is read, so that nobody reserves memory for a length that only a header claims.
        let limit = kind.bytes_max(frame_bytes_max);
        if length > limit {
            return Err(FrameError::TooLong { length, limit });
        }
        Ok(Self { kind, body_bytes: length - 1 })
    }

    /// The five bytes of a header.
    ///
    /// # Panics
    /// If the body has 4 GiB or more: the limits of both sides are far below.
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        // The type counts too.
        let length = u32::try_from(self.body_bytes + 1).expect("a frame's limit is below 4 GiB");
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes
    }
}

/// A whole control frame with a protobuf body.
pub fn control_frame(kind: FrameKind, message: &impl prost::Message) -> Vec<u8> {
    let body_bytes = message.encoded_len();
    let mut frame = Vec::with_capacity(HEADER_BYTES + body_bytes);
    frame.extend_from_slice(&FrameHeader { kind, body_bytes }.encode());
    message.encode(&mut frame).expect("a Vec grows as needed");
    frame
}

/// Header and number of a batch frame whose payload of `payload_bytes` is to follow.
pub fn batch_prefix(number: BatchNumber, payload_bytes: usize) -> [u8; HEADER_BYTES + NUMBER_BYTES] {
    let mut bytes = [0; HEADER_BYTES + NUMBER_BYTES];
    let header = FrameHeader { kind: FrameKind::Batch, body_bytes: NUMBER_BYTES + payload_bytes };
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    bytes[HEADER_BYTES..].copy_from_slice(&number.0.to_le_bytes());
    bytes
}

/// Splits the body of a batch frame into number and payload.
///
/// # Errors
/// [`FrameError::NoNumber`] for a body shorter than a number.
pub fn split_batch(body: &[u8]) -> Result<(BatchNumber, &[u8]), FrameError> {
    if body.len() < NUMBER_BYTES {
        return Err(FrameError::NoNumber(body.len()));
    }
    let (number, payload) = body.split_at(NUMBER_BYTES);
    Ok((BatchNumber(u64_le(number)), payload))
}

fn u32_le(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn u64_le(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back() {
        let header = FrameHeader { kind: FrameKind::Batch, body_bytes: 1234 };
        assert_eq!(FrameHeader::decode(header.encode(), 10_000), Ok(header));
    }

    #[test]
    fn what_cannot_be_a_frame_is_named() {
        let decode = |length: u32, kind: u8| {
            let mut bytes = [0; HEADER_BYTES];
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes[4] = kind;
            FrameHeader::decode(bytes, 1_000_000)
        };
        assert_eq!(decode(0, 1), Err(FrameError::Empty));
        assert_eq!(decode(2, 99), Err(FrameError::UnknownKind(99)));
        assert_eq!(decode(1_000_001, 6), Err(FrameError::TooLong { length: 1_000_001, limit: 1_000_000 }));
        assert_eq!(decode(65_537, 1), Err(FrameError::TooLong { length: 65_537, limit: CONTROL_BYTES_MAX }));
        assert_eq!(decode(4_194_305, 2), Err(FrameError::TooLong { length: 4_194_305, limit: OPENED_BYTES_MAX }));
        assert_eq!(split_batch(&[0; 7]), Err(FrameError::NoNumber(7)));
    }
}
