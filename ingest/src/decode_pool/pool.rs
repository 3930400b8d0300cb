//! The threads that decode, and the way of a job to them and of its result back.
//!
//! A batch of some kilobytes may decode to some ten megabytes, which takes a tenth of a second. On the threads of the
//! runtime it would hold up every connection; here it holds up one thread, and the next job is another principal's.
//! `turns` says whose. A principal never holds all threads, so that a job of any other begins at once.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::{Semaphore, oneshot};
use zonelake_schemas::GatewayId;
use zonelake_schemas::clock::Clock;

use super::turns::{Turn, Turns};
use crate::metrics::IngestMetrics;

/// Threads that decode for all interfaces.
#[derive(Debug)]
pub struct DecodePool {
    ring: Sender<Arc<Lane>>,
    /// One small entry for each gateway that has sent since the start.
    lanes: Mutex<HashMap<GatewayId, Arc<Lane>>>,
    running_max: usize,
    shared: Arc<Shared>,
}

/// Queue of the jobs of one principal.
#[derive(Debug, Clone)]
pub struct DecodeQueue(Arc<Lane>);

/// The right of a job to run, which it has until this is dropped. A job that holds memory which is not reserved yet
/// keeps it beyond its end: the number of such jobs is that of the threads.
#[derive(Debug)]
pub struct DecodePlace {
    lane: Arc<Lane>,
    job: Arc<Job>,
}

/// A job that came to no result: it panicked, which is a fault of ours; the server log says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("decoding has broken off; the server log says more")]
pub struct DecodeError;

#[derive(Debug)]
struct Shared {
    metrics: Arc<IngestMetrics>,
    clock: Arc<dyn Clock>,
}

/// A principal in the pool.
#[derive(Debug)]
struct Lane {
    turns: Mutex<Turns<Arc<Job>>>,
    /// Permits of jobs that wait or run; callers wait for them.
    jobs: Semaphore,
    ring: Sender<Arc<Lane>>,
    shared: Arc<Shared>,
}

struct Job {
    work: Mutex<Option<Work>>,
    bytes: u64,
    queued_at: Duration,
    is_abandoned: AtomicBool,
}

type Work = Box<dyn FnOnce(DecodePlace) + Send>;

impl DecodePool {
    /// Starts the threads: one for each core but one, which is left to the network and the shards; two at least, since
    /// one that registers devices waits for the disk.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread.
    pub fn start(clock: Arc<dyn Clock>, metrics: Arc<IngestMetrics>) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads((cores - 1).max(2), clock, metrics)
    }

    fn with_threads(threads: usize, clock: Arc<dyn Clock>, metrics: Arc<IngestMetrics>) -> std::io::Result<Self> {
        // Unbounded in type alone: each principal is in the ring once at most.
        let (ring, turns) = unbounded();
        for number in 0..threads {
            let turns = turns.clone();
            std::thread::Builder::new().name(format!("decode-{number}")).spawn(move || run(&turns))?;
        }
        let shared = Arc::new(Shared { metrics, clock });
        // One thread is left to others, however much one principal sends.
        Ok(Self { ring, lanes: Mutex::default(), running_max: (threads - 1).max(1), shared })
    }

    /// Queue of a gateway's jobs.
    pub fn queue(&self, gateway: GatewayId) -> DecodeQueue {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(gateway).or_insert_with(|| {
            Arc::new(Lane {
                turns: Mutex::new(Turns::new(self.running_max)),
                jobs: Semaphore::new(JOBS_MAX),
                ring: self.ring.clone(),
                shared: Arc::clone(&self.shared),
            })
        });
        DecodeQueue(Arc::clone(lane))
    }
}

