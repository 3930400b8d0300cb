//! Power goes at any moment, and syncs fail: what was acknowledged is there afterwards, whole and in order.

use std::path::Path;

use proptest::prelude::*;
use zonelake_schemas::Lsn;
use zonelake_wal::{Checkpoint, MemoryDisk, SegmentId, Wal, WalError};

use crate::fixture::{DIR, open, try_append};

/// One thing that happens to the log.
#[derive(Debug, Clone)]
enum Step {
    /// A group of records of these lengths.
    Append(Vec<usize>),
    Roll,
    /// The state goes into the checkpoint.
    Checkpoint,
    /// Releases this many of the oldest segments, whose state goes into the checkpoint first.
    Release(usize),
    /// The power goes in the middle of an operation, after this many.
    CutPowerAfter(u64),
    /// A sync fails after this many that succeed, and the process starts again.
    FailSyncAfter(u64),
    /// The process goes and comes back.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(prop_oneof![8 => 0..300usize, 1 => 0..5000usize], 1..5).prop_map(Step::Append),
        2 => Just(Step::Roll),
        1 => Just(Step::Checkpoint),
        2 => (0..4usize).prop_map(Step::Release),
        2 => (0..12u64).prop_map(Step::CutPowerAfter),
        1 => (0..6u64).prop_map(Step::FailSyncAfter),
        1 => Just(Step::Restart),
    ]
}

/// The log and what is known about it.
struct Model {
    disk: MemoryDisk,
    wal: Wal,
    /// What every open has to replay: all that was acknowledged or replayed, by LSN from 1 on.
    durable: Vec<Vec<u8>>,
    /// The group that failed, of which the log may keep all or nothing.
    in_doubt: Vec<Vec<u8>>,
    /// The last record that the checkpoint covers.
    covered: Lsn,
    /// That of a checkpoint that failed, which may be in force.
    maybe_covered: Lsn,
    /// LSNs below this one are gone.
    released_below: Lsn,
    /// LSNs below this one may be gone.
    maybe_released_below: Lsn,
}

impl Model {
    fn new(seed: u64, short_writes: bool) -> Self {
        let disk = MemoryDisk::new(seed);
        disk.set_short_writes(short_writes);
        let wal = open(&disk).wal;
        let (durable, in_doubt) = (Vec::new(), Vec::new());
        let (covered, maybe_covered) = (Lsn(0), Lsn(0));
        let (released_below, maybe_released_below) = (Lsn(1), Lsn(1));
        Self { disk, wal, durable, in_doubt, covered, maybe_covered, released_below, maybe_released_below }
    }

    fn run(&mut self, step: &Step) {
        let outcome = match step {
            Step::Append(lengths) => self.append(lengths),
            Step::Roll => self.wal.roll().map(|_| ()),
            Step::Checkpoint => self.checkpoint(),
            Step::Release(count) => self.release(*count),
            Step::CutPowerAfter(operations) => {
                self.disk.cut_power_after(*operations);
                Ok(())
            }
            Step::FailSyncAfter(syncs) => {
                self.disk.fail_sync_after(*syncs);
                Ok(())
            }
            Step::Restart => {
                self.reopen();
                Ok(())
            }
        };
        if outcome.is_err() {
            self.reopen();
        }
    }

    fn append(&mut self, lengths: &[usize]) -> Result<(), WalError> {
        let first = self.wal.next_lsn();
        let fill = |lsn: u64| u8::try_from(lsn % 251).expect("less than a byte");
        let payloads = (first.0..).zip(lengths).map(|(lsn, length)| vec![fill(lsn); *length]).collect::<Vec<_>>();
        let parts = payloads.iter().map(Vec::as_slice).collect::<Vec<_>>();
        match try_append(&mut self.wal, &parts) {
            Ok(placed) => {
                assert_eq!(placed.lsn, first);
                self.durable.extend(payloads);
                Ok(())
            }
            Err(error) => {
                self.in_doubt = payloads;
                Err(error)
            }
        }
    }

    fn checkpoint(&mut self) -> Result<(), WalError> {
        self.maybe_covered = Lsn(self.wal.next_lsn().0 - 1);
        self.covered = self.wal.write_checkpoint(state(self.maybe_covered))?;
        assert_eq!(self.covered, self.maybe_covered);
        Ok(())
    }

