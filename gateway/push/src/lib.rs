#![doc = include_str!("../README.md")]
//!
//! In the order in which rows travel:
//! - [`options`]: sources, mapping and server of a push
//! - [`source`]: a file or standard input, opened, and its rows in chunks of a fixed number
//! - [`identity`]: the producer's name, from content and mapping
//! - [`mapping`], [`time_mapping`]: which column becomes which field
//! - [`columns`]: columns of a source into a batch
//! - [`pieces`]: encoded batches, on a thread of their own
//! - [`run`]: one source, and the streams that its batches are sent on ([`table_stream`]); [`push`](mod@push): all sources
//! - [`progress`], [`report`]: progress while it runs, and the result
//! - [`error`]: errors that stop a push

mod columns;
mod error;
mod identity;
mod mapping;
mod options;
mod pieces;
mod progress;
mod push;
#[cfg(test)]
mod recordings;
mod report;
mod run;
mod source;
mod table_stream;
mod time_mapping;

pub use columns::rows::{BadRow, Position};
pub use error::PushError;
pub use mapping::{ColumnMapping, DeviceMapping, Mapping};
pub use options::PushOptions;
pub use push::push;
pub use report::{FileReport, NoProgress, ProgressSink, PushProgress, PushReport};
pub use source::open::{PushFormat, PushInput};
pub use time_mapping::{Ambiguous, Epoch as TimeUnit, MappingError, Midnight, Skipped, TimeMapping};
