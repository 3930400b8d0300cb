#![doc = include_str!("../README.md")]
//!
//! | target | bytes |
//! |---|---|
//! | [`frames`](wire::frames) | what comes up a QUIC stream, cut into frames |
//! | [`control`](wire::control) | which message (one byte), and its protobuf body |
//! | [`arrow`](payloads::arrow) | pieces: kind (one byte: schema, dictionary, batch), length (u16, little-endian), the message |
//! | [`line`](payloads::line) | line protocol; a [second opinion](second_opinion) is asked too |
//! | [`request`](payloads::request) | the body of an HTTP request: line protocol |
//! | [`wal_segment`](logs::wal_segment) | a segment's file, or changes to a good one |
//! | [`wal_aside`](logs::wal_aside) | a file of records that are set aside, or changes to a good one |
//! | [`wal_record`](logs::wal_record) | a record of the WAL whose checksum holds |
//! | [`sql`](sql::sql) | the text of a statement |
//! | [`plan`](grammar::planned) | choices of a grammar, of which a statement is made |
//! | [`http_write`](interfaces::http_write) | which request (one byte), and its body as it crosses the network |
//! | [`flight`](interfaces::flight) | which call (one byte), and its messages: length (u16, little-endian), form (one byte), bytes |
//! | [`postgres`](interfaces::postgres) | messages of a client that is authenticated |
//! | [`delta_log`](files::delta_log) | which file of a table's log (one byte), and its bytes |
//! | [`spool`](files::spool) | a segment of a gateway's spool, or changes to a good one |
//! | [`settings`](declarations::settings) | the settings file |
//! | [`table`](declarations::table) | the declaration of a table |
//! | [`rule`](declarations::rule) | an alert rule |

pub mod bound;
pub mod declarations;
mod expressions;
pub mod files;
pub mod grammar;
pub mod interfaces;
pub mod logs;
pub mod payloads;
pub mod second_opinion;
pub mod sql;
pub mod wire;
mod words;

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name, which is that of the folder in the corpus too.
    pub name: &'static str,
    /// Function that takes an input, and panics where a rule is broken.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 18] = [
    Target { name: "frames", run: wire::frames },
    Target { name: "control", run: wire::control },
    Target { name: "arrow", run: payloads::arrow },
    Target { name: "line", run: payloads::line },
    Target { name: "request", run: payloads::request },
    Target { name: "wal_segment", run: logs::wal_segment },
    Target { name: "wal_aside", run: logs::wal_aside },
    Target { name: "wal_record", run: logs::wal_record },
    Target { name: "sql", run: sql::sql },
    Target { name: "plan", run: grammar::planned },
    Target { name: "http_write", run: interfaces::http_write },
    Target { name: "flight", run: interfaces::flight },
    Target { name: "postgres", run: interfaces::postgres },
    Target { name: "delta_log", run: files::delta_log },
    Target { name: "spool", run: files::spool },
    Target { name: "settings", run: declarations::settings },
    Target { name: "table", run: declarations::table },
    Target { name: "rule", run: declarations::rule },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
