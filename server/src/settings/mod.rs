//! Settings: one TOML file, each key also an environment variable `ZONELAKE_SECTION_KEY`, which goes before the file.
//!
//! - [`keys`]: the keys, their defaults and their documentation
//! - [`load`]: file and environment, read and checked; whoever gets a [`Settings`] may rely on its bounds
//! - `bounds`: the bounds
//! - [`error`]: settings that cannot be used

mod bounds;
pub mod error;
pub mod keys;
pub mod load;

pub use error::SettingsError;
pub use keys::Settings;
pub use load::template;
