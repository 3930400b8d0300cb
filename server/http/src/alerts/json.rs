//! Bodies of the routes over alert rules.

use serde::{Deserialize, Serialize};
use zonelake_alerting::Fired;
use zonelake_registry::AlertRule;

/// Body of `POST /api/v1/alert-rules`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAlertRule {
    /// The rule, TOML.
    pub declaration: String,
    /// Role with whose rights it looks; administrators alone may name another one than themselves.
    #[serde(default)]
    pub author: Option<String>,
    /// False where nobody is to look.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// An alert rule as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRuleItem {
    /// Name.
    pub name: String,
    /// Version, from 1.
    pub version: u32,
    /// Role with whose rights it looks, or `@local`.
    pub author: String,
    /// False where nobody looks.
    pub enabled: bool,
    /// When this version was written, microseconds.
    pub changed_us: i64,
    /// The rule, TOML.
    pub declaration: String,
}

impl From<&AlertRule> for AlertRuleItem {
    fn from(rule: &AlertRule) -> Self {
        Self {
            name: rule.name.to_string(),
            version: rule.version,
            author: rule.author.to_string(),
            enabled: rule.is_enabled,
            changed_us: rule.changed_us,
            declaration: rule.declaration.to_string(),
        }
    }
}

/// Response to `GET /api/v1/alert-rules`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertRuleList {
    /// Rules by name.
    pub rules: Vec<AlertRuleItem>,
}

/// Body of `POST /api/v1/alert-rules/test`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestAlertRule {
    /// The rule, TOML.
    pub declaration: String,
    /// Role with whose rights it looks, as when it is set.
    #[serde(default)]
    pub author: Option<String>,
    /// First instant, microseconds.
    pub from_us: i64,
    /// First instant behind the span, microseconds.
    pub until_us: i64,
}

/// Response to `POST /api/v1/alert-rules/test`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestedAlertRule {
    /// What would have been written to the table `alerts`, by time.
    pub transitions: Vec<TestedTransition>,
}

/// A transition that would have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestedTransition {
    /// From when on the state holds, microseconds.
    pub time_us: i64,
    /// Zone of the device.
    pub zone: Option<String>,
    /// Device.
    pub device: Option<String>,
    /// State before.
    pub from_state: String,
    /// State.
    pub state: String,
    /// Why.
    pub cause: String,
    /// Since when its conditions hold, or do not hold, microseconds.
    pub since_us: i64,
    /// What its first condition compared.
    pub value: Option<f64>,
}

impl From<&Fired> for TestedTransition {
    fn from(Fired { place, transition }: &Fired) -> Self {
        Self {
            time_us: transition.at_us,
            zone: place.zone.as_deref().map(str::to_owned),
            device: place.device.as_deref().map(str::to_owned),
            from_state: transition.from.name().to_owned(),
            state: transition.to.name().to_owned(),
            cause: transition.cause.name().to_owned(),
            since_us: transition.since_us,
            value: transition.value,
        }
    }
}

fn yes() -> bool {
    true
}
