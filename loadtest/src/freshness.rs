//! Freshness: from sending a row until a SQL query sees it. A gateway of its own sends one row at a time and a client of
//! its own asks for it, again and again, until it is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use zonelake_gateway::{BatchStream, Connection, StreamOptions, line_block};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::wire::control::Encoding;

use crate::error::LoadError;
use crate::meter::Meter;
use crate::sender::wait_until;
use crate::sql::SqlClient;

/// Device whose rows are looked for.
pub(crate) const PROBE: &str = "load-probe";

/// Parts of a probe.
pub(crate) struct ProbeArgs {
    /// Connection of its gateway.
    pub connection: Arc<Connection>,
    /// Secret of its gateway.
    pub token: String,
    /// Table, and a field of it.
    pub table: &'static str,
    /// Field that it fills.
    pub field: &'static str,
    /// Client that asks.
    pub sql: SqlClient,
    /// Meter of its counts.
    pub meter: Arc<Meter>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// End of the probe.
    pub end: Duration,
}

/// Sends and asks until the end.
pub(crate) fn start(args: ProbeArgs) -> JoinHandle<Result<(), LoadError>> {
    tokio::spawn(run(args))
}

async fn run(args: ProbeArgs) -> Result<(), LoadError> {
    let ProbeArgs { connection, token, table, field, sql, meter, clock, end } = args;
    let mut options = StreamOptions::new(token, "load-probe", table);
    options.encoding = Encoding::Line;
    let stream = BatchStream::open(&connection, options).await?;
    let mut next = clock.monotonic();
    while clock.monotonic() < end {
        wait_until(clock.as_ref(), next).await;
        next = clock.monotonic() + PROBE_EVERY;
        let time_us = clock.wall_us();
        let line = format!("{table},device={PROBE} {field}=1 {time_us}000\n");
        let sent = clock.monotonic();
        stream.send(line_block(line, 1)).await?;
        let (sql, asked_clock) = (sql.clone(), Arc::clone(&clock));
        let seen = tokio::task::spawn_blocking(move || await_row(&sql, table, time_us, asked_clock.as_ref(), end));
        if let Some(seen) = seen.await.map_err(|error| LoadError::Server(error.to_string()))?? {
            meter.count_fresh(seen.saturating_sub(sent));
        }
    }
    stream.finish().await?;
    Ok(())
}

/// Time at which a query has seen the row; `None` where the end came before.
fn await_row(
    sql: &SqlClient,
    table: &str,
    time_us: i64,
    clock: &dyn Clock,
    end: Duration,
) -> Result<Option<Duration>, LoadError> {
    let query = format!(
        "SELECT count(*) AS n FROM {table} WHERE device = '{PROBE}' AND time = arrow_cast({time_us}, 'Timestamp(Microsecond, Some(\"UTC\"))')"
    );
    while clock.monotonic() < end + GRACE {
        let rows = sql.rows(&query)?;
        if rows.first().and_then(|row| row.first()?.as_u64()) == Some(1) {
            return Ok(Some(clock.monotonic()));
        }
    }
    Ok(None)
}

/// Time from probe to probe.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// Time for which a last row is looked for.
const GRACE: Duration = Duration::from_secs(30);
