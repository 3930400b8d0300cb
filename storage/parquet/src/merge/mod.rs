//! Several sorted files of one date merged into one, in bounded memory however many rows they have.
//!
//! In the order in which rows pass:
//!
//! - [`input`]: one file that is read, a batch at a time
//! - [`order`]: which rows come next
//! - [`rows`]: the rows of a row group, gathered from the batches that have them
//! - [`encoder`]: row groups encoded as they come
//! - [`mod@merge`]: the merge from its inputs to a stored file

mod encoder;
mod input;
mod merge;
mod order;
mod rows;

pub use merge::{MergeInput, merge_files};