impl DecodeQueue {
    /// Does a job in the principal's turn and gives back its result. `bytes` is what it decodes to, as far as that is
    /// known before. A caller that goes away takes a job that waits with it; one that runs may ask its place.
    ///
    /// # Errors
    /// Where the job panics.
    pub async fn run<T, F>(&self, bytes: u64, work: F) -> Result<T, DecodeError>
    where
        T: Send + 'static,
        F: FnOnce(DecodePlace) -> T + Send + 'static,
    {
        let lane = &self.0;
        let _permit = lane.jobs.acquire().await.map_err(|_closed| DecodeError)?;
        let (reply, result) = oneshot::channel();
        let work = Box::new(move |place: DecodePlace| {
            // A caller that has gone away meanwhile needs no result.
            reply.send(work(place)).ok();
        });
        let job = Arc::new(Job {
            work: Mutex::new(Some(work)),
            bytes,
            queued_at: lane.shared.clock.monotonic(),
            is_abandoned: AtomicBool::new(false),
        });
        let _abandoned = AbandonedOnDrop(&job);
        lane.shared.metrics.decode_waiting.inc();
        let enters = lane.lock().handle_job(bytes, Arc::clone(&job));
        if enters {
            lane.enter_ring();
        }
        result.await.map_err(|_dropped| DecodeError)
    }
}

impl DecodePlace {
    /// False once the caller of the job has gone away, so that a long job may end early.
    pub fn is_wanted(&self) -> bool {
        // Relaxed: a job that learns of it a moment later has only worked a moment longer.
        !self.job.is_abandoned.load(Ordering::Relaxed)
    }

    /// Charges the principal the bytes that the job has come to, where they are more than it was queued with.
    pub fn charge(&self, bytes: u64) {
        self.lane.lock().charge(bytes.saturating_sub(self.job.bytes));
    }
}

impl Drop for DecodePlace {
    fn drop(&mut self) {
        let enters = self.lane.lock().handle_place_free();
        if enters {
            self.lane.enter_ring();
        }
    }
}

/// Takes a job back whose caller goes away.
struct AbandonedOnDrop<'a>(&'a Arc<Job>);

impl Drop for AbandonedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
        // With all that it holds: bytes of a frame, and their permits.
        self.0.take();
    }
}

impl Job {
    fn take(&self) -> Option<Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Turns<Arc<Job>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter_ring(self: &Arc<Self>) {
        // Fails where the threads have ended, and with them everything that could be decoded.
        self.ring.send(Arc::clone(self)).ok();
    }

    /// The job whose turn it is; `None` where the turn is given up or nobody waits for the job any more.
    fn take_turn(self: &Arc<Self>) -> Option<(Work, DecodePlace)> {
        let (turn, enters) = self.lock().take_turn();
        // Before the job is done: another thread may do the next one of this principal meanwhile.
        if enters {
            self.enter_ring();
        }
        let Turn::Job(job) = turn else { return None };
        let metrics = &self.shared.metrics;
        metrics.decode_waiting.dec();
        let place = DecodePlace { lane: Arc::clone(self), job };
        let Some(work) = place.job.take() else {
            metrics.decode_abandoned.inc();
            return None;
        };
        let waited = self.shared.clock.monotonic().saturating_sub(place.job.queued_at);
        metrics.decode_wait_seconds.observe(waited.as_secs_f64());
        Some((work, place))
    }
}

/// The work of a thread, until the pool and all queues are gone.
fn run(turns: &Receiver<Arc<Lane>>) {
    while let Ok(lane) = turns.recv() {
        let Some((work, place)) = lane.take_turn() else { continue };
        // Released before the job: it may be long, and the last queue of a pool that is gone ends the threads.
        drop(lane);
        // What a job holds is its caller's alone, who gets no result and goes no further with it.
        if catch_unwind(AssertUnwindSafe(|| work(place))).is_err() {
            tracing::error!("decoding has panicked; the batch is refused, and others go on");
        }
    }
}

