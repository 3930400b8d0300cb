//! The thread's work over a real store and engine, with a clock that the test sets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::sync::oneshot;
use zonelake_query::QueryOptions;
use zonelake_registry::{Registry, ReportRunFilter, RoleLimits};
use zonelake_schemas::audit::{Audited, OrderId};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::tables::builtin_tables;
use zonelake_storage::{Shard, StoreArgs, StoreOptions};
use zonelake_wal::RealDisk;

use super::*;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Midnight of 1 January 2026 in Viet Nam.
const NEW_YEAR_US: i64 = 1_767_200_400_000_000;

#[derive(Debug)]
struct TestClock {
    wall_us: AtomicI64,
    monotonic_us: AtomicU64,
}

impl TestClock {
    /// Time goes by.
    fn pass(&self, us: i64) {
        self.wall_us.fetch_add(us, Ordering::SeqCst);
        self.monotonic_us.fetch_add(us.unsigned_abs(), Ordering::SeqCst);
    }

    /// The clock is set.
    fn set(&self, us: i64) {
        self.wall_us.store(us, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us.load(Ordering::SeqCst))
    }
}

/// Entries whose outcome is known.
#[derive(Debug, Default)]
struct Entries(Mutex<Vec<AuditEntry>>);

impl AuditTrail for Entries {
    fn note(&self, _: AuditEntry) {}

    fn record(&self, _: AuditEntry) -> Audited<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn begin(&self, _: AuditEntry) -> Audited<'_, OrderId> {
        Box::pin(async { Ok(OrderId(1)) })
    }

    fn end(&self, _: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
        self.0.lock().unwrap().push(entry);
        Box::pin(async { Ok(()) })
    }
}

struct Place {
    keeper: Keeper,
    clock: Arc<TestClock>,
    entries: Arc<Entries>,
    _folder: tempfile::TempDir,
    _shards: Vec<Shard>,
    _stops: Worker,
}

impl Place {
    async fn new(free_bytes_min: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let options = StoreOptions {
            folder: data.clone(),
            node: "node-1".into(),
            shards: 1,
            segment_bytes: 4 << 20,
            flush_bytes_max: 64 << 20,
            flush_age_max: Duration::from_secs(3_600),
            live_bytes_max: 256 << 20,
            log_bytes_max: 256 << 20,
            free_bytes_min,
            parquet: Default::default(),
        };
        let clock = Arc::new(TestClock { wall_us: AtomicI64::new(NEW_YEAR_US), monotonic_us: AtomicU64::new(1) });
        let args =
            StoreArgs { options, declared: builtin_tables(), clock: Arc::clone(&clock) as _, disk: Arc::new(RealDisk) };
        let (store, shards, _) = Store::open(args).await.unwrap();
        store.registry().ensure_admin().unwrap();
        let options = QueryOptions { threads: 2, ..QueryOptions::new(data.join("spill")) };
        let engine = Arc::new(QueryEngine::new(Arc::clone(&store), options).unwrap());
        let entries = Arc::new(Entries::default());
        let args = ReportKeeperArgs {
            store,
            engine,
            trail: Arc::clone(&entries) as _,
            folder: ReportFolder::new(data.join("reports")),
            figures: Arc::default(),
        };
        let (give, stopped) = oneshot::channel();
        let stops = Worker::start("is not stopped", |stopped| async move {
            give.send(stopped.clone()).ok();
            stopped.wait().await;
        });
        let keeper = Keeper::new(args, stopped.await.unwrap());
        Self { keeper, clock, entries, _folder: folder, _shards: shards, _stops: stops.unwrap() }
    }

    fn registry(&self) -> &Registry {
        self.keeper.args.store.registry()
    }

    /// A report of what is in the file anyhow, at each begin of a day.
    fn add(&self, name: &str, cron: &str, author: &str) {
        let declaration = format!(
            r#"{{"cron":"{cron}","report":"security","zone":"vung-ang","period":"last-day","format":"csv","language":"en"}}"#
        );
        let next = due_behind(&cron.parse().unwrap(), self.clock.wall_us());
        self.registry().add_report_schedule(name, author, &declaration, next, 9).unwrap();
    }

    fn schedule(&self, name: &str) -> ReportSchedule {
        let schedules = self.registry().report_schedules().unwrap();
        schedules.into_iter().find(|schedule| schedule.name == name).unwrap()
    }

