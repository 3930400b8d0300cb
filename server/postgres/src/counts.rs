//! Metrics of the PostgreSQL interface.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts of connections and statements.
#[derive(Debug, Default)]
pub struct PostgresMetrics {
    connections: AtomicUsize,
    statements: AtomicU64,
    refused: AtomicU64,
}

// Relaxed throughout: each count is read alone, and orders nothing else.
impl PostgresMetrics {
    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Statements that were started.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Connections that were refused: too many, no encryption, or a wrong password.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
