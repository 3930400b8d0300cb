//! The QUIC interface on a real socket, spoken to frame by frame: what is stored, what is refused, and in which words.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod dialogue;
mod forward;
mod full_disk;
mod large_batches;
mod limits;
mod numbering;
mod refusals;
mod rejections;
mod relay;
mod roaming;
mod slow_table;
mod stopping;
