//! State that all calls share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use zonelake_ingest::WriteState;
use zonelake_net::Authenticator;
use zonelake_query::QueryEngine;

use crate::authentication::CallAuthenticator;
use crate::prepared::OpenStatements;

/// Shared state of the service.
pub(crate) struct FlightState<S> {
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) write: Arc<WriteState<S>>,
    pub(crate) authenticator: CallAuthenticator,
    pub(crate) statements: OpenStatements,
    /// Permits of calls that put data.
    pub(crate) puts: Semaphore,
}

/// Most calls that put data simultaneously; others wait before anything of them is read. Each may have one message in
/// memory that no budget counts yet.
const PUTS_MAX: usize = 16;

impl<S> FlightState<S> {
    /// State over the engine that reads and the pipeline that writes.
    pub(crate) fn new(engine: Arc<QueryEngine>, write: Arc<WriteState<S>>, authenticator: Arc<Authenticator>) -> Self {
        let authenticator = CallAuthenticator::new(authenticator);
        Self { engine, write, authenticator, statements: OpenStatements::default(), puts: Semaphore::new(PUTS_MAX) }
    }
}

impl<S> std::fmt::Debug for FlightState<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlightState").finish_non_exhaustive()
    }
}
