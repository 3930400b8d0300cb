//! A draft of a mapping from the first lines of a file, for a person to check.
//!
//! - [`sample`]: encoding, delimiter and lines of the file
//! - [`head`]: which line has the names, which the units, and where rows begin
//! - [`times`]: which columns have the time, and in which form
//! - [`draft`]: the mapping as text

mod draft;
mod head;
mod sample;
mod times;

pub use draft::suggest;
