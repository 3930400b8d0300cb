//! Screens beside a load: clients that pull a zone's last 5 minutes once a second, and clients that follow a device as a stream of events.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zonelake_schemas::clock::Clock;

use crate::error::LoadError;
use crate::meter::{histogram, microseconds};
use crate::report::{Latency, ScreensReport};
use crate::sender::wait_until;

/// Clients, and what they ask.
#[derive(Debug)]
pub(crate) struct ScreensArgs {
    /// Clients that pull once a second.
    pub screens: usize,
    /// Clients that follow.
    pub followers: usize,
    /// Address of the server, as `127.0.0.1:7421`.
    pub address: String,
    /// Value of the header `Authorization`.
    pub authorization: String,
    /// Table that the load fills, and a field of it.
    pub table: &'static str,
    /// Field that is asked for.
    pub field: &'static str,
    /// Zones that the load fills.
    pub zones: Vec<&'static str>,
    /// Device that is followed: it sends ten rows a second.
    pub followed: &'static str,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// From when on answers count, and when it ends.
    pub measured: (Duration, Duration),
}

/// Clients that are asking.
#[derive(Debug)]
pub(crate) struct Screens {
    pulls: JoinSet<Found>,
    streams: JoinSet<Found>,
}

/// Findings of one client.
#[derive(Debug)]
struct Found {
    latency_us: Histogram<u64>,
    failed: u64,
    first_failure: Option<String>,
}

impl Screens {
    /// Starts the clients, the pulls spread over their second.
    pub(crate) fn start(args: &ScreensArgs) -> Self {
        let (mut pulls, mut streams) = (JoinSet::new(), JoinSet::new());
        let request = |path: &str, accept: &str| {
            let (address, authorization) = (&args.address, &args.authorization);
            format!(
                "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\naccept: {accept}\r\n\r\n"
            )
        };
        for (place, zone) in args.zones.iter().cycle().take(args.screens).enumerate() {
            let path = format!("/api/v1/live/{}?window=5m&zone={zone}&field={}", args.table, args.field);
            let request = request(&path, "application/json");
            let (address, clock, measured) = (args.address.clone(), Arc::clone(&args.clock), args.measured);
            let first = EVERY.mul_f64(place as f64 / args.screens as f64);
            pulls.spawn(async move {
                let mut found = Found::new();
                let asked = pull(&address, &request, first, clock.as_ref(), measured, &mut found).await;
                found.note(asked);
                found
            });
        }
        for _ in 0..args.followers {
            let path = format!("/api/v1/live/{}?device={}&field={}", args.table, args.followed, args.field);
            let request = request(&path, "text/event-stream");
            let (address, clock, measured) = (args.address.clone(), Arc::clone(&args.clock), args.measured);
            streams.spawn(async move {
                let mut found = Found::new();
                let length = measured.1.saturating_sub(clock.monotonic());
                let followed = follow(&address, &request, clock.as_ref(), measured, &mut found);
                // A stream has no end of its own.
                let followed = timeout(length, followed).await.unwrap_or(Ok(()));
                found.note(followed);
                found
            });
        }
        Self { pulls, streams }
    }

    /// Waits for the last answers.
    ///
    /// # Errors
    /// Where a client has panicked.
    pub(crate) async fn finish(self) -> Result<Option<ScreensReport>, LoadError> {
        let (screens, followers) = (self.pulls.len(), self.streams.len());
        if screens + followers == 0 {
            return Ok(None);
        }
        let (pulls, streams) = (joined(self.pulls).await?, joined(self.streams).await?);
        Ok(Some(ScreensReport {
            screens,
            pulls: Latency::of(&pulls.latency_us),
            followers,
            events: Latency::of(&streams.latency_us),
            failed: pulls.failed + streams.failed,
            first_failure: pulls.first_failure.or(streams.first_failure),
        }))
    }
}

impl Found {
    fn new() -> Self {
        Self { latency_us: histogram(), failed: 0, first_failure: None }
    }

