//! Store and forward: batches are on disk when [`Forwarder::send`] returns. They go to the server as soon as there is a
//! link, each once, through outages of weeks and through crashes of either side.
//!
//! - [`options`]: place and size of the spool, choice of the lane, and the status of it all
//! - [`forwarder`]: the handle that takes batches ([`Forwarder`])
//! - [`state`]: state that the handle and the tasks of both lanes share
//! - [`lane_state`]: the same for one lane
//! - [`lane`]: the task of one lane: from its queue on disk to the server
//! - [`retry`]: batches that were put aside, sent again
//!
//! A batch goes on the live lane as long as that lane keeps up: the bytes waiting on it are below `live_bytes_max` and its
//! oldest batch is younger than `live_age_max`. While the link is down or too slow, further batches go on the back-fill
//! lane. So when the link comes back, the live lane has little to catch up with. New batches are sent immediately, while a
//! month of back-fill drains next to them. A batch keeps the lane and the number that it got, which makes sending it
//! again harmless. On one connection live data goes first, and at most `backfill_bytes_in_flight` of back-fill is in flight.

mod forwarder;
mod lane;
mod lane_state;
mod options;
mod retry;
mod state;

pub use forwarder::Forwarder;
pub use options::{ForwardOptions, ForwardStatus, LaneStatus, WhenFull};
pub use retry::{RetryError, RetryReport, retry_refused};