    fn release(&mut self, count: usize) -> Result<(), WalError> {
        let segments = self.wal.segments().copied().collect::<Vec<_>>();
        let through = segments[..segments.len() - 1].iter().take(count).next_back();
        let Some(through) = through else { return Ok(()) };
        self.checkpoint()?;
        self.maybe_released_below = self.maybe_released_below.max(Lsn(through.last_lsn.0 + 1));
        self.wal.release_through(through.id)?;
        self.released_below = self.maybe_released_below;
        assert_eq!(self.wal.segments().next().map(|it| it.id), Some(SegmentId(through.id.0 + 1)));
        Ok(())
    }

    /// Opens the log again, if need be with the power that comes back, as often as it fails in doing so.
    fn reopen(&mut self) {
        let opened = loop {
            if !self.disk.is_powered() {
                self.disk.restore_power();
            }
            match crate::fixture::try_open(&self.disk) {
                Ok(opened) => break opened,
                Err(WalError::Io { .. }) => {}
                Err(error) => panic!("the log is not sound: {error}"),
            }
        };
        let first = opened.summary.first_lsn;
        assert!(first >= self.released_below, "released records are back");
        assert!(first <= self.maybe_released_below, "acknowledged records are gone");
        let known = self.durable.len();
        let replayed = opened.summary.next_lsn.0 - 1;
        if replayed == (known + self.in_doubt.len()) as u64 {
            self.durable.append(&mut self.in_doubt);
        }
        assert_eq!(replayed, self.durable.len() as u64, "a group is there as a whole or not at all");
        let lsns = (first.0..).map(Lsn);
        for ((lsn, payload), expected) in opened.records.iter().zip(lsns) {
            assert_eq!(*lsn, expected);
            let index = usize::try_from(lsn.0 - 1).expect("small");
            assert_eq!(*payload, self.durable[index], "LSN {lsn}");
        }
        assert_eq!(opened.records.len() as u64, opened.summary.next_lsn.0 - first.0);
        self.check_checkpoint(&opened.wal);
        self.in_doubt.clear();
        self.released_below = first;
        self.maybe_released_below = first;
        self.wal = opened.wal;
    }

    /// The checkpoint is whole, not older than the last one that was acknowledged, and joins the segments.
    fn check_checkpoint(&mut self, wal: &Wal) {
        let checkpoint = Checkpoint::read(&self.disk, Path::new(DIR)).expect("a checkpoint is whole");
        let found = checkpoint.as_ref().map_or(Lsn(0), |checkpoint| checkpoint.lsn);
        assert!(found == self.covered || found == self.maybe_covered, "{found} of {}", self.covered);
        if let Some(checkpoint) = checkpoint {
            assert_eq!(checkpoint.state, state(checkpoint.lsn));
        }
        assert_eq!(wal.missing_state(found), None);
        (self.covered, self.maybe_covered) = (found, found);
    }
}

/// A state that tells which record it is of, of several lengths.
fn state(lsn: Lsn) -> Vec<u8> {
    let length = usize::try_from(lsn.0 * 37 % 5_000).expect("small");
    [lsn.0.to_le_bytes().to_vec(), vec![7; length]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn power_loss_and_failed_syncs_at_any_moment_lose_nothing_that_was_acknowledged(
        seed: u64,
        short_writes: bool,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut model = Model::new(seed, short_writes);
        for step in &steps {
            model.run(step);
        }
        model.disk.cut_power();
        model.reopen();
    }
}

#[test]
fn power_loss_at_each_operation_of_one_history_loses_nothing_that_was_acknowledged() {
    let steps = [
        Step::Append(vec![2000]),
        Step::Append(vec![1500, 400]),
        Step::Roll,
        Step::Append(vec![10, 20]),
        Step::Append(vec![6000]),
        Step::Append(vec![100]),
        Step::Release(2),
        Step::Roll,
        Step::Append(vec![900]),
        Step::Release(1),
        Step::Append(vec![2500]),
    ];
    for operation in 0..80 {
        for seed in 0..12 {
            let mut model = Model::new(seed, false);
            model.disk.cut_power_after(operation);
            for step in &steps {
                model.run(step);
            }
            model.disk.cut_power();
            model.reopen();
        }
    }
}
