//! The checkpoint of a shard: the state of streams and of requests' keys outlives the records that have made it, at a
//! cost that does not grow with the number of segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use zonelake_schemas::{Epoch, GatewayId, Lane, Lsn, Principal, ProducerId, StreamKey};
use zonelake_storage::{Entry, KeyLimits, Outcome, RequestKey, Shard, ShardError, Table, shard_for, shard_key_of};
use zonelake_wal::{Checkpoint, MemoryDisk, inspect};

use crate::made::{Folder, Opened, entry};

fn request(gateway: u32, key: u128) -> RequestKey {
    RequestKey { principal: Principal::Gateway(GatewayId(gateway)), key, digest: 5 }
}

fn unsequenced(table: &Arc<Table>, gateway: u32, value: f64) -> Entry {
    let principal = Principal::Gateway(GatewayId(gateway));
    Entry { sequenced: None, principal, ..entry(table, 1, 1, &[value]) }
}

/// Number of the newest segment: how many the WAL has had so far.
fn segments(disk: &MemoryDisk, folder: &Folder) -> u64 {
    let report = inspect(disk, &folder.data().join("wal/0001/shard-0000")).unwrap();
    report.segments.last().unwrap().info.id.0
}

#[tokio::test]
async fn many_keys_cost_no_segment_each_and_are_known_after_their_segments_are_gone() {
    let disk = MemoryDisk::new(1);
    let folder = Folder { disk: Arc::new(disk.clone()), segment_bytes: 64 << 10, ..Folder::new() };
    let mut opened = folder.open().await;
    opened.shards[0].limit_keys(KeyLimits { per_principal_max: 10_000, ..KeyLimits::default() });
    let store = |opened: &mut Opened, keys: std::ops::Range<u128>| {
        for key in keys {
            let entry = unsequenced(opened.air(), 1, 1.0);
            assert_eq!(opened.shards[0].append_request(&request(1, key), &[entry]).unwrap(), Outcome::Stored);
        }
    };
    // The state of so many is several times a segment.
    store(&mut opened, 0..8_000);
    let before = (segments(&disk, &folder), opened.shards[0].log_bytes());
    store(&mut opened, 8_000..8_500);
    let taken = (segments(&disk, &folder) - before.0, opened.shards[0].log_bytes() - before.1);
    assert!(taken.0 <= 24 && taken.1 < 24 << 16, "500 requests of some hundred bytes: {taken:?}");
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    assert!(opened.shards[0].log_bytes() < 2 << 16, "{}", opened.shards[0].log_bytes());
    drop(opened);
    let mut opened = folder.open().await;
    for key in [0, 1, 4_000, 8_499] {
        assert_eq!(opened.shards[0].append_request(&request(1, key), &[]).unwrap(), Outcome::Repeated);
    }
    let rows: usize = opened.values().values().sum();
    assert_eq!(rows, 8_500);
}

#[tokio::test]
async fn a_large_state_is_not_written_for_every_segment_that_could_go() {
    let disk = MemoryDisk::new(1);
    let folder = Folder { disk: Arc::new(disk.clone()), segment_bytes: 64 << 10, ..Folder::new() };
    let mut opened = folder.open().await;
    for key in 0..4_000 {
        let entry = unsequenced(opened.air(), 1, 1.0);
        opened.shards[0].append_request(&request(1, key), &[entry]).unwrap();
    }
    let dir = folder.data().join("wal/0001/shard-0000");
    let covered = || Checkpoint::read(&disk, &dir).unwrap().map_or(Lsn(0), |checkpoint| checkpoint.lsn);
    let (mut written, mut before, mut bytes) = (0, Lsn(0), 0);
    let wide = vec![7.0; 4_000];
    for number in 1..=100 {
        assert_eq!(opened.append(1, number, &wide), Outcome::Stored);
        bytes += 4_000 * 21;
        opened.store.flush_all().await.unwrap();
        opened.shards[0].release().unwrap();
        assert!(opened.shards[0].log_bytes() <= 8 << 20, "the WAL stays within its bounds");
        written += usize::from(covered() != before);
        before = covered();
    }
    let state = Checkpoint::read(&disk, &dir).unwrap().unwrap().state.len();
    assert!(state > 100_000, "{state}");
    assert!((2..=6).contains(&written), "{written} checkpoints of {state} bytes for {bytes} bytes of rows");
}

#[tokio::test]
async fn a_wal_whose_checkpoint_is_missing_or_damaged_does_not_open() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let wide = vec![7.0; 20_000];
    for number in 1..=8 {
        opened.append(1, number, &wide);
    }
    opened.store.flush_all().await.unwrap();
    opened.shards[0].release().unwrap();
    drop(opened);
    let path = folder.data().join("wal/0001/shard-0000/state.checkpoint");
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = folder.try_open().await.err().expect("numbers would begin again").to_string();
    assert!(error.contains("checkpoint that has their state is missing") && error.contains("one backup"), "{error}");
    let mut damaged = whole.clone();
    damaged[50] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let error = folder.try_open().await.err().expect("it is damaged").to_string();
    assert!(error.contains("state.checkpoint") && error.contains("not as it was written"), "{error}");
    std::fs::write(&path, whole).unwrap();
    let mut opened = folder.open().await;
    assert_eq!(opened.append(1, 8, &wide), Outcome::Repeated);
}