/// Jobs of one principal that wait or run; callers wait beyond it.
const JOBS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use prometheus_client::registry::Registry;
    use zonelake_schemas::clock::SystemClock;

    use super::*;

    fn pool(threads: usize) -> DecodePool {
        let metrics = Arc::new(IngestMetrics::new(&mut Registry::default()));
        DecodePool::with_threads(threads, Arc::new(SystemClock::default()), metrics).unwrap()
    }

    /// Jobs of a gateway that hold their places until the sender is dropped.
    fn hold(queue: &DecodeQueue, jobs: usize) -> (mpsc::Sender<()>, Vec<tokio::task::JoinHandle<()>>) {
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let started = (0..jobs).map(|_| {
            let (queue, held) = (queue.clone(), Arc::clone(&held));
            tokio::spawn(async move {
                // Ends with an error, when the sender is dropped.
                queue.run(1, move |_| drop(held.lock().map(|held| held.recv()))).await.unwrap();
            })
        });
        (release, started.collect())
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not within 5 s: {what}");
    }

    #[tokio::test]
    async fn a_principal_whose_jobs_never_end_leaves_a_thread_to_others() {
        let pool = pool(3);
        let (release, held) = hold(&pool.queue(GatewayId(1)), 20);
        until("two jobs run", || pool.shared.metrics.decode_waiting.get() == 18).await;
        let other = pool.queue(GatewayId(2));
        for number in 0..100 {
            assert_eq!(other.run(1, move |_| number).await, Ok(number));
        }
        drop(release);
        for job in held {
            job.await.unwrap();
        }
        assert_eq!(pool.shared.metrics.decode_waiting.get(), 0);
    }

    #[tokio::test]
    async fn a_job_whose_caller_goes_away_is_not_done_and_what_it_holds_is_free_at_once() {
        let pool = pool(2);
        let queue = pool.queue(GatewayId(1));
        let (release, held) = hold(&queue, 1);
        until("the job runs", || pool.shared.metrics.decode_waiting.get() == 0).await;
        let frame = Arc::new(());
        let done = Arc::new(AtomicBool::new(false));
        let waiting = {
            let (queue, frame, done) = (queue.clone(), Arc::clone(&frame), Arc::clone(&done));
            tokio::spawn(async move {
                let work = move |_place| {
                    done.store(true, Ordering::Relaxed);
                    drop(frame);
                };
                queue.run(1, work).await
            })
        };
        until("the job waits", || pool.shared.metrics.decode_waiting.get() == 1).await;
        waiting.abort();
        until("its frame is free", || Arc::strong_count(&frame) == 1).await;
        drop(release);
        for job in held {
            job.await.unwrap();
        }
        assert_eq!(queue.run(1, |_| 7).await, Ok(7));
        assert!(!done.load(Ordering::Relaxed), "nobody waited for it");
        assert_eq!(pool.shared.metrics.decode_abandoned.get(), 1);
    }

    #[tokio::test]
    async fn a_job_that_runs_learns_that_its_caller_has_gone_away() {
        let pool = pool(2);
        let queue = pool.queue(GatewayId(1));
        let (begun, has_begun) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let running = tokio::spawn(async move {
            let work = move |place: DecodePlace| {
                begun.send(place.is_wanted()).unwrap();
                while place.is_wanted() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
            };
            queue.run(1, work).await
        });
        assert!(has_begun.await.unwrap());
        running.abort();
        has_ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_refuses_its_caller_alone() {
        let pool = pool(2);
        let queue = pool.queue(GatewayId(1));
        for _ in 0..10 {
            let broken = queue.run(1, |_| -> u32 { panic!("as a fault in a decoder would") }).await;
            assert_eq!(broken, Err(DecodeError));
        }
        assert_eq!(queue.run(1, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_place_that_is_kept_holds_the_next_job_of_its_principal_and_no_other() {
        let pool = pool(2);
        let (one, two) = (pool.queue(GatewayId(1)), pool.queue(GatewayId(2)));
        let place = one.run(1, |place| place).await.unwrap();
        let next = tokio::spawn(async move { one.run(1, |_| ()).await });
        assert_eq!(two.run(1, |_| 7).await, Ok(7));
        assert!(!next.is_finished());
        drop(place);
        next.await.unwrap().unwrap();
    }
}
