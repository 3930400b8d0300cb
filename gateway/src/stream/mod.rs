//! One stream of batches, kept open across connections. [`BatchStream::send`] takes batches as long as the window has
//! room. A task writes them, reads acknowledgements, and opens the stream again when the link breaks.
//!
//! - [`options`]: which stream to open, and who observes it
//! - [`batch_stream`]: the handles that take batches ([`BatchStream`], [`BatchSender`])
//! - [`state`]: state that the handles and the task share
//! - [`task`]: one link after another
//! - [`totals`]: counts of everything that was sent
//!
//! Acknowledged means: the batch survives a power loss of the server and is visible to its next query. What is not yet
//! acknowledged is held here, in memory.

pub(crate) mod batch_stream;
pub(crate) mod options;
mod state;
mod task;
mod totals;

pub use batch_stream::{BatchSender, BatchStream};
pub use options::{LinkEvent, StreamObserver, StreamOptions};
pub use state::Serving;
pub use totals::StreamTotals;
