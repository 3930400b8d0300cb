//! Options of a push: the sources, their mapping, and the stream to the server.

use std::sync::Arc;

use zonelake_gateway::{BackoffPolicy, Compression, Connection};
use zonelake_schemas::Lane;

use crate::mapping::declaration::Mapping;
use crate::mapping::time::Epoch;
use crate::source::open::PushInput;

/// Sources, mapping and server of a push.
#[derive(Clone)]
pub struct PushOptions {
    /// Connection to the server.
    pub connection: Arc<Connection>,
    /// Secret of the gateway.
    pub token: String,
    /// Lane; default back-fill.
    pub lane: Lane,
    /// Sources, pushed one after another.
    pub inputs: Vec<PushInput>,
    /// Mapping of the columns of CSV, Parquet and Arrow to those of a table.
    pub mapping: Mapping,
    /// Unit of the times of line protocol; default nanoseconds.
    pub line_precision: Epoch,
    /// Table that all lines of line protocol must be of; `None`: the table that each measurement names.
    pub line_table: Option<String>,
    /// Rows that cannot be read are left out and counted; otherwise the first one stops the push.
    pub skip_bad_rows: bool,
    /// Rows are stored whatever the server has of them already.
    pub again: bool,
    /// Compression of Arrow payloads; `None`: by the link, as are the rows of a batch where the mapping does not say them. Default: no compression.
    pub compression: Option<Compression>,
    /// Pauses between retries after the link broke, and the time after which to give up.
    pub backoff: BackoffPolicy,
    /// Software that pushes, for the server log.
    pub software: String,
}

impl PushOptions {
    /// Options with their defaults.
    pub fn new(
        connection: Arc<Connection>,
        token: impl Into<String>,
        mapping: Mapping,
        inputs: Vec<PushInput>,
    ) -> Self {
        Self {
            connection,
            token: token.into(),
            lane: Lane::Backfill,
            inputs,
            mapping,
            line_precision: Epoch::Ns,
            line_table: None,
            skip_bad_rows: false,
            again: false,
            compression: Some(Compression::None),
            backoff: BackoffPolicy::default(),
            software: concat!("zonelake push ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

impl std::fmt::Debug for PushOptions {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushOptions")
            .field("lane", &self.lane)
            .field("inputs", &self.inputs)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}
