//! Loop over the messages of a connection. A message that fails is answered with one error; behind an error of the
//! extended protocol messages are skipped until Sync, as pipelines of clients expect.

use std::time::Duration;

use tokio::time::timeout;
use zonelake_net::Cause;

use crate::error::PgError;
use crate::protocol::messages::{ClientMessage, TransactionStatus, put_ready};
use crate::protocol::wire::WireError;
use crate::session::connection::Connection;
use crate::session::outcome::SessionError;

/// Time that a client has to take the last word.
const TELL_TIMEOUT: Duration = Duration::from_millis(500);

impl Connection {
    /// Serves the client until it or the server ends the connection, or the token ends that it has shown.
    pub(crate) async fn run(mut self) {
        let Some(credential) = self.credential.take() else { return self.serve().await };
        let has_ended = tokio::select! {
            () = self.serve() => false,
            () = credential.ended() => true,
        };
        // The statement that ran has ended with the work that was dropped; rows that wait to be sent go with it.
        if has_ended && self.wire.drop_output() {
            let message = "terminating connection: the token was revoked or has expired";
            PgError::of(Cause::UnknownToken, message).put_fatal(&mut self.wire.out);
            // A client that does not read is closed without a word.
            timeout(TELL_TIMEOUT, self.wire.flush()).await.ok();
            timeout(TELL_TIMEOUT, self.wire.close()).await.ok();
        }
    }

    async fn serve(&mut self) {
        match self.read_messages().await {
            Ok(()) | Err(WireError::Closed) => {}
            Err(WireError::Protocol(error)) => {
                PgError::of(Cause::Protocol, error.to_string()).put_fatal(&mut self.wire.out);
                // The client may have closed the connection, and the connection ends either way.
                self.wire.flush().await.ok();
            }
            Err(error @ WireError::Terminated) => {
                PgError::new("57P01", error.to_string()).put_fatal(&mut self.wire.out);
                // As above: it ends either way.
                self.wire.flush().await.ok();
            }
            Err(WireError::Io(error)) => tracing::debug!("a PostgreSQL connection ended: {error}"),
        }
        self.wire.close().await;
    }

    async fn read_messages(&mut self) -> Result<(), WireError> {
        loop {
            // While more messages are there, responses are gathered: pipelines get theirs in few packets.
            if !self.wire.has_input() {
                self.wire.flush().await?;
            }
            // Only between messages: a statement that runs may finish within the grace period.
            let mut stopping = self.stopping.clone();
            let message = tokio::select! {
                () = self.end_requested() => return Err(WireError::Terminated),
                message = self.wire.read() => Some(message?),
                // A closed channel is a server that was dropped, which stops too.
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => None,
            };
            let Some(message) = message else {
                PgError::of(Cause::ShuttingDown, "terminating connection: the server is stopping")
                    .put_fatal(&mut self.wire.out);
                return self.wire.flush().await;
            };
            if message == ClientMessage::Terminate {
                return Ok(());
            }
            self.handle(message).await?;
            self.wire.flush_if_full().await?;
        }
    }

    async fn handle(&mut self, message: ClientMessage) -> Result<(), WireError> {
        let is_extended = match message {
            ClientMessage::Sync => {
                self.is_skipping = false;
                if self.transaction.status() == TransactionStatus::Idle {
                    self.drop_portals();
                }
                self.end_statements();
                put_ready(&mut self.wire.out, self.transaction.status());
                return self.wire.flush().await;
            }
            // A simple query is answered even where an error of the extended protocol waits for Sync.
            ClientMessage::Query(_) => false,
            // The client has sent these before it has read of the error.
            _ if self.is_skipping => return Ok(()),
            _ => true,
        };
        let done = match message {
            ClientMessage::Query(sql) => self.handle_query(&sql).await,
            ClientMessage::Parse { statement, sql, types } => self.handle_parse(statement, &sql, types),
            ClientMessage::Bind(bind) => self.handle_bind(bind).await,
            ClientMessage::Describe { target, name } => self.handle_describe(target, &name).await,
            ClientMessage::Execute { portal, rows_max } => self.handle_execute(&portal, rows_max).await,
            ClientMessage::Close { target, name } => {
                self.handle_close(target, &name);
                Ok(())
            }
            ClientMessage::Flush => Ok(self.wire.flush().await?),
            ClientMessage::Sync | ClientMessage::Terminate | ClientMessage::Copy => Ok(()),
            ClientMessage::Authentication(_) => Err(PgError::of(Cause::Protocol, "the user is known already").into()),
        };
        let done = match done {
            Ok(()) => self.apply_set_config().map_err(SessionError::from),
            Err(error) => {
                // What a failed statement has set is undone with it.
                drop(self.set_config.take());
                Err(error)
            }
        };
        match done {
            Ok(()) => {}
            Err(SessionError::Wire(error)) => return Err(error),
            Err(SessionError::Statement(error)) => {
                // Before the error is written, so that ReadyForQuery behind it tells of the failed transaction.
                self.transaction.fail();
                error.put(&mut self.wire.out);
                // An error of the simple protocol ends with its own ReadyForQuery and skips nothing.
                self.is_skipping = is_extended;
            }
        }
        if !is_extended {
            if self.transaction.status() == TransactionStatus::Idle {
                self.drop_portals();
            }
            self.end_statements();
            put_ready(&mut self.wire.out, self.transaction.status());
        }
        Ok(())
    }
}
