//! Whether one condition of a rule holds for a device.

use crate::compiled::CompiledCondition;
use crate::rule::Measure;
use crate::window::Window;

/// What is known of one condition over one device.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionState {
    /// True where it held with its last value.
    pub holds: bool,
    /// Event time of that value; `i64::MIN` where there is none.
    pub last_us: i64,
    /// What was compared last: the value, mean or rate.
    pub measured: f64,
    window: Option<Box<Window>>,
}

impl ConditionState {
    pub(crate) fn new(condition: &CompiledCondition) -> Self {
        let window = (condition.measure != Measure::Value).then(Box::default);
        Self { holds: false, last_us: i64::MIN, measured: f64::NAN, window }
    }

    /// Takes a value in. False where it is not newer than the last one, and changes nothing.
    pub(crate) fn take(&mut self, condition: &CompiledCondition, time_us: i64, value: f64) -> bool {
        if time_us <= self.last_us {
            return false;
        }
        self.last_us = time_us;
        let measured = match (&mut self.window, condition.measure) {
            (Some(window), Measure::Mean) => {
                window.take(condition.window_us, time_us, value);
                window.mean(condition.window_us, time_us)
            }
            (Some(window), Measure::Rate) => {
                window.take(condition.window_us, time_us, value);
                window.rate(condition.window_us, condition.per_us, time_us, value)
            }
            _ => Some(value),
        };
        // A mean that is not known yet holds nothing.
        self.measured = measured.unwrap_or(f64::NAN);
        self.holds = measured.is_some_and(|value| condition.judge(value).unwrap_or(self.holds));
        true
    }
}
