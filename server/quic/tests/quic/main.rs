//! The QUIC interface on a real socket, spoken to frame by frame: what is stored, what is refused, and in which words.
//! One program with a file for each promise, hence more than fifteen: linking another takes long.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod dialogue;
mod fairness;
mod forward;
mod full_disk;
mod groups;
mod large_batches;
mod limits;
mod numbering;
mod promises;
mod refusals;
mod rejections;
mod relay;
mod roaming;
mod server_log;
mod slow_disk;
mod slow_table;
mod stopping;
mod strangers;
mod weak_link;
mod weak_links;
mod wrong_clock;