/// One thing that happens to a store.
#[derive(Debug, Clone)]
enum Step {
    /// The next batch of a producer, of so many rows.
    Append(u32, usize),
    /// A request of a gateway under a new key.
    Request(u32),
    Flush,
    Release,
    /// The power goes in the middle of an operation of the WAL's disk, after this many.
    CutPowerAfter(u64),
    Restart {
        shards: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4u32, prop_oneof![Just(1usize), Just(400)]).prop_map(|(producer, rows)| Step::Append(producer, rows)),
        6 => (1..4u32).prop_map(Step::Request),
        2 => Just(Step::Flush),
        3 => Just(Step::Release),
        2 => (0..14u64).prop_map(Step::CutPowerAfter),
        1 => (1..4u16).prop_map(|shards| Step::Restart { shards }),
    ]
}

/// A store, and what it has acknowledged.
struct Model {
    folder: Folder,
    disk: MemoryDisk,
    opened: Option<Opened>,
    /// Last number of each producer that was acknowledged, and the rows of the next one where it may be stored too.
    numbers: BTreeMap<u32, (u64, Option<usize>)>,
    /// Keys that were acknowledged.
    keys: Vec<(u32, u128)>,
    next_key: u128,
    /// Rows that are stored.
    rows: usize,
    /// The row of a request that may be stored.
    in_doubt: Option<(u32, u128)>,
}

impl Model {
    async fn new(seed: u64) -> Self {
        let disk = MemoryDisk::new(seed);
        let folder = Folder { disk: Arc::new(disk.clone()), segment_bytes: 8 << 10, ..Folder::new() };
        let opened = Some(folder.open().await);
        Self { folder, disk, opened, numbers: BTreeMap::new(), keys: Vec::new(), next_key: 0, rows: 0, in_doubt: None }
    }

    async fn run(&mut self, step: &Step) {
        let Some(opened) = &mut self.opened else { unreachable!("it is open between steps") };
        let outcome = match step {
            Step::Append(producer, rows) => {
                let (last, in_doubt) = self.numbers.entry(*producer).or_insert((0, None));
                let number = *last + 1;
                let batch = entry(opened.air(), *producer, number, &vec![1.0; *rows]);
                let shard = *producer as usize % opened.shards.len();
                *in_doubt = Some(*rows);
                opened.shards[shard].append(&[batch]).map(|outcomes| {
                    assert_eq!(outcomes, [Outcome::Stored]);
                    (*last, *in_doubt) = (number, None);
                    self.rows += rows;
                })
            }
            Step::Request(gateway) => {
                self.next_key += 1;
                let request = request(*gateway, self.next_key);
                self.in_doubt = Some((*gateway, self.next_key));
                let batch = unsequenced(opened.air(), *gateway, 2.0);
                let shards = u16::try_from(opened.shards.len()).unwrap();
                let shard = usize::from(shard_for(shard_key_of(request.principal), shards).0);
                opened.shards[shard].append_request(&request, &[batch]).map(|outcome| {
                    assert_eq!(outcome, Outcome::Stored);
                    self.keys.extend(self.in_doubt.take());
                    self.rows += 1;
                })
            }
            Step::Flush => {
                opened.store.flush_all().await.unwrap();
                Ok(())
            }
            Step::Release => opened.shards.iter_mut().try_for_each(Shard::release),
            Step::CutPowerAfter(operations) => {
                self.disk.cut_power_after(*operations);
                Ok(())
            }
            Step::Restart { shards } => {
                self.folder.shards = *shards;
                self.disk.cut_power();
                self.reopen().await;
                Ok(())
            }
        };
        if let Err(error) = outcome {
            assert!(matches!(error, ShardError::Wal(_)), "{error}");
            self.reopen().await;
        }
    }

    /// Opens the store again, as often as the power goes while it does, and compares it with what was acknowledged.
    async fn reopen(&mut self) {
        self.opened = None;
        let mut opened = loop {
            self.disk.restore_power();
            match self.folder.try_open().await {
                Ok(opened) => break opened,
                Err(error) => assert!(!self.disk.is_powered(), "the store is not sound: {error}"),
            }
        };
        for (gateway, key) in self.keys.iter().copied().chain(self.in_doubt) {
            let request = request(gateway, key);
            let shards = u16::try_from(opened.shards.len()).unwrap();
            let shard = usize::from(shard_for(shard_key_of(request.principal), shards).0);
            // A request without rows: it is stored where the key is not known.
            let outcome = opened.shards[shard].append_request(&request, &[]).unwrap();
            match (outcome, self.in_doubt) {
                (Outcome::Repeated, Some(in_doubt)) if in_doubt == (gateway, key) => self.rows += 1,
                (Outcome::Repeated, _) => {}
                (outcome, in_doubt) => assert_eq!((outcome, in_doubt), (Outcome::Stored, Some((gateway, key)))),
            }
        }
        self.keys.extend(self.in_doubt.take());
        for (producer, (last, in_doubt)) in &mut self.numbers {
            let stream = StreamKey { table: opened.air().registered.id, lane: Lane::Live };
            let shard = &opened.shards[*producer as usize % opened.shards.len()];
            let producer = ProducerId(*producer);
            let found = shard.streams().last(producer, Epoch(1), stream).0;
            let rows = in_doubt.take();
            assert!(found == *last || rows.is_some() && found == *last + 1, "{producer}: {found}, not {last}");
            self.rows += rows.filter(|_| found > *last).unwrap_or(0);
            *last = found;
        }
        let seen: usize = opened.values().values().sum();
        assert_eq!(seen, self.rows, "each row once");
        self.opened = Some(opened);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_and_keys_survive_power_losses_at_any_moment_around_checkpoints_and_releases(
        seed: u64,
        steps in prop::collection::vec(step(), 20..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new(seed).await;
            for step in &steps {
                model.run(step).await;
            }
            model.disk.cut_power();
            model.reopen().await;
        });
    }
}
