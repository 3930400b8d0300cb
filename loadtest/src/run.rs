//! One run: the server, the gateways, the clock, and what is found at the end.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use zonelake_gateway::{Connection, ConnectionOptions, Sockets, Trust};
use zonelake_schemas::clock::{Clock, SystemClock};

use crate::error::LoadError;
use crate::freshness::{self, PROBE, ProbeArgs};
use crate::load::{Load, LoadName, StreamPlan};
use crate::meter::Meter;
use crate::overload::{self, OverloadArgs, SpillingArgs};
use crate::proof::{Proved, Sent, prove};
use crate::queries::{Queries, QueriesArgs};
use crate::report::{Latency, OverloadReport, Report, SecondReport, percentiles};
use crate::resources::{Usage, usage};
use crate::rows::{RowsArgs, SentByDevice};
use crate::screens::{Screens, ScreensArgs};
use crate::sender::{self, Pace, SenderArgs, StartLine, wait_until};
use crate::server::{Server, ZoneToken};
use crate::sql::SqlClient;

/// Parts of a run.
#[derive(Debug)]
pub(crate) struct RunArgs {
    /// Name of the load.
    pub name: LoadName,
    /// The load.
    pub load: Load,
    /// The server's program.
    pub program: PathBuf,
    /// New folder of the server and its files.
    pub data: PathBuf,
    /// Settings of the server, as environment variables.
    pub settings: Vec<(String, String)>,
    /// Everything is compared at the end.
    pub proof: bool,
    /// Clients that ask heavy statements meanwhile.
    pub queries: usize,
    /// Most bytes that wait for their acknowledgement, each stream.
    pub unacked_bytes_max: usize,
}

/// Runs a load from the start of its server to the proof.
///
/// # Errors
/// Where a part fails, or the proof does.
pub(crate) async fn run(args: RunArgs) -> Result<Found, LoadError> {
    let server = Server::start(&args.program, &args.data, &args.settings)?;
    let tokens = server.add_gateways(args.load.connections.min(ZONES))?;
    // A running server looks at its registry every second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let sql = SqlClient::new(&server.url, &server.password);
    let running = Running { args: &args, server: &server, sql: &sql, meter: Arc::default(), clock };
    if args.name == LoadName::Overload {
        let (mut report, sent) = running.overload(&tokens).await?;
        if args.proof {
            report.proved = Some(tokio::task::block_in_place(|| prove(&sql, &sent))?);
        }
        tokio::task::block_in_place(|| server.stop_and_check())?;
        return Ok(Found::Overload(Box::new(report)));
    }
    let (mut report, sent) = running.drive(&tokens).await?;
    if args.proof {
        let mut all = Proved::default();
        for sent in &sent {
            let sql = sql.clone();
            let proved = tokio::task::block_in_place(|| prove(&sql, sent))?;
            all.devices += proved.devices;
            all.rows += proved.rows;
            all.readings += proved.readings;
        }
        if all.rows != report.in_all.rows {
            return Err(LoadError::Proof(format!(
                "{} rows were acknowledged and {} sent",
                report.in_all.rows, all.rows
            )));
        }
        report.proved = Some(all);
    }
    tokio::task::block_in_place(|| server.stop_and_check())?;
    Ok(Found::Load(Box::new(report)))
}

/// Findings of a run.
#[derive(Debug)]
pub(crate) enum Found {
    /// Of a load.
    Load(Box<Report>),
    /// Of an overload.
    Overload(Box<OverloadReport>),
}

struct Running<'a> {
    args: &'a RunArgs,
    server: &'a Server,
    sql: &'a SqlClient,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
}

/// Findings of a run, from its seconds.
struct Watched {
    seconds: Vec<SecondReport>,
    server: (Usage, Usage),
    load: (Usage, Usage),
    measured: Duration,
    log_bytes: f64,
    flushed_rows: f64,
    flushed_bytes: f64,
}

