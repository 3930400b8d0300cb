//! Events of a step, and the end of a run.

use crate::gateway::{Heard, Link};
use crate::harness::{DEVICES, TABLES};
use crate::oracle::Broken;
use crate::rng::START_US;
use crate::server::{Work, WorkKind};
use crate::world::World;

#[derive(Debug, Clone, Copy)]
enum Step {
    MakeBatch,
    Connect,
    Write,
    DeliverUp,
    RunShard,
    Answer,
    DeliverDown,
    HangUp,
    StartFlush,
    StartTidy,
    StartDelete,
    GoOn,
    Check,
    GatewayDies,
    GatewayForgets,
    Fault,
    Kill,
    CutPower,
    Full,
    Capacity,
    JumpClock,
    Start,
}

const STEPS: [(u32, Step); 22] = [
    (120, Step::MakeBatch),
    (60, Step::Connect),
    (120, Step::Write),
    (120, Step::DeliverUp),
    (120, Step::RunShard),
    (100, Step::Answer),
    (100, Step::DeliverDown),
    (5, Step::HangUp),
    (20, Step::StartFlush),
    (12, Step::StartTidy),
    (2, Step::StartDelete),
    (120, Step::GoOn),
    (4, Step::Check),
    (2, Step::GatewayDies),
    (2, Step::GatewayForgets),
    (6, Step::Fault),
    (2, Step::Kill),
    (2, Step::CutPower),
    (3, Step::Full),
    (20, Step::Capacity),
    (4, Step::JumpClock),
    (100, Step::Start),
];

