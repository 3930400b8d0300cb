//! Work at a lower priority than ingest. It has threads of its own, since a thread that has lowered its priority cannot
//! raise it again.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinError;

/// Does some work at low priority, without blocking the caller's thread.
pub(crate) async fn in_background<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, JoinError> {
    let in_thread = || {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // Where the system does not allow it, this work runs at normal priority: slower for ingest, not wrong.
                rustix::process::nice(BACKGROUND_NICE).ok();
                work()
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    };
    tokio::task::spawn_blocking(in_thread).await
}

/// Does jobs in so many threads, at the priority of the caller. Results come in any order.
pub(crate) fn in_threads<J: Send, R: Send, E: Send>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let waiting = Mutex::new(jobs);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let one_after_another = || {
        let mut done = Vec::new();
        while let Some(job) = next() {
            done.push(work(job)?);
        }
        Ok::<_, E>(done)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(one_after_another)).collect();
        let mut all = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(done) => all.extend(done?),
                Err(panic) => resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

/// Nice value of background threads. In Linux it counts for a thread and those that it starts; one at 10 gets about a
/// tenth of a contended core.
const BACKGROUND_NICE: i32 = 10;
