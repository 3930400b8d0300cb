//! State that the handles of a stream and its task share.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Open, Opened};

use super::options::{LinkEvent, StreamOptions};
use super::totals::StreamTotals;
use crate::connection::Connection;
use crate::error::StreamError;
use crate::outbox::acked::Acked;
use crate::outbox::state::Outbox;

/// Limits and schema that the server stated when it last opened the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving {
    /// The table's wire schema as an encapsulated Arrow IPC schema message.
    pub schema: Bytes,
    /// Version of the table's field list.
    pub schema_version: u32,
    /// Maximum length of a frame.
    pub frame_bytes_max: u64,
    /// Maximum number of rows of a batch.
    pub batch_rows_max: u64,
    /// The server's clock, microseconds since 1970, UTC.
    pub server_time_us: i64,
}

/// State that the handles of a stream and its task share.
#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) state: Mutex<Guarded>,
    /// Wakes the writer: there is something to write, or the end.
    pub(super) work: Notify,
    /// Wakes the callers: the window has capacity, or the stream has ended.
    pub(super) changed: Notify,
    pub(super) connection: Arc<Connection>,
    pub(super) options: StreamOptions,
}

/// State behind the lock: the protocol, and how the stream ends.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) outbox: Outbox,
    pub(super) serving: Option<Serving>,
    pub(super) totals: StreamTotals,
    pub(super) finishing: bool,
    pub(super) ended: Option<Result<(), StreamError>>,
}

impl StreamState {
    pub(super) fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.state.lock().expect("no holder of this lock panics")
    }

    pub(super) fn now(&self) -> Duration {
        self.connection.clock().monotonic()
    }

    /// Asks `look` now and after each change until it gives something.
    pub(super) async fn wait_until<T>(&self, mut look: impl FnMut(&mut Guarded) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, so that a change between the check and the wait is not missed.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    pub(super) fn handle_opened(&self, opened: Opened) -> Result<(), StreamError> {
        let acked = {
            let mut state = self.lock();
            let acked = state.outbox.handle_opened(&opened, self.now())?;
            state.totals.links += 1;
            state.totals.add(&acked);
            state.serving = Some(Serving {
                schema: opened.schema,
                schema_version: opened.schema_version,
                frame_bytes_max: opened.frame_bytes_max,
                batch_rows_max: opened.batch_rows_max,
                server_time_us: opened.server_time_us,
            });
            acked
        };
        // Observers are called without the lock: they may ask the stream for its totals.
        self.notify_link(&LinkEvent::Opened { last_number: acked.number });
        if !acked.batches.is_empty() {
            self.notify_acked(&acked);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    pub(super) fn notify_link(&self, event: &LinkEvent) {
        if let Some(observer) = &self.options.observer {
            observer.handle_link(event);
        }
    }

    pub(super) fn notify_acked(&self, acked: &Acked) {
        if let Some(observer) = &self.options.observer {
            observer.handle_acked(acked);
        }
    }

    pub(super) fn open_message(&self) -> Open {
        let options = &self.options;
        Open {
            minor_version: MINOR_VERSION,
            token: options.token.clone(),
            producer: options.producer.clone(),
            epoch: options.epoch.0,
            table: options.table.clone(),
            lane: options.lane as u32,
            encoding: options.encoding as i32,
            software: options.software.clone(),
        }
    }
}
