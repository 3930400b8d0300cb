//! The protocol's state at the sender: numbers, the window of unacknowledged batches, and resuming. No I/O and no
//! clock: `handle_*` takes what has happened, [`Outbox::poll_frames`] gives what to write next.
//!
//! ```text
//!            handle_opened            handle_submit                 poll_frames              handle_ack
//! (unknown) ──────────────▶ (open) ────────────────▶ waiting batch ────────────▶ written ────────────────▶ gone
//!                             ▲                            ▲                        │
//!                             │ handle_opened              │   handle_disconnected  │
//!                             └── drops what is durable    └────────────────────────┘
//! ```
//!
//! - [`state`]: the protocol's state ([`Outbox`])
//! - [`acked`]: batches that have become durable

pub(crate) mod acked;
pub(crate) mod state;
#[cfg(test)]
mod tests;

pub use acked::{Acked, AckedBatch, AckedCounts};
pub use state::Outbox;
