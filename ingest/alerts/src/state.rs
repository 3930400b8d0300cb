//! States of a rule over a device, and transitions between them.

use std::str::FromStr;

/// State of one rule over one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Its conditions do not hold.
    #[default]
    Normal,
    /// They hold, not yet for so long as the rule says.
    Pending,
    /// They held for so long.
    Firing,
    /// They do not hold any more, not yet for so long as the rule says.
    Recovering,
    /// No good value has come for so long as the rule says.
    NoData,
    /// Nobody looks: the rule is gone, another version, or without its author's right.
    Stopped,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Normal, Self::Pending, Self::Firing, Self::Recovering, Self::NoData, Self::Stopped];

    /// Name in the table `alerts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Recovering => "recovering",
            Self::NoData => "no_data",
            Self::Stopped => "stopped",
        }
    }

    /// True where it has fired and is not normal again.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Firing | Self::Recovering)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| format!("there is no state {text:?}"))
    }
}

/// What brought a transition about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A value.
    Value,
    /// That none came.
    Silence,
    /// The rule has another version, or is disabled.
    RuleChanged,
    /// The rule is gone.
    RuleRemoved,
    /// The author may not read this any more.
    RightLost,
}

impl Cause {
    /// Name in the table `alerts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Silence => "silence",
            Self::RuleChanged => "rule_changed",
            Self::RuleRemoved => "rule_removed",
            Self::RightLost => "right_lost",
        }
    }
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// From when on the state holds, by event time, µs. It is never before the transition before it.
    pub at_us: i64,
    /// State before.
    pub from: State,
    /// State from now on.
    pub to: State,
    /// Since when its conditions hold, or do not hold.
    pub since_us: i64,
    /// Event time of the last value that was looked at, µs.
    pub seen_us: i64,
    /// What its first condition compared last; `None` where nothing was.
    pub value: Option<f64>,
    /// Number of the transition for its rule and device, from 1.
    pub number: u64,
    /// What brought it about.
    pub cause: Cause,
}
