//! Heavy statements next to a load: clients that ask one after another until the load ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use zonelake_benches::workload::FieldWalk;
use zonelake_schemas::clock::Clock;

use crate::error::LoadError;
use crate::report::StatementsReport;
use crate::sql::SqlClient;

/// Clients, their statements, and their end.
#[derive(Debug)]
pub(crate) struct QueriesArgs {
    /// Clients, each with a connection of its own.
    pub clients: usize,
    /// Table that the load fills.
    pub table: &'static str,
    /// Fields of the table.
    pub walks: &'static [FieldWalk],
    /// Client that asks.
    pub sql: SqlClient,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// No statement begins from then on.
    pub end: Duration,
}

/// Clients that are asking.
#[derive(Debug)]
pub(crate) struct Queries {
    clients: JoinSet<StatementsReport>,
}

impl Queries {
    /// Starts the clients. Each asks one of [`statements`] again and again.
    pub(crate) fn start(args: &QueriesArgs) -> Self {
        let statements = statements(args.table, args.walks);
        let mut clients = JoinSet::new();
        for statement in statements.iter().cycle().take(args.clients) {
            let (statement, sql) = (statement.clone(), args.sql.another());
            let (clock, end) = (Arc::clone(&args.clock), args.end);
            clients.spawn_blocking(move || ask(statement, &sql, clock.as_ref(), end));
        }
        Self { clients }
    }

    /// Waits for the last answers.
    ///
    /// # Errors
    /// Where a client has panicked.
    pub(crate) async fn finish(mut self) -> Result<Vec<StatementsReport>, LoadError> {
        let mut reports = Vec::new();
        while let Some(report) = self.clients.join_next().await {
            reports.push(report.map_err(|error| LoadError::Server(error.to_string()))?);
        }
        reports.sort_by(|a, b| a.statement.cmp(&b.statement));
        Ok(reports)
    }
}

fn ask(statement: String, sql: &SqlClient, clock: &dyn Clock, end: Duration) -> StatementsReport {
    let mut report = StatementsReport { statement, ..StatementsReport::default() };
    let mut begun = clock.monotonic();
    while begun < end {
        let answer = sql.rows(&report.statement);
        let now = clock.monotonic();
        match answer {
            Ok(_) => {
                report.answered += 1;
                report.longest_seconds = report.longest_seconds.max(now.saturating_sub(begun).as_secs_f64());
            }
            Err(error) => {
                report.failed += 1;
                report.first_failure.get_or_insert_with(|| error.to_string());
                // A server that refuses at once is not to be asked without end.
                std::thread::sleep(FAILURE_PAUSE);
            }
        }
        begun = clock.monotonic();
    }
    report
}

/// Statements of dashboards and analysts that read the whole table.
fn statements(table: &str, walks: &[FieldWalk]) -> Vec<String> {
    let first = walks[0].name;
    let last = walks[walks.len() - 1].name;
    let all = |function: &str| {
        let columns: Vec<String> = walks.iter().map(|walk| format!("{function}({})", walk.name)).collect();
        columns.join(", ")
    };
    vec![
        format!(
            "SELECT zone, time_bucket(INTERVAL '1 minute', time) AS minute, {}, {} FROM {table} GROUP BY zone, minute",
            all("avg"),
            all("max")
        ),
        format!("SELECT zone, approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY {first}) FROM {table} GROUP BY zone"),
        format!(
            "SELECT device, count(*) AS above FROM {table} WHERE {first} > 30 GROUP BY device ORDER BY above DESC LIMIT 10"
        ),
        format!("SELECT device, {} FROM {table} GROUP BY device", all("stddev")),
        format!("SELECT zone, corr({first}, {last}), count(*) FROM {table} GROUP BY zone"),
        format!("SELECT count(DISTINCT {first}) FROM {table}"),
        format!(
            "SELECT zone, hour, mean - lag(mean) OVER (PARTITION BY zone ORDER BY hour) FROM (SELECT zone, \
             date_trunc('hour', time) AS hour, avg({first}) AS mean FROM {table} GROUP BY zone, hour) AS hours"
        ),
        format!("SELECT {}, {} FROM {table}", all("min"), all("sum")),
    ]
}

const FAILURE_PAUSE: Duration = Duration::from_millis(200);
