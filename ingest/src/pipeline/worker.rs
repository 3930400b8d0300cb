//! A thread with a runtime of its own and a stop: what works beside the threads that store readings.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared;
use tokio::sync::oneshot;

/// A running thread, and the signal that ends it.
#[derive(Debug)]
pub struct Worker {
    name: &'static str,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

/// The stop of a worker, as its work sees it. Copies see the same stop.
#[derive(Debug, Clone)]
pub struct Stopped(Shared<oneshot::Receiver<()>>);

impl Worker {
    /// Starts a thread that runs `work` to its end.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start<F: Future<Output = ()>>(
        name: &'static str,
        work: impl FnOnce(Stopped) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let stopped = Stopped(stopped.shared());
        let run = move || runtime.block_on(work(stopped));
        let thread = std::thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self { name, stop, thread })
    }

    /// Signals the stop and waits for the end of the work. Where it has panicked, the log has what that means.
    pub async fn stop(self, meaning_of_panic: &str) {
        // A thread that has ended on its own needs no signal.
        self.stop.send(()).ok();
        let thread = self.thread;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread {} has panicked; {meaning_of_panic}", self.name);
        }
    }
}

impl Stopped {
    /// Waits for the stop. A worker that was dropped cannot be stopped any more, which is a stop too.
    pub async fn wait(&self) {
        self.0.clone().await.ok();
    }

    /// Pauses, unless the stop comes before; true where it has come.
    pub async fn within(&self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn every_part_of_the_work_sees_the_stop_and_is_waited_for() {
        let ended = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&ended);
        let worker = Worker::start("works", |stopped| async move {
            let part = || async {
                assert!(!stopped.within(Duration::ZERO).await, "nothing was stopped yet");
                assert!(stopped.within(LONG).await);
                // It stays stopped.
                assert!(stopped.within(Duration::ZERO).await);
                stopped.wait().await;
                seen.fetch_add(1, Ordering::Relaxed);
            };
            tokio::join!(part(), part());
        });
        let worker = worker.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        worker.stop("nothing").await;
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_worker_that_is_dropped_or_has_panicked_ends() {
        let (ended, end) = oneshot::channel();
        let worker = Worker::start("is dropped", |stopped| async move {
            stopped.wait().await;
            ended.send(()).unwrap();
        });
        drop(worker.unwrap());
        tokio::time::timeout(LONG, end).await.unwrap().unwrap();
        let panics = Worker::start("panics", |_| async { panic!("a fault of the test") }).unwrap();
        panics.stop("nothing is lost").await;
    }
}
