//! One run: gateways, links, a server, its disk and its tables, and all that happens to them, one step after the other,
//! in an order that follows from a seed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;
use zonelake_parquet::ParquetOptions;
use zonelake_schemas::clock::Clock;
use zonelake_storage::{Store, StoreArgs, StoreOptions, StoreParts};

use crate::bug::Bug;
use crate::disk::SimDisk;
use crate::gateway::{Heard, Link, SimGateway};
use crate::harness::{Harness, PRODUCERS};
use crate::oracle::{Broken, Oracle};
use crate::rng::{CountedFileIds, Rng, SimClock};
use crate::server::Server;
use crate::tables::{Gate, SimLogs, SimObjects};

/// Counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunReport {
    /// Digest of everything that happened, in its order.
    pub trace: u64,
    pub steps: u64,
    pub starts: u64,
    pub flushes: u64,
    pub tidied: u64,
    pub deletions: u64,
    /// Turns of a shard after which records were set aside.
    pub set_aside: u64,
    /// Times that the clock was set years ahead or back.
    pub wild_jumps: u64,
    pub checks: u64,
    pub rows: u64,
}

pub(crate) struct World<'a> {
    pub(crate) harness: &'a Harness,
    pub(crate) rng: Rng,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) disk: SimDisk,
    pub(crate) logs: SimLogs,
    pub(crate) files: Arc<InMemory>,
    pub(crate) gate: Arc<Gate>,
    file_ids: Arc<CountedFileIds>,
    pub(crate) server: Option<Server>,
    pub(crate) gateways: Vec<SimGateway>,
    pub(crate) links: Vec<Link>,
    pub(crate) epochs: [u64; PRODUCERS],
    pub(crate) oracle: Oracle,
    shards: u16,
    segment_bytes: u64,
    /// The clock is set years ahead and back in this world, and not by minutes alone.
    pub(crate) has_wild_clock: bool,
    /// Bound of a WAL, in segments.
    log_segments_max: u64,
    bug: Option<Bug>,
    pub(crate) report: RunReport,
    is_shown: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(harness: &'a Harness, seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = Rng::new(seed);
        let disk = SimDisk::new(rng.next(), bug);
        disk.memory.set_short_writes(rng.one_in(3));
        let shards = 1 + u16::try_from(rng.below(3)).expect("few");
        let segment_bytes = [8_192, 16_384, 65_536][rng.below(3)];
        let log_segments_max = [1, 4][rng.below(2)];
        let has_wild_clock = rng.one_in(3);
        Self {
            harness,
            rng,
            clock: Arc::new(SimClock::new()),
            disk,
            logs: SimLogs::default(),
            files: Arc::default(),
            gate: Arc::default(),
            file_ids: Arc::default(),
            server: None,
            gateways: Vec::new(),
            links: Vec::new(),
            epochs: [0; PRODUCERS],
            oracle: Oracle::default(),
            shards,
            segment_bytes,
            has_wild_clock,
            log_segments_max,
            bug,
            report: RunReport::default(),
            is_shown: std::env::var_os("ZONELAKE_SIM_SHOW").is_some(),
        }
    }

    /// Notes what happens, for the digest.
    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        let text = what.to_string();
        if self.is_shown {
            println!("{:>5} {text}", self.report.steps);
        }
        for byte in text.bytes() {
            self.report.trace = (self.report.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Runs to the end: some hundred steps among faults, then without any until everything is where it belongs.
    pub(crate) fn run(mut self) -> Result<RunReport, Broken> {
        self.start_server(true)?;
        for _ in 0..2 + self.rng.below(3) {
            self.start_gateway();
        }
        let steps = 200 + self.rng.below(1_000);
        for _ in 0..steps {
            self.report.steps += 1;
            let us = 1 + self.rng.next() % 5_000;
            self.clock.advance(us);
            self.step()?;
            if self.disk.is_dead() {
                self.crash("in the midst of something");
            }
        }
        self.settle()?;
        self.report.checks = self.oracle.checks;
        let (checks, rows) = (self.oracle.checks, self.report.rows);
        self.note(format_args!("{checks} checks, {rows} rows"));
        Ok(self.report)
    }

    pub(crate) fn start_gateway(&mut self) {
        let producer = self.rng.below(PRODUCERS);
        self.epochs[producer] += 1;
        let epoch = self.epochs[producer];
        self.note(format_args!("gateway p{producer} begins epoch {epoch}"));
        self.gateways.push(SimGateway::new(producer, epoch, &mut self.rng, &mut self.oracle));
    }

    /// The server's process is gone, perhaps with the power.
    pub(crate) fn crash(&mut self, why: &str) {
        let power_lost = !self.disk.memory.is_powered();
        self.note(format_args!("server is gone: {why}, power lost: {power_lost}"));
        self.forget_work();
        self.server = None;
        self.gate.clear();
        if power_lost {
            let rng = &mut self.rng;
            self.logs.lose_power(|| rng.one_in(2));
        }
        for link in self.links.iter_mut().filter(|link| link.server_has_it) {
            link.server_has_it = false;
            // What was on its way down may arrive, or part of it.
            let kept = self.rng.below(link.down.len() + 1);
            link.down.truncate(kept);
        }
    }

    /// Starts the server, as often as it takes; with faults, some attempts are made to fail.
    pub(crate) fn start_server(&mut self, with_faults: bool) -> Result<(), Broken> {
        if self.rng.one_in(4) {
            self.shards = 1 + u16::try_from(self.rng.below(3)).expect("few");
        }
        for attempt in 0.. {
            self.disk.begin_process();
            self.disk.calm();
            let hurts = with_faults && attempt < 4 && self.rng.one_in(3);
            if hurts {
                self.arm_fault();
            }
            let opened = self.open_store(hurts);
            if opened.is_none() || self.disk.is_dead() {
                self.crash("while it starts");
                continue;
            }
            let shards = self.shards;
            match opened.expect("checked") {
                Ok((store, opened, recovered)) => {
                    self.disk.calm();
                    self.note(format_args!("server starts with {shards} shards: {recovered:?}"));
                    self.report.starts += 1;
                    self.server = Some(Server::new(store, opened, self.harness, self.bug));
                    return self.check();
                }
                Err(error) if hurts => self.note(format_args!("the start fails: {error}")),
                Err(error) => return Err(format!("the server does not start: {error}")),
            }
        }
        unreachable!("the fifth attempt has no faults")
    }

    #[expect(clippy::type_complexity, reason = "the type is that of Store::open")]
    fn open_store(
        &mut self,
        hurts: bool,
    ) -> Option<
        Result<(Arc<Store>, Vec<zonelake_storage::Shard>, zonelake_storage::Recovered), zonelake_storage::OpenError>,
    > {
        let (args, parts) = (self.args(), self.parts());
        let mut work: std::pin::Pin<Box<dyn Future<Output = _>>> = Box::pin(Store::open_on(args, parts));
        loop {
            match self.gate.drive(&self.harness.runtime, &mut work) {
                Ok(opened) => return Some(opened),
                Err(_) if hurts && self.rng.one_in(12) => return None,
                Err(_) => self.gate.decide(!(hurts && self.rng.one_in(10))),
            }
        }
    }

    fn args(&self) -> StoreArgs {
        let options = StoreOptions {
            folder: PathBuf::from("/data"),
            node: "node-1".into(),
            shards: self.shards,
            segment_bytes: self.segment_bytes,
            flush_bytes_max: 1 << 20,
            flush_age_max: Duration::from_secs(60),
            live_bytes_max: 4 << 20,
            log_bytes_max: self.log_segments_max * self.segment_bytes,
            free_bytes_min: 1_000,
            parquet: ParquetOptions {
                files_in_work_max: 1,
                file_ids: Arc::clone(&self.file_ids) as _,
                ..Default::default()
            },
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        StoreArgs { options, declared: self.harness.declared.clone(), clock, disk: Arc::new(self.disk.clone()) }
    }

    fn parts(&self) -> StoreParts {
        let objects = SimObjects { files: Arc::clone(&self.files), gate: Arc::clone(&self.gate) };
        let (logs, gate, bug) = (self.logs.clone(), Arc::clone(&self.gate), self.bug);
        StoreParts {
            registry: Arc::clone(&self.harness.registry),
            object_store: Arc::new(objects),
            url: Url::parse("memory:///").expect("this is a URL"),
            tables_root: Path::from("tables"),
            table_log: Box::new(move |name| Ok(logs.log(name, &gate, bug))),
            lock: None,
        }
    }

    /// Something is going to go wrong with the disk, the process or the power.
    pub(crate) fn arm_fault(&mut self) {
        let after = self.rng.next() % 12;
        let memory = &self.disk.memory;
        let what = self.rng.pick(&[(4, "power"), (4, "kill"), (2, "sync"), (1, "write"), (1, "full")]);
        match what {
            "power" => memory.cut_power_after(after),
            "kill" => self.disk.kill_after(after),
            "sync" => memory.fail_sync_after(after),
            "write" => memory.fail_write_after(after, std::io::ErrorKind::Other),
            _ => memory.fail_write_after(after, std::io::ErrorKind::StorageFull),
        }
        self.note(format_args!("fault to come: {what} after {after}"));
    }

    /// Judges what a query would see.
    pub(crate) fn check(&mut self) -> Result<(), Broken> {
        let Some(server) = &self.server else { return Ok(()) };
        let rows = self.oracle.check(&server.store, &self.files)?;
        self.report.rows = rows;
        self.note(format_args!("{rows} rows are seen"));
        Ok(())
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.wall_us()
    }

    /// The gateway gives a link up.
    pub(crate) fn hang_up(&mut self, link: usize) {
        let end = &mut self.links[link];
        if end.gateway_has_it {
            end.gateway_has_it = false;
            let (gateway, stream) = (end.gateway, end.stream);
            // What was on its way up may arrive, or part of it.
            let kept = self.rng.below(end.up.len() + 1);
            end.up.truncate(kept);
            self.gateways[gateway].streams[stream].handle_disconnected();
        }
    }

    pub(crate) fn handle_heard(&mut self, link: usize, heard: Heard) {
        let gateway = self.links[link].gateway;
        match heard {
            Heard::Fine => {}
            Heard::TryAgain => self.hang_up(link),
            Heard::Fenced => {
                self.hang_up(link);
                let (producer, epoch) = (self.gateways[gateway].producer, self.gateways[gateway].epoch);
                // A gateway's own new link may be overtaken by its old one; a person would start it again.
                if epoch < self.epochs[producer] {
                    self.note(format_args!("gateway {gateway} is fenced and stops"));
                    self.stop_gateway(gateway);
                }
            }
        }
    }

    pub(crate) fn stop_gateway(&mut self, gateway: usize) {
        self.gateways[gateway].alive = false;
        let links: Vec<usize> = self.gateways[gateway].streams.iter().filter_map(|stream| stream.link).collect();
        links.into_iter().for_each(|link| self.hang_up(link));
    }
}