    /// Runs with the days since the new year at which they were due, the first ones first.
    fn runs(&self) -> Vec<(i64, ReportRun)> {
        let runs = self.registry().report_runs(ReportRunFilter::default(), 99).unwrap();
        runs.into_iter().rev().map(|run| ((run.due_us - NEW_YEAR_US) / DAY_US, run)).collect()
    }

    fn figure(&self, name: &str) -> u64 {
        self.keeper.args.figures.all().into_iter().find(|figure| figure.name == name).unwrap().value
    }
}

#[tokio::test]
async fn what_was_due_while_the_server_was_down_is_made_once_each_and_known_to_be_late() {
    let mut place = Place::new(0).await;
    place.add("daily", "0 0 * * *", LOCAL_AUTHOR);
    // At the same minute.
    place.add("other", "0 0 3 * *", LOCAL_AUTHOR);
    place.keeper.look().await;
    assert_eq!(place.runs().len(), 0, "nothing is due yet");
    // Midnight of 4 January, and a minute.
    place.clock.pass(3 * DAY_US + 60_000_000);
    place.keeper.look().await;
    place.keeper.look().await;
    let known: Vec<_> = place.runs().iter().map(|(day, run)| (*day, run.schedule.clone(), run.outcome)).collect();
    let made = |day, name: &str| (day, name.to_owned(), ReportOutcome::Made);
    assert_eq!(known, [made(1, "daily"), made(2, "other"), made(2, "daily"), made(3, "daily")]);
    for (_, run) in place.runs() {
        assert_eq!(place.keeper.args.folder.compare(&run.files[0]), super::super::FileState::Unchanged);
    }
    assert_eq!((place.figure("zonelake_report_made"), place.figure("zonelake_report_made_late")), (4, 3));
    let days_at_end = place.figure("zonelake_report_overdue_seconds");
    assert_eq!(days_at_end, 0);
    let entries = place.entries.0.lock().unwrap();
    assert!(entries.iter().all(|entry| entry.outcome == AuditOutcome::Allowed && entry.action == "report_make"));
    assert_eq!(entries.len(), 4);
}

#[tokio::test]
async fn what_was_made_while_the_clock_was_ahead_is_made_anew_when_its_time_has_come() {
    let mut place = Place::new(0).await;
    place.add("daily", "0 0 * * *", LOCAL_AUTHOR);
    place.clock.pass(DAY_US);
    place.keeper.look().await;
    place.clock.set(NEW_YEAR_US + 3 * DAY_US + HOUR_US);
    place.keeper.look().await;
    let days =
        |place: &Place| place.runs().iter().map(|(day, run)| (*day, run.number, run.is_ahead)).collect::<Vec<_>>();
    assert_eq!(days(&place), [(1, 0, false), (2, 0, false), (3, 0, false)]);
    place.clock.set(NEW_YEAR_US + DAY_US + HOUR_US);
    for minutes in [2, 30, 27] {
        place.clock.pass(minutes * 60_000_000);
        place.keeper.look().await;
        assert_eq!(place.schedule("daily").due_us, NEW_YEAR_US + 4 * DAY_US, "it may be set yet");
    }
    place.clock.pass(40 * 60_000_000);
    place.keeper.look().await;
    assert_eq!(place.schedule("daily").due_us, NEW_YEAR_US + 2 * DAY_US);
    assert_eq!(days(&place), [(1, 0, false), (2, 0, true), (3, 0, true)]);
    place.clock.pass(DAY_US);
    place.keeper.look().await;
    assert_eq!(days(&place), [(1, 0, false), (2, 0, true), (2, 1, false), (3, 0, true)]);
    // What was handed in meanwhile can be shown still.
    for (_, run) in place.runs() {
        assert_eq!(place.keeper.args.folder.compare(&run.files[0]), super::super::FileState::Unchanged);
    }
    assert!(place.runs()[2].1.files[0].path.ends_with("daily-20260103T0000-2.csv"));
}

