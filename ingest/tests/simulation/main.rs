//! Sessions, shards, logs, flush, commit and recovery, in a world that follows from a seed: a virtual clock, a disk and
//! table logs that fail on purpose, gateways whose links break. An oracle judges every read.
//!
//! - `rng`: random numbers and the clock
//! - `bug`: bugs that are planted
//! - `disk`, `tables`: what is below the server
//! - `gateway`, `server`: the real parts, driven step by step
//! - `oracle`: what must hold
//! - `world`, `steps`: one run
//! - `harness`: what all runs share
//!
//! | variable | what |
//! |---|---|
//! | `ZONELAKE_SIM_SEEDS` | how many seeds to run, from 0 on; without it, some hundred |
//! | `ZONELAKE_SIM_SEED` | the one seed to run; with the other one, the first of so many |
//! | `ZONELAKE_SIM_SHOW` | print all that happens |

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod bug;
mod disk;
mod gateway;
mod harness;
mod oracle;
mod rng;
mod server;
mod steps;
mod tables;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use bug::Bug;
use harness::Harness;
use oracle::Broken;
use world::{RunReport, World};
use zonelake_schemas::clock::{Clock, SystemClock};

/// Runs a seed; a panic anywhere below breaks a rule too.
fn run(harness: &Harness, seed: u64, bug: Option<Bug>) -> Result<RunReport, Broken> {
    let run = catch_unwind(AssertUnwindSafe(|| World::new(harness, seed, bug).run()));
    run.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("of another type")))
    })
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn repeat(seed: u64) -> String {
    format!(
        "ZONELAKE_SIM_SEED={seed} ZONELAKE_SIM_SHOW=1 cargo test --release --workspace --test simulation nothing_acknowledged -- --nocapture"
    )
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_double_in_any_of_many_worlds() {
    let (first, count) = match number_from("ZONELAKE_SIM_SEED") {
        Some(seed) => (seed, number_from("ZONELAKE_SIM_SEEDS").unwrap_or(1)),
        None => (0, number_from("ZONELAKE_SIM_SEEDS").unwrap_or(SEEDS)),
    };
    let clock = SystemClock::default();
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let work = || {
        let harness = Harness::new();
        let mut sum = RunReport::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return sum;
            }
            match run(&harness, seed, None) {
                Ok(report) => sum.add(&report),
                Err(broken) => panic!("seed {seed}: {broken}\nTo repeat it: {}", repeat(seed)),
            }
        }
    };
    let mut sum = RunReport::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| sum.add(&thread.join().expect("see above")));
    });
    let took = clock.monotonic();
    println!(
        "{count} seeds on {workers} threads in {:.1} s, {:.2} ms of a thread for each: {} steps, {} starts of the server, {} flushes, {} times tidied up, {} deletions, {} turns with records set aside, {} jumps of the clock by years, {} reads judged, {} rows at the end",
        took.as_secs_f64(),
        took.as_secs_f64() * 1e3 * workers as f64 / count as f64,
        sum.steps,
        sum.starts,
        sum.flushes,
        sum.tidied,
        sum.deletions,
        sum.set_aside,
        sum.wild_jumps,
        sum.checks,
        sum.rows,
    );
    assert!(
        count == 1
            || (sum.starts > 2 * count
                && sum.flushes > count
                && sum.rows > count
                && sum.tidied > count
                && sum.deletions > count / 8
                && sum.set_aside > count / 4
                && sum.wild_jumps > count / 8),
        "the runs are too quiet: {sum:?}"
    );
}

impl RunReport {
    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.starts += other.starts;
        self.flushes += other.flushes;
        self.tidied += other.tidied;
        self.deletions += other.deletions;
        self.set_aside += other.set_aside;
        self.wild_jumps += other.wild_jumps;
        self.checks += other.checks;
        self.rows += other.rows;
    }
}

#[test]
fn worlds_that_once_broke_a_rule_break_none() {
    let harness = Harness::new();
    for seed in ONCE_BROKEN {
        run(&harness, seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn the_same_seed_makes_the_same_run_and_another_seed_another() {
    let (one, other) = (Harness::new(), Harness::new());
    for seed in 0..20 {
        let report = run(&one, seed, None).unwrap();
        assert_eq!(report, run(&other, seed, None).unwrap(), "seed {seed}");
        assert_ne!(report.trace, run(&one, seed + 1_000_000, None).unwrap().trace);
    }
}

/// Finds a planted bug, or says that no seed does.
fn is_found(bug: Bug) {
    let harness = Harness::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = (0..BUG_SEEDS_MAX).find_map(|seed| run(&harness, seed, Some(bug)).err().map(|broken| (seed, broken)));
    std::panic::set_hook(hook);
    let (seed, broken) = found.unwrap_or_else(|| panic!("{bug:?} is not found within {BUG_SEEDS_MAX} seeds"));
    println!("{bug:?}: found with seed {seed}: {broken}");
}

#[test]
fn every_planted_bug_is_found() {
    Bug::ALL.into_iter().for_each(is_found);
}

/// Seeds that have found something, beyond those of a run in CI. 3761 and 4578: a merge that had landed, was reported as failed and could not be
/// confirmed made the next flush fail.
const ONCE_BROKEN: [u64; 5] = [3761, 4578, 8412, 12_059, 12_193];
/// Seeds of a run in CI.
const SEEDS: u64 = 300;
/// Seeds within which a planted bug has to be found.
const BUG_SEEDS_MAX: u64 = 1_000;
