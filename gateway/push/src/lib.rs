#![doc = include_str!("../README.md")]
//!
//! In the order in which rows travel:
//! - [`options`]: sources, mapping and server of a push
//! - [`source`]: a file or standard input, opened, and its rows in chunks of a fixed number
//! - [`identity`]: the producer's name, from content and mapping
//! - [`mapping`]: which column becomes which field
//! - [`columns`]: columns of a source into a batch
//! - [`look`]: the whole source, looked at before anything is sent
//! - [`dry_run`](mod@dry_run): what a push would do; [`suggest`](mod@suggest): a draft of a mapping
//! - [`ledger`]: what the server has of it already
//! - [`sending`]: the way of the batches of one source; [`push`](mod@push): all sources
//! - [`progress`], [`report`]: progress while it runs, and the result
//! - [`history`](mod@history): the latest pushes of a gateway
//! - [`error`]: errors that stop a push

mod columns;
#[cfg(test)]
mod disguises;
mod dry_run;
mod error;
mod history;
mod identity;
mod ledger;
mod look;
mod mapping;
mod options;
mod progress;
mod push;
#[cfg(test)]
mod recordings;
mod report;
mod sending;
mod source;
mod suggest;

pub use columns::position::{BadRow, Position};
pub use dry_run::{DryRun, FieldOutcome, dry_run};
pub use error::PushError;
pub use history::{PastPush, history};
pub use mapping::declaration::Mapping;
pub use mapping::parts::{Beyond, ColumnMapping, Conversion, DeviceMapping, LongMapping, SameTimes};
pub use mapping::time::{Ambiguous, Epoch as TimeUnit, MappingError, Midnight, Serial, Skipped, TimeMapping};
pub use options::PushOptions;
pub use push::push;
pub use report::{FileReport, NoProgress, ProgressSink, PushProgress, PushReport};
pub use source::lines::{LineParts, LineScan};
pub use source::open::{PushFormat, PushInput};
pub use suggest::suggest;