#[tokio::test]
async fn a_clock_that_is_behind_for_some_minutes_has_nothing_made_anew() {
    let mut place = Place::new(0).await;
    place.add("daily", "0 0 * * *", LOCAL_AUTHOR);
    place.clock.pass(3 * DAY_US);
    place.keeper.look().await;
    let before = place.runs();
    place.clock.set(NEW_YEAR_US + DAY_US);
    for _ in 0..5 {
        place.clock.pass(120_000_000);
        place.keeper.look().await;
    }
    place.clock.set(NEW_YEAR_US + 3 * DAY_US + HOUR_US);
    for _ in 0..3 {
        place.clock.pass(2 * HOUR_US);
        place.keeper.look().await;
    }
    assert_eq!(place.runs(), before);
}

#[tokio::test]
async fn a_report_that_its_author_may_not_have_is_given_up_after_a_day_and_holds_up_no_other() {
    let mut place = Place::new(0).await;
    place.registry().add_role("operator", RoleLimits::default()).unwrap();
    place.add("forbidden", "0 0 2 1 *", "operator");
    place.add("allowed", "0 0 2 1 *", LOCAL_AUTHOR);
    place.clock.pass(DAY_US);
    place.keeper.look().await;
    assert_eq!(place.runs().iter().map(|(_, run)| run.schedule.as_str()).collect::<Vec<_>>(), ["allowed"]);
    let failing = place.schedule("forbidden");
    assert!(failing.error.as_deref().is_some_and(|error| error.contains("may read nothing")), "{failing:?}");
    for _ in 0..40 {
        assert_eq!(place.figure("zonelake_report_given_up"), u64::from(place.runs().len() > 1));
        place.clock.pass(HOUR_US);
        place.keeper.look().await;
    }
    let runs = place.runs();
    let given_up = runs.iter().map(|(_, run)| run).find(|run| run.schedule == "forbidden").unwrap();
    assert_eq!((given_up.outcome, given_up.files.len()), (ReportOutcome::Failed, 0));
    assert!(given_up.done_us - given_up.due_us >= DAY_US);
    assert!(given_up.note.as_deref().is_some_and(|note| note.contains("may read nothing")));
    let next = place.schedule("forbidden");
    assert_eq!((next.attempts, next.due_us - NEW_YEAR_US), (0, 366 * DAY_US), "that of the next year");
    let refused = place.entries.0.lock().unwrap().iter().filter(|entry| entry.outcome == AuditOutcome::Refused).count();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn without_room_on_the_disk_nothing_is_written_and_the_report_is_due_still() {
    let mut place = Place::new(u64::MAX / 2).await;
    place.add("daily", "0 0 * * *", LOCAL_AUTHOR);
    place.clock.pass(DAY_US);
    place.keeper.look().await;
    let schedule = place.schedule("daily");
    assert_eq!((schedule.due_us, schedule.attempts), (NEW_YEAR_US + DAY_US, 0), "the registry is not written");
    assert_eq!(place.figure("zonelake_report_failed_attempts"), 1);
    assert!(place.runs().is_empty() && !place.keeper.args.folder.root().exists());
    place.clock.pass(HOUR_US);
    place.keeper.look().await;
    assert_eq!(place.figure("zonelake_report_failed_attempts"), 2, "it is tried again");
    assert_eq!(place.figure("zonelake_report_overdue_seconds"), 3_600);
}

#[test]
fn an_entry_has_the_digest_of_one_file_and_of_the_list_of_several() {
    let file = |path: &str| ReportFile { path: path.into(), sha256: "ab".repeat(32), bytes: 3, removed_us: None };
    let run = |files| ReportRun {
        schedule: "monthly".into(),
        due_us: 7,
        number: 0,
        outcome: ReportOutcome::Made,
        author: LOCAL_AUTHOR.into(),
        declaration: String::new(),
        done_us: 8,
        note: None,
        is_ahead: false,
        files,
    };
    let one = entry(&run(vec![file("a")]));
    assert_eq!((one.principal_kind, one.object.as_deref()), (PrincipalKind::Local, Some("monthly")));
    assert!(one.detail.is_some_and(|detail| detail.contains(&"ab".repeat(32))));
    let many = entry(&run(vec![file("a"), file("b")])).detail.expect("it has a detail");
    let list = format!("{0}  a\n{0}  b\n", "ab".repeat(32));
    assert!(many.contains(&HEXLOWER.encode(&Sha256::digest(list.as_bytes()))), "{many}");
}