impl World<'_> {
    pub(crate) fn step(&mut self) -> Result<(), Broken> {
        match self.rng.pick(&STEPS) {
            Step::MakeBatch => self.make_batch(),
            Step::Connect => self.with_stream(|world, gateway, stream| world.connect(gateway, stream)),
            Step::Write => self.with_stream(|world, gateway, stream| world.write(gateway, stream)),
            Step::DeliverUp => self.with_link(|world, link| world.deliver_up(link, false)),
            Step::RunShard => self.run_shard(),
            Step::Answer => self.with_link(|world, link| world.answer(link, false)),
            Step::DeliverDown => self.with_link(|world, link| world.deliver_down(link, false)),
            Step::HangUp => self.with_link(|world, link| {
                world.note(format_args!("link {link} is given up"));
                world.hang_up(link);
                Ok(())
            }),
            Step::StartFlush => self.start_flush(),
            Step::StartTidy => self.start_tidy(),
            Step::StartDelete => self.start_delete(),
            Step::GoOn => self.go_on(true),
            Step::Check => self.check(),
            Step::GatewayDies | Step::GatewayForgets if self.gateways.len() >= GATEWAYS_MAX => Ok(()),
            Step::GatewayDies => {
                let gateway = self.rng.below(self.gateways.len());
                self.note(format_args!("gateway {gateway} dies"));
                self.stop_gateway(gateway);
                self.start_gateway();
                Ok(())
            }
            Step::GatewayForgets => {
                self.start_gateway();
                Ok(())
            }
            Step::Fault => {
                self.arm_fault();
                Ok(())
            }
            Step::Kill => {
                self.crash("killed");
                Ok(())
            }
            Step::CutPower => {
                self.disk.memory.cut_power();
                self.crash("the power goes");
                Ok(())
            }
            Step::Full => {
                self.note(format_args!("the disk is full"));
                self.disk.memory.set_capacity_bytes(0);
                Ok(())
            }
            Step::Capacity => {
                self.disk.memory.set_capacity_bytes(u64::MAX);
                Ok(())
            }
            Step::JumpClock => {
                let us = self.rng.below(120_000_000) as i64 - 60_000_000;
                match self.has_wild_clock && self.rng.one_in(3) {
                    true => self.jump_by_years(),
                    false => self.clock.step_wall(us),
                }
                Ok(())
            }
            Step::Start => match &self.server {
                Some(server) if !server.has_failed() => Ok(()),
                _ => self.restart(true),
            },
        }
    }

    /// A battery is empty, or somebody sets another year. What comes in goes on; times of receipt follow the clock back.
    fn jump_by_years(&mut self) {
        let target = START_US + (self.rng.below(20) as i64 - 10) * YEAR_US;
        self.clock.step_wall(target - self.now_us());
        self.report.wild_jumps += 1;
        self.oracle.handle_clock_set();
        self.note(format_args!("the clock says {target}"));
    }

    fn restart(&mut self, with_faults: bool) -> Result<(), Broken> {
        if self.server.is_some() {
            self.crash("it is stopped, since it has failed");
        }
        self.start_server(with_faults)
    }

    fn with_stream(&mut self, step: impl FnOnce(&mut Self, usize, usize) -> Result<(), Broken>) -> Result<(), Broken> {
        let alive: Vec<usize> = (0..self.gateways.len()).filter(|&gateway| self.gateways[gateway].alive).collect();
        if alive.is_empty() {
            return Ok(());
        }
        let gateway = alive[self.rng.below(alive.len())];
        let stream = self.rng.below(self.gateways[gateway].streams.len());
        step(self, gateway, stream)
    }

    fn with_link(&mut self, step: impl FnOnce(&mut Self, usize) -> Result<(), Broken>) -> Result<(), Broken> {
        let open: Vec<usize> = (0..self.links.len()).filter(|&link| self.links[link].is_of_use()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let link = open[self.rng.below(open.len())];
        step(self, link)
    }

    fn make_batch(&mut self) -> Result<(), Broken> {
        self.with_stream(|world, gateway, stream| {
            let now_us = world.now_us();
            let own = &mut world.gateways[gateway].streams[stream];
            if own.make_batch(&mut world.rng, &mut world.oracle, now_us)? {
                let record = own.record;
                world.note(format_args!("stream {record} makes a batch"));
            }
            Ok(())
        })
    }

    fn connect(&mut self, gateway: usize, stream: usize) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        if self.gateways[gateway].streams[stream].link.is_some() {
            return Ok(());
        }
        let link = self.links.len();
        server.handle_link(link);
        let (producer, epoch) = (self.gateways[gateway].producer, self.gateways[gateway].epoch);
        let own = &mut self.gateways[gateway].streams[stream];
        let up = own.open_frame(producer, epoch).into();
        own.link = Some(link);
        self.links.push(Link { gateway, stream, up, gateway_has_it: true, server_has_it: true, ..Link::default() });
        self.note(format_args!("gateway {gateway} opens link {link} for stream {stream}"));
        Ok(())
    }

    fn write(&mut self, gateway: usize, stream: usize) -> Result<(), Broken> {
        let own = &mut self.gateways[gateway].streams[stream];
        let Some(link) = own.link else { return Ok(()) };
        if self.links[link].up.len() > LINK_BYTES_MAX {
            return Ok(());
        }
        if let Some(frames) = own.poll_frames() {
            self.links[link].up.extend(frames);
        }
        Ok(())
    }

    fn deliver_up(&mut self, link: usize, whole: bool) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return self.notice(link) };
        if !self.links[link].server_has_it {
            return self.notice(link);
        }
        let there = self.links[link].up.len();
        let count = if whole || self.rng.one_in(2) { there } else { self.rng.below(there + 1) };
        let bytes: Vec<u8> = self.links[link].up.drain(..count).collect();
        let at_once = server.handle_bytes(link, &bytes, self.harness, &self.clock)?;
        self.links[link].down.extend(at_once);
        if self.links[link].up.is_empty() && !self.links[link].gateway_has_it && self.rng.one_in(4) {
            // The server notices that the gateway is gone.
            self.links[link].server_has_it = false;
        }
        Ok(())
    }

    /// A gateway finds that the server has gone.
    fn notice(&mut self, link: usize) -> Result<(), Broken> {
        if self.links[link].down.is_empty() {
            self.hang_up(link);
        }
        Ok(())
    }

    fn run_shard(&mut self) -> Result<(), Broken> {
        let Some(server) = &self.server else { return Ok(()) };
        let shard = self.rng.below(server.writers.len());
        let commands_max = 1 + self.rng.below(12);
        self.run_one_shard(shard, commands_max)
    }

    fn run_one_shard(&mut self, shard: usize, commands_max: usize) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let (began, answers) = server.run_shard(shard, commands_max);
        let set_aside = server.writers[shard].shard().set_aside_bytes();
        self.report.set_aside += u64::from(set_aside > 0);
        if set_aside > 0 {
            self.note(format_args!("{set_aside} bytes of shard {shard} are set aside"));
        }
        if self.disk.is_dead() {
            // Nothing that this turn came to has left the machine.
            return Ok(());
        }
        for (link, frame) in answers {
            self.note(format_args!("shard {shard} answers Open of link {link} with {} bytes", frame.len()));
            self.links[link].down.extend(frame);
            // What has come behind Open was kept back until now.
            self.deliver_up(link, false)?;
        }
        if !began.is_empty() {
            self.check()?;
        }
        for epoch in began {
            let producer = epoch.producer[1..].parse().expect("p and a number");
            self.oracle.handle_epoch(producer, epoch.epoch);
        }
        // A slow disk: a sync takes up to 50 ms, and more comes meanwhile.
        let us = self.rng.next() % 50_000;
        self.clock.advance(us);
        Ok(())
    }

    fn answer(&mut self, link: usize, whole: bool) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let events_max = if whole { usize::MAX } else { 1 + self.rng.below(8) };
        let frames = server.answer(link, events_max);
        if !frames.is_empty() {
            self.note(format_args!("link {link} is answered with {} bytes", frames.len()));
        }
        self.links[link].down.extend(frames);
        Ok(())
    }

    fn deliver_down(&mut self, link: usize, whole: bool) -> Result<(), Broken> {
        let end = &mut self.links[link];
        if !end.gateway_has_it {
            end.down.clear();
            return Ok(());
        }
        let there = end.down.len();
        let count = if whole || self.rng.one_in(2) { there } else { self.rng.below(there + 1) };
        let bytes: Vec<u8> = end.down.drain(..count).collect();
        let own = &mut self.gateways[end.gateway].streams[end.stream];
        let heard = own.handle_bytes(&bytes, &mut self.oracle)?;
        if heard != Heard::Fine {
            self.note(format_args!("link {link} hears {heard:?}"));
        }
        self.handle_heard(link, heard);
        Ok(())
    }

    fn start_flush(&mut self) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        if server.work.is_none() {
            let names: Vec<String> = server.store.tables().keys().cloned().collect();
            let name = &names[self.rng.below(names.len())];
            server.start_flush(name);
            self.note(format_args!("a flush of {name} begins"));
        }
        Ok(())
    }

    fn start_tidy(&mut self) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        if server.work.is_none() {
            let names: Vec<String> = server.store.tables().keys().cloned().collect();
            let name = &names[self.rng.below(names.len())];
            server.start_tidy(name);
            self.note(format_args!("{name} is tidied up"));
        }
        Ok(())
    }

    /// Deletes the rows of a device. The first device stays, so that each batch has a row that says it is there.
    fn start_delete(&mut self) -> Result<(), Broken> {
        if self.server.as_ref().is_none_or(|server| server.work.is_some()) {
            return Ok(());
        }
        // What is seen now must be gone once the work is done.
        self.check()?;
        let table = TABLES[self.rng.below(TABLES.len())];
        let device = 1 + self.rng.below(DEVICES.len() - 1);
        self.oracle.handle_delete_begun(table);
        let server = self.server.as_mut().expect("checked");
        server.start_delete(table, device);
        self.note(format_args!("device {device} of {table} is to be deleted"));
        Ok(())
    }

    fn go_on(&mut self, with_faults: bool) -> Result<(), Broken> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let Some(work) = &mut server.work else { return Ok(()) };
        match self.gate.drive(&self.harness.runtime, &mut work.run) {
            Err(point) => {
                let goes_well = !with_faults || !self.rng.one_in(12);
                work.is_hurt |= !goes_well;
                self.gate.decide(goes_well);
                self.note(format_args!("work at {point:?}, goes well: {goes_well}"));
                Ok(())
            }
            Ok(Ok(done)) => {
                match &work.kind {
                    WorkKind::Flush => self.report.flushes += 1,
                    WorkKind::Tidy => self.report.tidied += 1,
                    WorkKind::Delete { table, device } => {
                        self.report.deletions += 1;
                        self.oracle.handle_deleted(table, *device);
                    }
                }
                server.work = None;
                server.committed();
                self.note(format_args!("work is done: {done}"));
                self.check()
            }
            Ok(Err(error)) => {
                // A disk that fails is noticed by a deletion too, whose order is written there.
                let is_expected = work.is_hurt || work.kind != WorkKind::Flush;
                self.forget_work();
                self.note(format_args!("work has failed: {error}"));
                match is_expected || self.disk.is_dead() {
                    true if self.disk.is_dead() => Ok(()),
                    true => self.check(),
                    false => Err(format!("a flush fails without a fault: {error}")),
                }
            }
        }
    }

    /// The work is gone. Whether its rows are deleted is open, where it was to delete some.
    pub(crate) fn forget_work(&mut self) {
        let work = self.server.as_mut().and_then(|server| server.work.take());
        if let Some(Work { kind: WorkKind::Delete { table, device }, .. }) = work {
            self.oracle.handle_delete_open(&table, device);
        }
    }

    /// From now on nothing goes wrong: all that was made gets acknowledged and into files, the logs go, and a last loss
    /// of power takes nothing.
    pub(crate) fn settle(&mut self) -> Result<(), Broken> {
        self.disk.calm();
        if self.server.as_ref().is_none_or(|server| server.has_failed()) {
            self.restart(false)?;
        }
        for _ in 0..ROUNDS_MAX {
            self.round()?;
            if self.oracle.unacknowledged_of(&self.gateways).is_none() {
                return self.end();
            }
            // A table of which much is set aside takes nothing more until it is flushed.
            if self.set_aside_bytes() > 0 {
                self.flush_all()?;
            }
        }
        let stuck = self.oracle.unacknowledged_of(&self.gateways).expect("checked");
        Err(format!("nothing fails any more, and yet after {ROUNDS_MAX} rounds: {stuck}"))
    }

    fn round(&mut self) -> Result<(), Broken> {
        self.clock.advance(1_000_000);
        for gateway in 0..self.gateways.len() {
            for stream in 0..self.gateways[gateway].streams.len() {
                if self.gateways[gateway].alive {
                    self.connect(gateway, stream)?;
                    for _ in 0..8 {
                        self.write(gateway, stream)?;
                    }
                }
            }
        }
        for link in 0..self.links.len() {
            self.deliver_up(link, true)?;
        }
        let shards = self.server.as_ref().map_or(0, |server| server.writers.len());
        for shard in 0..shards {
            self.run_one_shard(shard, usize::MAX)?;
        }
        for link in 0..self.links.len() {
            self.answer(link, true)?;
            self.deliver_down(link, true)?;
        }
        Ok(())
    }

    fn set_aside_bytes(&self) -> u64 {
        let writers = self.server.iter().flat_map(|server| &server.writers);
        writers.map(|writer| writer.shard().set_aside_bytes()).sum()
    }

    /// Ends what is under way and flushes all tables, as no fault disturbs it. Returns their names.
    fn flush_all(&mut self) -> Result<Vec<String>, Broken> {
        while self.server.as_ref().is_some_and(|server| server.work.is_some()) {
            self.go_on(false)?;
        }
        // The first flush of a table takes what an earlier one has left.
        let names: Vec<String> = self.server.iter().flat_map(|server| server.store.tables().keys().cloned()).collect();
        for name in names.iter().chain(&names) {
            let server = self.server.as_mut().expect("it runs");
            server.start_flush(name);
            while self.server.as_ref().is_some_and(|server| server.work.is_some()) {
                self.go_on(false)?;
            }
        }
        Ok(names)
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.check()?;
        let names = self.flush_all()?;
        self.tidy_to_the_end(&names)?;
        let server = self.server.as_mut().expect("it runs");
        let waiting = server.store.tables().values().find(|table| table.view().live_rows() > 0);
        if let Some(table) = waiting {
            return Err(format!("table {} has rows in memory after all flushes", table.name()));
        }
        for shard in 0..server.writers.len() {
            server.run_shard(shard, usize::MAX);
            let left = server.writers[shard].shard().tables_that_hold_the_wal();
            if !left.is_empty() {
                return Err(format!("table {} holds the log of shard {shard}, and is in files", left[0].name()));
            }
            let set_aside = server.writers[shard].shard().set_aside_bytes();
            if set_aside > 0 {
                return Err(format!("{set_aside} bytes of shard {shard} are set aside, and all rows are in files"));
            }
        }
        self.disk.memory.cut_power();
        self.crash("the last loss of power");
        self.start_server(false)
    }
}