impl Running<'_> {
    async fn drive(&self, tokens: &[ZoneToken]) -> Result<(Report, Vec<Sent>), LoadError> {
        let load = &self.args.load;
        let mut connections = Vec::new();
        let sockets: Vec<Sockets> = (0..SOCKETS_MAX).map(|_| Sockets::default()).collect();
        for place in 0..load.connections {
            connections.push(self.connection(sockets[place % SOCKETS_MAX].clone())?);
        }
        let (ready, mut opened) = mpsc::unbounded_channel();
        let (start_at, start) = watch::channel(None);
        let line = StartLine { opening: Arc::new(Semaphore::new(OPENING_MAX)), ready, start };
        let length = load.warm_up + load.length;
        let wall_us = self.clock.wall_us();
        let mut senders: JoinSet<Result<(usize, Vec<SentByDevice>), LoadError>> = JoinSet::new();
        let mut starts_us = Vec::new();
        for (index, plan) in load.streams.iter().enumerate() {
            starts_us.push(first_time_us(plan, wall_us));
            for (place, connection) in connections.iter().enumerate() {
                let token = &tokens[place % tokens.len()];
                let args = self.sender(plan, place, connection, token, starts_us[index], length);
                let line = line.clone();
                senders.spawn(async move { Ok((index, sender::run(args, line).await?)) });
            }
        }
        // Handshakes and the registration of devices happen once; the clock starts when they are over.
        for _ in 0..senders.len() {
            tokio::select! {
                _ = opened.recv() => {}
                Some(ended) = senders.join_next() => return Err(ended_early(ended)),
            }
        }
        let start = self.clock.monotonic() + HEAD_START;
        let end = start + length;
        start_at.send_replace(Some(start));
        let probe = match load.freshness {
            true => Some(freshness::start(self.probe(tokens, end)?)),
            false => None,
        };
        let queries = QueriesArgs {
            clients: self.args.queries,
            table: load.streams[0].table,
            walks: load.streams[0].walks,
            sql: self.sql.clone(),
            clock: Arc::clone(&self.clock),
            end,
        };
        let queries = Queries::start(&queries);
        let screens = Screens::start(&self.screens(tokens, (start + load.warm_up, end)));
        let storms = load.storm_every.map(|every| tokio::spawn(storm(connections.clone(), every)));
        let watched = self.watch(start, end, &mut senders).await?;
        let ended = self.clock.monotonic();
        storms.inspect(|storms| storms.abort());
        let mut sent: Vec<Sent> = load
            .streams
            .iter()
            .zip(starts_us)
            .map(|(plan, start_us)| Sent { table: plan.table, walks: plan.walks, start_us, devices: Vec::new() })
            .collect();
        while let Some(sender) = senders.join_next().await {
            let (index, devices) = sender.map_err(|error| LoadError::Server(error.to_string()))??;
            sent[index].devices.extend(devices);
        }
        let drained = self.clock.monotonic().saturating_sub(ended);
        if let Some(probe) = probe {
            probe.await.map_err(|error| LoadError::Server(error.to_string()))??;
        }
        let statements = queries.finish().await?;
        let screens = screens.finish().await?;
        // Each waits until the server knows.
        let close = |connection: Arc<Connection>| async move { connection.close().await };
        connections.into_iter().map(close).collect::<JoinSet<()>>().join_all().await;
        Ok((Report { statements, screens, ..self.report(&watched, drained) }, sent))
    }

    async fn overload(&self, tokens: &[ZoneToken]) -> Result<(OverloadReport, Sent), LoadError> {
        let load = &self.args.load;
        let plan = &load.streams[0];
        let start_us = first_time_us(plan, self.clock.wall_us());
        let little = StreamPlan { kind: "little", devices: 100, batch_rows: 100, ..plan.clone() };
        let place = load.connections - 1;
        let mut spilling = Vec::new();
        for place in 0..place {
            let connection = self.connection(Sockets::default())?;
            let args = self.sender(plan, place, &connection, &tokens[place % tokens.len()], start_us, load.length);
            let SenderArgs { connection, token, producer, rows, .. } = args;
            spilling.push(SpillingArgs { connection, token, producer, rows });
        }
        let connection = self.connection(Sockets::default())?;
        let bystander = self.sender(&little, place, &connection, &tokens[place % tokens.len()], start_us, load.length);
        let args = OverloadArgs {
            spilling,
            bystander,
            length: load.length,
            meter: Arc::clone(&self.meter),
            clock: Arc::clone(&self.clock),
            server: self.server.pid(),
            folder: &self.args.data,
        };
        let (report, devices) = overload::drive(args).await?;
        Ok((report, Sent { table: plan.table, walks: plan.walks, start_us, devices }))
    }

    fn connection(&self, sockets: Sockets) -> Result<Arc<Connection>, LoadError> {
        let options = ConnectionOptions {
            answer_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(5),
            sockets,
            ..ConnectionOptions::new(&self.server.quic, Trust::CertificateFile(self.server.certificate()))
        };
        Ok(Connection::with_clock(options, Arc::clone(&self.clock))?)
    }

    #[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
    fn sender(
        &self,
        plan: &StreamPlan,
        place: usize,
        connection: &Arc<Connection>,
        token: &ZoneToken,
        start_us: i64,
        length: Duration,
    ) -> SenderArgs {
        let load = &self.args.load;
        let own = |all: usize| all * (place + 1) / load.connections - all * place / load.connections;
        let devices = own(plan.devices).max(1);
        let rows_per_second = plan.rows_per_second.map(|all| all * devices as f64 / plan.devices as f64);
        let every = rows_per_second.map(|rows| Duration::from_secs_f64(plan.batch_rows as f64 / rows));
        let tick = rows_per_second.map_or(1.0, |rows| devices as f64 / rows);
        SenderArgs {
            connection: Arc::clone(connection),
            token: token.token.clone(),
            producer: format!("load-{place}"),
            rows: RowsArgs {
                table: plan.table.into(),
                wire: plan.wire,
                walks: plan.walks,
                devices: (0..devices).map(|device| format!("load-{}-{place:05}-{device:04}", plan.kind)).collect(),
                batch_rows: plan.batch_rows,
                start_us,
                tick_us: ((tick * 1_000.0).round() as i64).max(1) * 1_000,
                seed: place as u64 * 31 + plan.kind.len() as u64,
            },
            pace: Pace {
                every,
                first: every.unwrap_or_default().mul_f64(place as f64 / load.connections as f64),
                length,
                late_share: load.late_share,
                burst_every: load.burst_every,
            },
            meter: Arc::clone(&self.meter),
            clock: Arc::clone(&self.clock),
            unacked_bytes_max: self.args.unacked_bytes_max.min(UNACKED_BYTES_MAX / load.connections.max(1)),
        }
    }

    fn probe(&self, tokens: &[ZoneToken], end: Duration) -> Result<ProbeArgs, LoadError> {
        let plan = &self.args.load.streams[0];
        Ok(ProbeArgs {
            connection: self.connection(Sockets::default())?,
            token: tokens[0].token.clone(),
            table: plan.table,
            field: plan.walks[0].name,
            sql: self.sql.clone(),
            meter: Arc::clone(&self.meter),
            clock: Arc::clone(&self.clock),
            end,
        })
    }

    fn screens(&self, tokens: &[ZoneToken], measured: (Duration, Duration)) -> ScreensArgs {
        let load = &self.args.load;
        let (address, authorization) = self.sql.parts();
        ScreensArgs {
            screens: load.screens,
            followers: load.followers,
            address,
            authorization,
            table: load.streams[0].table,
            field: load.streams[0].walks[0].name,
            zones: tokens.iter().map(|token| token.zone).collect(),
            followed: PROBE,
            clock: Arc::clone(&self.clock),
            measured,
        }
    }

    /// Watches second by second; ends early where a sender fails.
    async fn watch(
        &self,
        start: Duration,
        end: Duration,
        senders: &mut JoinSet<Result<(usize, Vec<SentByDevice>), LoadError>>,
    ) -> Result<Watched, LoadError> {
        let measure_from = start + self.args.load.warm_up;
        let progress = progress(end.saturating_sub(start));
        wait_until(self.clock.as_ref(), start).await;
        // What came before the start has no second.
        self.meter.take_second();
        let (mut at, mut before) = (self.clock.monotonic(), usage(self.server.pid()));
        let mut seconds = Vec::new();
        let mut began = None;
        while self.clock.monotonic() + LAST_MOMENT < end {
            if began.is_none() && self.clock.monotonic() >= measure_from {
                self.meter.measure(true);
                began = Some((self.clock.monotonic(), usage(self.server.pid()), usage(std::process::id())));
            }
            wait_until(self.clock.as_ref(), (at + Duration::from_secs(1)).min(end - LAST_MOMENT)).await;
            let (now, after) = (self.clock.monotonic(), usage(self.server.pid()));
            let second = self.meter.take_second();
            let report = SecondReport::new(now.saturating_sub(start), now.saturating_sub(at), &second, before, after);
            show(&progress, &report);
            seconds.push(report);
            (at, before) = (now, after);
            // Nobody ends before the load does, unless something has failed.
            if let Some(ended) = senders.try_join_next() {
                return Err(ended_early(ended));
            }
        }
        self.meter.measure(false);
        let measured_until = self.clock.monotonic();
        progress.finish_and_clear();
        let (from, server, load) =
            began.ok_or_else(|| LoadError::Server("the machine is too slow for the clock of the load".into()))?;
        let sql = self.sql.clone();
        let (log_bytes, flushed_rows, flushed_bytes) = tokio::task::block_in_place(|| {
            let metric = |name| sql.metric(name);
            Ok::<_, LoadError>((
                metric("zonelake_log_written_bytes_total")?,
                metric("zonelake_rows_flushed_total")?,
                metric("zonelake_flushed_bytes_total")?,
            ))
        })?;
        Ok(Watched {
            seconds,
            server: (server, usage(self.server.pid())),
            load: (load, usage(std::process::id())),
            measured: measured_until.saturating_sub(from),
            log_bytes,
            flushed_rows,
            flushed_bytes,
        })
    }

    fn report(&self, watched: &Watched, drained: Duration) -> Report {
        let load = &self.args.load;
        let seconds = watched.measured.as_secs_f64();
        let (measured, acknowledged, fresh) = self.meter.measured();
        let in_all = self.meter.totals();
        let processors = |(from, to): (Usage, Usage)| (to.processor_seconds - from.processor_seconds) / seconds;
        let readings_a_row = in_all.readings as f64 / in_all.rows.max(1) as f64;
        let flushed_readings = watched.flushed_rows * readings_a_row;
        Report {
            load: format!("{:?}", self.args.name),
            connections: load.connections,
            batch_rows: load.streams.iter().map(|plan| plan.batch_rows).collect(),
            rows_per_second_due: load.streams.iter().map(|plan| plan.rows_per_second).sum(),
            seconds,
            measured,
            rows_per_second: measured.rows as f64 / seconds,
            readings_per_second: measured.readings as f64 / seconds,
            in_all,
            acknowledgement: Latency::of(&acknowledged),
            freshness: load.freshness.then(|| Latency::of(&fresh)),
            statements: Vec::new(),
            screens: None,
            links_lost: self.meter.links_lost(),
            server_memory_peak_bytes: usage(self.server.pid()).memory_peak_bytes,
            server_processors: processors(watched.server),
            load_processors: processors(watched.load),
            log_bytes: watched.log_bytes,
            rows_flushed_meanwhile: watched.flushed_rows,
            parquet_bytes_per_reading: (flushed_readings > 0.0).then(|| watched.flushed_bytes / flushed_readings),
            drained_seconds: drained.as_secs_f64(),
            proved: None,
            by_second: watched.seconds.clone(),
            percentiles: percentiles(&acknowledged),
        }
    }
}

