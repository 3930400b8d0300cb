//! Work that gives way to those that take readings in: it has threads of its own, since a thread that has once stood back
//! cannot step forward again.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinError;

/// Does some work, and lets its caller's thread do other things meanwhile.
pub(crate) async fn in_background<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, JoinError> {
    let in_thread = || {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // Where the system does not allow it, this work competes as an equal.
                let _ = rustix::process::nice(BACKGROUND_NICE);
                work()
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    };
    tokio::task::spawn_blocking(in_thread).await
}

/// Does jobs in so many threads, which stand back where the caller does. Results come in any order.
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

/// How far background threads stand back behind the program's own: in Linux, where this counts for a thread and those that
/// it starts, one at 10 gets about a tenth of a contended core.
const BACKGROUND_NICE: i32 = 10;
