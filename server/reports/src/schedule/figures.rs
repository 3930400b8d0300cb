//! What an operator wants to know of scheduled reports.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges, read at any moment.
#[derive(Debug, Default)]
pub struct ReportFigures {
    schedules: AtomicU64,
    failing: AtomicU64,
    overdue_seconds: AtomicU64,
    made: AtomicU64,
    made_late: AtomicU64,
    failed_attempts: AtomicU64,
    given_up: AtomicU64,
}

/// A figure at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportFigure {
    /// Name of the metric.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Value.
    pub value: u64,
    /// True for what only grows.
    pub is_counter: bool,
}

impl ReportFigures {
    /// All of them.
    pub fn all(&self) -> [ReportFigure; 7] {
        let figure = |name, help, value: &AtomicU64, is_counter| ReportFigure {
            name,
            help,
            value: value.load(Ordering::Relaxed),
            is_counter,
        };
        [
            figure("zonelake_report_schedules", "Schedules of reports", &self.schedules, false),
            figure(
                "zonelake_report_schedules_failing",
                "Schedules whose report is due and could not be made yet",
                &self.failing,
                false,
            ),
            figure(
                "zonelake_report_overdue_seconds",
                "Time since the oldest report that is not made yet was due; 0 where all are made",
                &self.overdue_seconds,
                false,
            ),
            figure("zonelake_report_made", "Scheduled reports that were made", &self.made, true),
            figure(
                "zonelake_report_made_late",
                "Scheduled reports that were made more than an hour after they were due",
                &self.made_late,
                true,
            ),
            figure(
                "zonelake_report_failed_attempts",
                "Times that a scheduled report could not be made and was put off",
                &self.failed_attempts,
                true,
            ),
            figure("zonelake_report_given_up", "Scheduled reports that were given up", &self.given_up, true),
        ]
    }

    pub(super) fn set_schedules(&self, schedules: usize, failing: usize, overdue_us: i64) {
        self.schedules.store(schedules as u64, Ordering::Relaxed);
        self.failing.store(failing as u64, Ordering::Relaxed);
        self.overdue_seconds.store(u64::try_from(overdue_us / 1_000_000).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn count_made(&self, is_late: bool) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.made_late.fetch_add(u64::from(is_late), Ordering::Relaxed);
    }

    pub(super) fn count_failed_attempt(&self) {
        self.failed_attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}
