//! State that all calls share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use zonelake_ingest::WriteState;
use zonelake_net::{Authenticator, Principal};
use zonelake_query::QueryEngine;

use crate::authentication::CallAuthenticator;
use crate::message_body::Places;
use crate::prepared::OpenStatements;

/// Shared state of the service.
pub(crate) struct FlightState {
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) write: Arc<WriteState>,
    pub(crate) authenticator: CallAuthenticator,
    pub(crate) statements: OpenStatements,
    /// Places of messages that roles send.
    readers: Arc<Semaphore>,
}

/// Messages of roles that are in memory at the same time; further ones wait before they are read.
const READER_PLACES: usize = 16;
/// Bytes of a message besides a statement's text.
const MESSAGE_BYTES_MORE: usize = 1 << 20;

impl FlightState {
    /// State over the engine that reads and the pipeline that writes.
    pub(crate) fn new(engine: Arc<QueryEngine>, write: Arc<WriteState>, authenticator: Arc<Authenticator>) -> Self {
        let authenticator = CallAuthenticator::new(authenticator);
        let readers = Arc::new(Semaphore::new(READER_PLACES));
        Self { engine, write, authenticator, statements: OpenStatements::default(), readers }
    }

    /// Bound of the messages that this principal sends. Who may write is judged here, before anything is read.
    pub(crate) fn places(&self, principal: &Principal) -> Places {
        match principal {
            Principal::Gateway(gateway) => Places::Writer { write: Arc::clone(&self.write), gateway: gateway.id },
            Principal::Role(_) => Places::Reader {
                places: Arc::clone(&self.readers),
                bytes_max: 2 * self.engine.options().sql_bytes_max + MESSAGE_BYTES_MORE,
                timeout: self.write.limits.body_timeout,
            },
        }
    }
}

impl std::fmt::Debug for FlightState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlightState").finish_non_exhaustive()
    }
}