impl World<'_> {
    /// Tidies up until nothing is left to do: then deleted rows are in no file, and a date has few of them.
    fn tidy_to_the_end(&mut self, names: &[String]) -> Result<(), Broken> {
        for name in names {
            for _ in 0..ROUNDS_MAX {
                let server = self.server.as_mut().expect("it runs");
                let before = server.store.tables()[name].view().log_version;
                server.start_tidy(name);
                while self.server.as_ref().is_some_and(|server| server.work.is_some()) {
                    self.go_on(false)?;
                }
                let server = self.server.as_ref().expect("it runs");
                if server.store.tables()[name].view().log_version == before {
                    break;
                }
            }
        }
        let server = self.server.as_ref().expect("it runs");
        if let Some(order) = server.store.ledger().deletions.iter().find(|order| !order.pending.is_empty()) {
            return Err(format!("files are still to be rewritten after all: {order:?}"));
        }
        Ok(())
    }
}

impl Link {
    fn is_of_use(&self) -> bool {
        self.gateway_has_it || (self.server_has_it && !self.up.is_empty())
    }
}

/// A year of 365 days.
const YEAR_US: i64 = 365 * 86_400 * 1_000_000;
/// Gateways that a run may have, one after the other.
const GATEWAYS_MAX: usize = 12;
/// Bytes on their way up a link before its gateway waits.
const LINK_BYTES_MAX: usize = 6_000;
/// Rounds without faults after which everything has to be acknowledged.
const ROUNDS_MAX: usize = 60;
