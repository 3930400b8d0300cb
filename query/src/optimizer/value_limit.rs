//! The bytes that one evaluation of a function may make, as a setting that a statement's functions find.

use std::any::Any;

use datafusion::common::Result;
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::resources_datafusion_err;

/// Limit of the values of one evaluation: those of one column of one batch.
#[derive(Debug, Clone)]
pub(crate) struct ValueLimit {
    bytes_max: usize,
}

impl ValueLimit {
    /// Limit in a statement that may take so much memory. A batch has several columns, and a chain of functions several
    /// values at the same time.
    pub(crate) fn of_statement(memory_bytes_max: usize) -> Self {
        Self { bytes_max: (memory_bytes_max / SHARES).max(BYTES_MIN) }
    }

    /// Limit of a session; a small one where none was set.
    pub(crate) fn bytes_max(options: &ConfigOptions) -> usize {
        options.extensions.get::<Self>().map_or(BYTES_MIN, |limit| limit.bytes_max)
    }

    /// Refuses values that would be larger than a limit.
    ///
    /// # Errors
    /// As an operator that has no more memory.
    pub(crate) fn check(function: &str, bytes: usize, bytes_max: usize) -> Result<()> {
        if bytes <= bytes_max {
            return Ok(());
        }
        Err(resources_datafusion_err!("{function} would make {bytes} bytes at once, of which {bytes_max} are possible"))
    }
}

impl ConfigExtension for ValueLimit {
    const PREFIX: &'static str = "zonelake";
}

impl ExtensionOptions for ValueLimit {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        datafusion::common::config_err!("{key} cannot be set")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// Part of a statement's memory that one evaluation may make.
const SHARES: usize = 4;
/// The least limit: texts of 512 bytes in a batch of 8,192 rows.
const BYTES_MIN: usize = 4 << 20;
