//! Progress reports of a source while its push waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use zonelake_gateway::{LinkEvent, StreamObserver};

use crate::report::{FileReport, ProgressSink, PushProgress};
use crate::sending::table_stream::{TableStream, totals};
use crate::source::open::OpenSource;

/// Reports the progress while the push waits for something else.
pub(crate) struct ProgressReporter<'a> {
    progress: &'a dyn ProgressSink,
    tick: Interval,
    pub(crate) watch: Arc<LinkWatch>,
    file_index: usize,
    files: usize,
    bytes_total: Option<u64>,
    bytes_durable: u64,
}

impl<'a> ProgressReporter<'a> {
    /// Reporter for one of `files` sources; nothing is durable yet.
    pub(crate) fn new(progress: &'a dyn ProgressSink, source: &OpenSource, file_index: usize, files: usize) -> Self {
        let mut tick = interval(REPORT_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bytes_total = source.bytes_total;
        Self { progress, tick, watch: Arc::default(), file_index, files, bytes_total, bytes_durable: 0 }
    }

    /// Waits for `work`, and reports the progress meanwhile.
    pub(crate) async fn while_waiting<T>(
        &mut self,
        streams: &mut BTreeMap<String, TableStream>,
        report: &FileReport,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = self.tick.tick() => self.report(streams, report, false),
            }
        }
    }

    /// Reports the progress now.
    pub(crate) fn report(&mut self, streams: &mut BTreeMap<String, TableStream>, report: &FileReport, done: bool) {
        for table in streams.values_mut() {
            let durable = table.stream.durable();
            while let Some((number, bytes)) = table.sent.front().copied()
                && number <= durable
            {
                table.sent.pop_front();
                self.bytes_durable = self.bytes_durable.max(bytes);
            }
            table.forget_positions();
        }
        if let (true, Some(total)) = (done, self.bytes_total) {
            self.bytes_durable = total;
        }
        self.progress.handle_progress(&PushProgress {
            file: &report.file,
            file_index: self.file_index,
            files: self.files,
            bytes_total: self.bytes_total,
            bytes_durable: self.bytes_durable,
            rows_before: report.rows_before,
            totals: &totals(streams),
            broken: self.watch.broken(),
            done,
        });
    }
}

/// Observer that keeps the reason of a broken link for the progress.
#[derive(Debug, Default)]
pub(crate) struct LinkWatch {
    broken: Mutex<Option<String>>,
}

impl LinkWatch {
    fn broken(&self) -> Option<String> {
        self.broken.lock().expect("no holder of this lock panics").clone()
    }
}

impl StreamObserver for LinkWatch {
    fn handle_link(&self, event: &LinkEvent) {
        let broken = match event {
            LinkEvent::Opened { .. } => None,
            LinkEvent::Broken { error, .. } => Some(error.to_string()),
        };
        *self.broken.lock().expect("no holder of this lock panics") = broken;
    }
}

/// Time from one progress report to the next.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
