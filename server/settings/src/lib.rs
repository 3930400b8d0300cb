#![doc = include_str!("../README.md")]
//!
//! - [`keys`]: the keys, their defaults and their documentation
//! - [`load`]: environment and file, read and checked
//! - [`bounds`]: the bounds
//! - `date`: dates
//! - [`error`]: settings that cannot be used

mod bounds;
mod date;
mod error;
mod keys;
mod load;

pub use error::SettingsError;
pub use keys::Settings;
pub use load::template;
