//! Table logs and the object store below a simulated server. Whatever they do passes a gate, where the run decides
//! whether it goes on, fails, or is as far as it has got when the process or the power goes.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use zonelake_schemas::TableDef;
use zonelake_tablelog::{CommitFault, LogCommit, LogSnapshot, MemoryLog, TableLog, TableLogError};

use crate::bug::Bug;

/// The operation that is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Put,
    PutDone,
    Commit,
    CommitSeen,
    Load,
}

/// A gate at which simulated storage waits for the run to decide. One piece of work at a time stands there.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    waiting: Option<Point>,
    waker: Option<Waker>,
    goes_well: Option<bool>,
    /// Who drives the work, which may stand here on a thread of its own.
    driver: Option<Waker>,
    /// Changes when the work that stands here is gone.
    generation: u64,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the decision whether this goes well.
    async fn pass(&self, point: Point) -> bool {
        let generation = self.lock().generation;
        poll_fn(|context| {
            let mut state = self.lock();
            if state.generation != generation {
                // Its process is gone, and its thread ends.
                return Poll::Ready(false);
            }
            match state.goes_well.take() {
                Some(goes_well) => {
                    state.waiting = None;
                    Poll::Ready(goes_well)
                }
                None => {
                    state.waiting = Some(point);
                    state.waker = Some(context.waker().clone());
                    if let Some(driver) = &state.driver {
                        driver.wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(crate) fn decide(&self, goes_well: bool) {
        let mut state = self.lock();
        state.goes_well = Some(goes_well);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// The work that stood here is gone.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        let waker = state.waker.take();
        *state = GateState { generation: state.generation + 1, ..GateState::default() };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs work until it stands at the gate or is done.
    pub(crate) fn drive<T>(
        &self,
        runtime: &tokio::runtime::Runtime,
        work: &mut Pin<Box<dyn Future<Output = T>>>,
    ) -> std::result::Result<T, Point> {
        runtime.block_on(poll_fn(|context| {
            self.lock().driver = Some(context.waker().clone());
            match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending => match self.lock() {
                    state if state.goes_well.is_none() && state.waiting.is_some() => {
                        Poll::Ready(Err(state.waiting.expect("checked")))
                    }
                    _ => Poll::Pending,
                },
            }
        }))
    }
}

/// The table logs of a simulated data folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimLogs {
    logs: Arc<Mutex<BTreeMap<String, MemoryLog>>>,
}

impl SimLogs {
    fn get(&self, name: &str) -> MemoryLog {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.entry(name.into()).or_insert_with(|| MemoryLog::new(name)).clone()
    }

    /// The power goes; of what is not settled, some is on the medium all the same.
    pub(crate) fn lose_power(&self, mut is_kept: impl FnMut() -> bool) {
        for log in self.logs.lock().unwrap_or_else(PoisonError::into_inner).values() {
            if !log.has_unsynced() || !is_kept() {
                log.lose_power();
            }
        }
    }

    pub(crate) fn log(&self, name: &str, gate: &Arc<Gate>, bug: Option<Bug>) -> Box<dyn TableLog> {
        Box::new(SimLog { log: self.get(name), gate: Arc::clone(gate), bug, late: Mutex::default() })
    }
}

#[derive(Debug)]
struct SimLog {
    log: MemoryLog,
    gate: Arc<Gate>,
    bug: Option<Bug>,
    /// Planted: a commit that was reported and has not landed.
    late: Mutex<Option<LogCommit>>,
}

impl SimLog {
    async fn commit_late(&self, commit: LogCommit) -> std::result::Result<i64, TableLogError> {
        let before = self.late.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            self.log.commit(before).await?;
        }
        let version = commit.base_version + 1;
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = Some(commit);
        Ok(version)
    }
}

fn failed() -> TableLogError {
    TableLogError::Store { table: "simulated".into(), source: "a fault was injected".into() }
}

#[async_trait]
impl TableLog for SimLog {
    async fn open(&self, table: &TableDef) -> std::result::Result<LogSnapshot, TableLogError> {
        if !self.gate.pass(Point::Load).await {
            return Err(failed());
        }
        let mut snapshot = self.log.open(table).await?;
        if self.bug == Some(Bug::TransactionsIgnored) {
            snapshot.txns.clear();
        }
        Ok(snapshot)
    }

    async fn load(&self) -> std::result::Result<LogSnapshot, TableLogError> {
        if !self.gate.pass(Point::Load).await {
            return Err(failed());
        }
        self.log.load().await
    }

    async fn commit(&self, commit: LogCommit) -> std::result::Result<i64, TableLogError> {
        if !self.gate.pass(Point::Commit).await {
            return Err(failed());
        }
        if self.bug == Some(Bug::CommitReportedEarly) {
            return self.commit_late(commit).await;
        }
        self.log.fail_next_commit(CommitFault::NotSynced);
        match self.log.commit(commit).await {
            Err(TableLogError::Store { .. }) => {}
            other => return other,
        }
        // It is seen and not yet on the medium: here the process may go, or the power, or the sync may fail.
        if !self.gate.pass(Point::CommitSeen).await {
            return Err(failed());
        }
        self.log.load().await.map(|snapshot| snapshot.version)
    }
}

/// The files of the tables. What is put is durable when that returns.
#[derive(Debug)]
pub(crate) struct SimObjects {
    pub files: Arc<InMemory>,
    pub gate: Arc<Gate>,
}

impl fmt::Display for SimObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimObjects")
    }
}

fn no_room() -> Error {
    Error::Generic { store: "SimObjects", source: "a fault was injected".into() }
}

#[async_trait]
impl ObjectStore for SimObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !self.gate.pass(Point::Put).await {
            return Err(no_room());
        }
        let put = self.files.put_opts(location, payload, options).await?;
        if !self.gate.pass(Point::PutDone).await {
            return Err(no_room());
        }
        Ok(put)
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("simulated files are far below the size of a part")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}
