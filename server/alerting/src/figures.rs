//! What an operator wants to know of alert rules.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges, read at any moment.
#[derive(Debug, Default)]
pub struct AlertFigures {
    rules: AtomicU64,
    machines: AtomicU64,
    machines_refused: AtomicU64,
    transitions: AtomicU64,
    read_anew: AtomicU64,
    failed_writes: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertFigure {
    /// Name of the metric.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Value.
    pub value: u64,
    /// True for what only grows.
    pub is_counter: bool,
}

impl AlertFigures {
    /// All of them.
    pub fn all(&self) -> [AlertFigure; 6] {
        let figure = |name, help, value: &AtomicU64, is_counter| AlertFigure {
            name,
            help,
            value: value.load(Ordering::Relaxed),
            is_counter,
        };
        [
            figure("zonelake_alert_rules", "Alert rules that are looked at", &self.rules, false),
            figure(
                "zonelake_alert_states",
                "States that are kept, of a rule over a device each",
                &self.machines,
                false,
            ),
            figure(
                "zonelake_alert_states_refused",
                "States that are not kept since there would be too many: these devices are not looked at",
                &self.machines_refused,
                false,
            ),
            figure("zonelake_alert_transitions", "Rows written to the table alerts", &self.transitions, true),
            figure(
                "zonelake_alert_read_anew",
                "Times that the states of a table were read from alerts and the rows since",
                &self.read_anew,
                true,
            ),
            figure(
                "zonelake_alert_failed_writes",
                "Times that rows of the table alerts could not be written and were tried again",
                &self.failed_writes,
                true,
            ),
        ]
    }

    pub(crate) fn set_kept(&self, rules: usize, machines: usize, refused: usize) {
        self.rules.store(rules as u64, Ordering::Relaxed);
        self.machines.store(machines as u64, Ordering::Relaxed);
        self.machines_refused.store(refused as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_transitions(&self, transitions: usize) {
        self.transitions.fetch_add(transitions as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_read_anew(&self) {
        self.read_anew.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failed_write(&self) {
        self.failed_writes.fetch_add(1, Ordering::Relaxed);
    }
}
