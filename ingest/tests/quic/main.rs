//! The QUIC door on a real socket, spoken to frame by frame: what is stored, what is refused, and in which words.

mod dialogue;
mod large_batches;
mod numbering;
mod refusals;
mod rejections;
mod slow_table;
mod stopping;
