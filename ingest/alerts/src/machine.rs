//! One rule over one device: rows and the clock come in, transitions come out.
//!
//! What was looked at is known by event time. A value that is not newer than the last one of its condition changes nothing. A row that
//! was received later than the rule's horizon after its time moves windows and the watermark, and no state: a spool of two weeks
//! pages nobody. A machine that is made from its last transition comes to the same states as one that was never stopped, once it
//! has been given the rows since.

use crate::compiled::CompiledRule;
use crate::condition::ConditionState;
use crate::state::{Cause, State, Transition};

/// State of one rule over one device.
///
/// It takes 100 bytes, 40 more for each condition, and 1.3 KiB for each window; a test holds it to that.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    state: State,
    /// State in which values had ceased, while the state is no-data.
    before: State,
    /// True once a row has come in time: what was silent before anyone looked is not told to be.
    is_watched: bool,
    number: u64,
    since_us: i64,
    at_us: i64,
    /// The greatest event time of a good value.
    watermark_us: i64,
    /// Values up to this time have been judged before; `i64::MIN` where none were.
    settled_us: i64,
    conditions: Box<[ConditionState]>,
}

/// The last transition of a machine, from which it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// State.
    pub state: State,
    /// State before it.
    pub from: State,
    /// Since when its conditions hold, or do not hold.
    pub since_us: i64,
    /// From when on the state holds.
    pub at_us: i64,
    /// Event time of the last value that was looked at.
    pub seen_us: i64,
    /// Number of the transition.
    pub number: u64,
}

/// A row with a good quality.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Event time, µs.
    pub time_us: i64,
    /// False for a row that came later than the horizon, or on the back-fill lane.
    pub is_in_time: bool,
    /// Values of the fields, by condition.
    pub values: &'a [Option<f64>],
}

impl Machine {
    /// A rule that nothing is known of yet. Values up to `settled_us` change no state: the rule was not there then.
    pub fn new(rule: &CompiledRule, settled_us: i64) -> Self {
        Self {
            state: State::Normal,
            before: State::Normal,
            is_watched: false,
            number: 0,
            since_us: settled_us,
            at_us: i64::MIN,
            watermark_us: i64::MIN,
            settled_us,
            conditions: rule.conditions.iter().map(ConditionState::new).collect(),
        }
    }

    /// A rule that goes on from its last transition.
    pub fn restored(rule: &CompiledRule, seed: &Seed) -> Self {
        Self {
            state: seed.state,
            before: seed.from,
            is_watched: true,
            number: seed.number,
            since_us: seed.since_us,
            at_us: seed.at_us,
            watermark_us: seed.seen_us,
            ..Self::new(rule, seed.seen_us)
        }
    }

    /// A rule that begins anew where an earlier version of it has ended: numbers go on.
    pub fn succeeding(rule: &CompiledRule, seed: &Seed, settled_us: i64) -> Self {
        Self { number: seed.number, at_us: seed.at_us, ..Self::new(rule, settled_us) }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Number of the last transition; 0 where there was none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether each condition holds, with the time and the outcome of its last comparison.
    pub fn conditions(&self) -> &[ConditionState] {
        &self.conditions
    }

    /// The greatest event time of a good value; `i64::MIN` where there was none.
    pub fn watermark_us(&self) -> i64 {
        self.watermark_us
    }

    /// Takes a row in. False where nothing of it was newer than what was known.
    pub fn handle_sample(&mut self, rule: &CompiledRule, sample: &Sample<'_>, out: &mut Vec<Transition>) -> bool {
        let judges = sample.is_in_time && sample.time_us > self.settled_us;
        let has_values = rule.conditions.is_empty() || sample.values.iter().any(Option::is_some);
        if !has_values {
            return false;
        }
        if judges {
            // Between two values there may be more time than the rule allows, though nobody has looked at the clock meanwhile.
            self.handle_clock(rule, sample.time_us, out);
        }
        let mut is_new = rule.conditions.is_empty() && sample.time_us > self.watermark_us;
        for ((condition, state), value) in rule.conditions.iter().zip(&mut self.conditions).zip(sample.values) {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                is_new |= state.take(condition, sample.time_us, value);
            }
        }
        if !is_new {
            return false;
        }
        self.watermark_us = self.watermark_us.max(sample.time_us);
        if judges {
            self.is_watched = true;
            self.judge(rule, out);
        }
        true
    }

    /// Looks at the clock: where no good value has come for so long, the state is no-data.
    pub fn handle_clock(&mut self, rule: &CompiledRule, now_us: i64, out: &mut Vec<Transition>) {
        let Some(no_data_us) = rule.no_data_us else { return };
        let is_looked_at = self.is_watched && self.watermark_us > i64::MIN && self.state != State::Stopped;
        if !is_looked_at || self.state == State::NoData {
            return;
        }
        let due_us = self.watermark_us.saturating_add(no_data_us);
        if now_us < due_us {
            return;
        }
        let before = self.state;
        self.change(State::NoData, due_us, self.watermark_us, Cause::Silence, out);
        self.before = before;
    }

    /// Ends it: nobody looks any more.
    pub fn stop(&mut self, now_us: i64, cause: Cause, out: &mut Vec<Transition>) {
        if self.state != State::Stopped {
            self.change(State::Stopped, now_us, now_us, cause, out);
        }
    }

    /// Goes from state to state, by what holds at the watermark.
    fn judge(&mut self, rule: &CompiledRule, out: &mut Vec<Transition>) {
        let at = self.watermark_us;
        // The value of one condition may be old beside that of another.
        let holds = |state: &ConditionState| state.holds && at.saturating_sub(state.last_us) <= rule.horizon_us;
        let holds = !self.conditions.is_empty() && self.conditions.iter().all(holds);
        let lasted = at.saturating_sub(self.since_us);
        let was_active = self.state.is_active() || (self.state == State::NoData && self.before.is_active());
        let (to, since_us) = match (self.state, holds) {
            (State::Normal, false) | (State::Firing, true) => return,
            (State::Pending, true) if lasted < rule.hold_us => return,
            (State::Recovering, false) if lasted < rule.recover_us => return,
            (State::Pending, true) => (State::Firing, self.since_us),
            (State::Recovering, false) => (State::Normal, self.since_us),
            (_, true) if was_active || rule.hold_us == 0 => (State::Firing, at),
            (_, true) => (State::Pending, at),
            (_, false) if was_active && rule.recover_us > 0 => (State::Recovering, at),
            (_, false) => (State::Normal, at),
        };
        self.change(to, at, since_us, Cause::Value, out);
    }

    fn change(&mut self, to: State, at_us: i64, since_us: i64, cause: Cause, out: &mut Vec<Transition>) {
        let from = self.state;
        self.number += 1;
        self.state = to;
        self.since_us = since_us;
        // Rows may come behind the time at which they were missed; what follows is never told to be before it.
        self.at_us = self.at_us.max(at_us);
        let measured = self.conditions.first().map(|condition| condition.measured);
        out.push(Transition {
            at_us: self.at_us,
            from,
            to,
            since_us,
            seen_us: self.watermark_us.max(self.settled_us),
            value: measured.filter(|value| value.is_finite()),
            number: self.number,
            cause,
        });
    }
}
