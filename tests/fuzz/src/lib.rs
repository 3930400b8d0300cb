#![doc = include_str!("../README.md")]
//!
//! | target | bytes |
//! |---|---|
//! | [`frames`](wire::frames) | what comes up a QUIC stream, cut into frames |
//! | [`control`](wire::control) | which message (one byte), and its protobuf body |
//! | [`arrow`](payloads::arrow) | pieces: kind (one byte: schema, dictionary, batch), length (u16, little-endian), the message |
//! | [`line`](payloads::line) | line protocol; a [second opinion](second_opinion) is asked too |
//! | [`wal_segment`](logs::wal_segment) | a segment's file, or changes to a good one |
//! | [`wal_record`](logs::wal_record) | a record of the WAL whose checksum holds |
//! | [`settings`](declarations::settings) | the settings file |
//! | [`table`](declarations::table) | the declaration of a table |

pub mod bound;
pub mod declarations;
pub mod logs;
pub mod payloads;
pub mod second_opinion;
pub mod wire;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name, which is that of the folder in the corpus too.
    pub name: &'static str,
    /// Function that takes an input, and panics where a rule is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "frames", run: wire::frames },
    Target { name: "control", run: wire::control },
    Target { name: "arrow", run: payloads::arrow },
    Target { name: "line", run: payloads::line },
    Target { name: "wal_segment", run: logs::wal_segment },
    Target { name: "wal_record", run: logs::wal_record },
    Target { name: "settings", run: declarations::settings },
    Target { name: "table", run: declarations::table },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