/// Reason why a gateway has ended before the load did.
fn ended_early<T>(ended: Result<Result<T, LoadError>, JoinError>) -> LoadError {
    match ended {
        Ok(Ok(_)) => LoadError::Server("a gateway has ended before the load did".into()),
        Ok(Err(error)) => error,
        Err(error) => LoadError::Server(error.to_string()),
    }
}

/// Begin of the times of a stream. With a rate, rows are as old as they would be; without one, time runs as fast as
/// rows can be taken, and begins so far back that it does not reach the present.
fn first_time_us(plan: &StreamPlan, wall_us: i64) -> i64 {
    let back_us = if plan.rows_per_second.is_some() { 0 } else { BACK_US };
    // Whole milliseconds, so that sums of times can be compared as such.
    (wall_us - back_us) / 1_000_000 * 1_000_000
}

/// Cuts all connections at once, every so often.
async fn storm(connections: Vec<Arc<Connection>>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        for connection in &connections {
            connection.cut().await;
        }
    }
}

fn progress(length: Duration) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {msg}").expect("the template is correct");
    ProgressBar::new(length.as_secs()).with_style(style)
}

#[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
fn show(progress: &ProgressBar, second: &SecondReport) {
    progress.set_position(second.at as u64);
    progress.set_message(format!(
        "{:.2} M readings/s, p99 {:.1} ms, server {:.2} processors, {:.0} MB",
        second.readings as f64 / 1e6,
        second.latency.p99_ms,
        second.server_processors,
        second.server_memory_bytes as f64 / 1e6
    ));
}

/// Makes a new folder for a run below `parent`.
///
/// # Errors
/// Where it cannot be made.
pub(crate) fn new_folder(parent: &Path) -> Result<tempfile::TempDir, LoadError> {
    std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::Builder::new().prefix("zonelake-load-").tempdir_in(parent))
        .map_err(|error| LoadError::Server(format!("{}: {error}", parent.display())))
}

/// Most bytes that wait for their acknowledgement, all streams together, beside at least one batch each.
const UNACKED_BYTES_MAX: usize = 256 << 20;
/// Zones that gateways stand in.
const ZONES: usize = 20;
/// Age at which a load without a rate begins: 60 days, two years of rows a second in 6 minutes.
const BACK_US: i64 = 60 * 86_400 * 1_000_000;
/// A second that is shorter than this is left out.
const LAST_MOMENT: Duration = Duration::from_millis(100);
/// Time before the clock starts.
const HEAD_START: Duration = Duration::from_secs(1);
/// Sockets of all gateways; a thousand of them would take 3 GB.
const SOCKETS_MAX: usize = 100;
/// Gateways that connect at the same time.
const OPENING_MAX: usize = 32;
