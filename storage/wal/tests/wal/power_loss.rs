//! Power goes at any moment, and syncs fail: what was acknowledged is there afterwards, whole and in order.

use proptest::prelude::*;
use zonelake_schemas::Lsn;
use zonelake_wal::{MemoryDisk, SegmentId, Wal, WalError};

use crate::fixture::{open, try_append};

/// One thing that happens to the log.
#[derive(Debug, Clone)]
enum Step {
    /// A group of records of these lengths.
    Append(Vec<usize>),
    Roll,
    /// Lets go of this many of the oldest segments.
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
        Self { disk, wal, durable, in_doubt, released_below: Lsn(1), maybe_released_below: Lsn(1) }
    }

    fn run(&mut self, step: &Step) {
        let outcome = match step {
            Step::Append(lengths) => self.append(lengths),
            Step::Roll => self.wal.roll().map(|_| ()),
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

    fn release(&mut self, count: usize) -> Result<(), WalError> {
        let segments = self.wal.segments().copied().collect::<Vec<_>>();
        let through = segments[..segments.len() - 1].iter().take(count).next_back();
        let Some(through) = through else { return Ok(()) };
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
        self.in_doubt.clear();
        self.released_below = first;
        self.maybe_released_below = first;
        self.wal = opened.wal;
    }
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
    for operation in 0..60 {
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