    fn note(&mut self, ended: io::Result<()>) {
        if let Err(error) = ended {
            self.failed += 1;
            self.first_failure.get_or_insert_with(|| error.to_string());
        }
    }
}

async fn joined(mut clients: JoinSet<Found>) -> Result<Found, LoadError> {
    let mut all = Found::new();
    while let Some(found) = clients.join_next().await {
        let found = found.map_err(|error| LoadError::Server(error.to_string()))?;
        all.latency_us.add(&found.latency_us).map_err(|error| LoadError::Report(error.to_string()))?;
        all.failed += found.failed;
        all.first_failure = all.first_failure.or(found.first_failure);
    }
    Ok(all)
}

/// Pulls once a second on one connection. A pull counts from when it was due, so that a server that answers late is not asked less.
async fn pull(
    address: &str,
    request: &str,
    first: Duration,
    clock: &dyn Clock,
    (from, end): (Duration, Duration),
    found: &mut Found,
) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.get_ref().set_nodelay(true)?;
    let mut due = clock.monotonic() + first;
    let mut body = Vec::new();
    while due < end {
        wait_until(clock, due).await;
        stream.write_all(request.as_bytes()).await?;
        let (status, length) = head(&mut stream).await?;
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        if status != 200 {
            found.note(Err(io::Error::other(format!("{status}: {}", String::from_utf8_lossy(&body)))));
        } else if due >= from {
            found.latency_us.saturating_record(microseconds(clock.monotonic().saturating_sub(due)));
        }
        due += EVERY;
    }
    Ok(())
}

/// Follows a device. An event counts from the time of its row, which is when it was sent.
async fn follow(
    address: &str,
    request: &str,
    clock: &dyn Clock,
    (from, _): (Duration, Duration),
    found: &mut Found,
) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.write_all(request.as_bytes()).await?;
    let (status, _) = head(&mut stream).await?;
    if status != 200 {
        return Err(io::Error::other(format!("a stream was refused with {status}")));
    }
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let sent_us = line.strip_prefix("data: ").and_then(time_of_day_us);
        if let (Some(sent_us), true) = (sent_us, clock.monotonic() >= from) {
            let late_us = (clock.wall_us() - sent_us).rem_euclid(DAY_US);
            found.latency_us.saturating_record(late_us.unsigned_abs());
        }
        line.clear();
    }
    Err(io::Error::other("the server has ended a stream"))
}

/// Status and length of an answer's body; 0 where the answer does not say.
async fn head(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, usize)> {
    let (mut status, mut length) = (0, 0);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok((status, length));
        }
        if let Some(rest) = text.strip_prefix("HTTP/1.1 ") {
            status = rest.split(' ').next().and_then(|status| status.parse().ok()).unwrap_or_default();
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
}

/// Microseconds since midnight of the column `time` of a line of JSON, as in `"time":"2026-01-01T12:00:00.250000Z"`.
fn time_of_day_us(line: &str) -> Option<i64> {
    let (_, behind) = line.split_once("\"time\":\"")?;
    let (_, time) = behind.split_once('"')?.0.split_once('T')?;
    let (time, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), "0"));
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let us = format!("{fraction:0<6}").get(..6)?.parse::<i64>().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + us)
}

/// Time from pull to pull.
const EVERY: Duration = Duration::from_secs(1);
const DAY_US: i64 = 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_is_read_from_its_line() {
        let line = |time: &str| format!("{{\"device\":\"a\",\"time\":\"{time}\",\"x_time\":\"2026-01-01T00:00:00Z\"}}");
        assert_eq!(time_of_day_us(&line("2026-01-01T01:02:03.000004Z")), Some(3_723_000_004));
        assert_eq!(time_of_day_us(&line("2026-01-01T00:00:01Z")), Some(1_000_000));
        assert_eq!(time_of_day_us(&line("2026-01-01T00:00:00.25Z")), Some(250_000));
        assert_eq!(time_of_day_us("{}"), None);
    }
}
