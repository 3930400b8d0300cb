//! A rule as it is declared, in TOML:
//!
//! ```toml
//! name = "pm25-high"
//! table = "environment"
//! severity = "warning"      # info | warning | critical
//! for = "5m"                # how long all conditions hold before it fires; at once where it is absent
//! recover_for = "2m"        # how long one of them does not before it is normal again
//! no_data = "10m"           # without a good value for so long, its state is no-data
//! horizon = "15m"           # rows that come later than that after their time change no state
//!
//! [text]
//! en = "Particles are high"
//! vi = "Bụi mịn cao"
//!
//! [scope]                   # all places of the author where it is absent
//! zones = ["vung-ang"]
//!
//! [[condition]]             # up to four; all of them have to hold
//! field = "pm2_5"
//! measure = "mean"          # value | mean | rate
//! window = "5m"
//! above = 50.0              # or below
//! clear = 45.0              # it holds until here
//! ```

use serde::{Deserialize, Serialize};

use crate::span::Span;

/// A rule as its author declares it. [`RuleDef::from_toml`] checks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDef {
    /// Name: letters a to z, digits, `-` and `_`, at most 63 bytes.
    pub name: String,
    /// Table whose rows it looks at.
    pub table: String,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// How long all conditions hold before it fires.
    #[serde(default, rename = "for")]
    pub hold: Span,
    /// How long a condition does not hold before it is normal again.
    #[serde(default)]
    pub recover_for: Span,
    /// Time without a good value after which its state is no-data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<Span>,
    /// Rows that are received later than that after their event time change no state. A value that is older than that, beside
    /// the newest one, holds no condition any more.
    #[serde(default = "horizon_default")]
    pub horizon: Span,
    /// What people are told.
    pub text: Texts,
    /// Devices that it looks at.
    #[serde(default)]
    pub scope: Scope,
    /// What has to hold.
    #[serde(default, rename = "condition", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionDef>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known.
    Info,
    /// To be looked at.
    #[default]
    Warning,
    /// To be acted on at once.
    Critical,
}

impl Severity {
    /// Name in declarations and in the table `alerts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Words of a rule in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// English.
    pub en: String,
    /// Vietnamese.
    pub vi: String,
}

/// Devices of a rule: those that every list which is not empty has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Codes of provinces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provinces: Vec<String>,
    /// Codes of zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Names of devices; one that ends in `*` is a beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

impl Scope {
    /// True where a device is one of them.
    pub fn has(&self, province: Option<&str>, zone: Option<&str>, device: &str) -> bool {
        let among = |list: &[String], is: Option<&str>| {
            list.is_empty() || is.is_some_and(|is| list.iter().any(|one| one == is))
        };
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => device.starts_with(beginning),
            None => wanted == device,
        };
        among(&self.provinces, province)
            && among(&self.zones, zone)
            && (self.devices.is_empty() || self.devices.iter().any(fits))
    }
}

/// What a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The value of the row.
    #[default]
    Value,
    /// The mean of the values of a window.
    Mean,
    /// The change from the beginning of a window, for each `per`.
    Rate,
}

/// One condition over one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionDef {
    /// Field of numbers or of booleans, which are 0 and 1.
    pub field: String,
    /// What is compared.
    #[serde(default)]
    pub measure: Measure,
    /// Length of the window of a mean or a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// Time for which a rate is the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Span>,
    /// It holds above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// It holds below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Once it holds, it does until this is reached: hysteresis. The limit itself where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<f64>,
}

/// Why a rule cannot be. The message names the rule or the condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleFault(pub String);

impl RuleDef {
    /// Reads and checks a declaration.
    ///
    /// # Errors
    /// [`RuleFault`], in words for the author.
    pub fn from_toml(text: &str) -> Result<Self, RuleFault> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RuleFault(format!("the rule has {} bytes; at most {TEXT_BYTES_MAX} are possible", text.len())));
        }
        let rule: Self =
            toml::from_str(text).map_err(|error| RuleFault(format!("the rule cannot be read: {error}")))?;
        rule.check()?;
        Ok(rule)
    }

    /// The declaration as text that reads back as the same.
    ///
    /// # Errors
    /// [`RuleFault`] for numbers that TOML cannot have.
    pub fn to_toml(&self) -> Result<String, RuleFault> {
        toml::to_string(self).map_err(|error| RuleFault(format!("rule {}: cannot be written: {error}", self.name)))
    }

    fn check(&self) -> Result<(), RuleFault> {
        let name = &self.name;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
            return Err(RuleFault(format!(
                "rule name {name:?}: must be a to z, 0 to 9, - and _, and have at most {NAME_BYTES_MAX} bytes"
            )));
        }
        let fault = |why: &str| Err(RuleFault(format!("rule {name}: {why}")));
        if [&self.text.en, &self.text.vi].iter().any(|text| text.trim().is_empty() || text.len() > WORDS_BYTES_MAX) {
            return fault("text.en and text.vi say what has happened, in at most 1,000 bytes each");
        }
        if self.conditions.is_empty() && self.no_data.is_none() {
            return fault("has neither a condition nor no_data");
        }
        if self.conditions.len() > CONDITIONS_MAX {
            return fault("has more than four conditions");
        }
        if self.no_data.is_some_and(|span| span.us() == 0) || self.horizon.us() == 0 {
            return fault("no_data and horizon are longer than nothing");
        }
        self.conditions.iter().try_for_each(|condition| condition.check(name))
    }
}

impl ConditionDef {
    fn check(&self, rule: &str) -> Result<(), RuleFault> {
        let fault = |why: &str| Err(RuleFault(format!("rule {rule}: the condition over {}: {why}", self.field)));
        let (limit, is_above) = match (self.above, self.below) {
            (Some(limit), None) => (limit, true),
            (None, Some(limit)) => (limit, false),
            _ => return fault("has above or below, one of them"),
        };
        let clear = self.clear.unwrap_or(limit);
        if !limit.is_finite() || !clear.is_finite() {
            return fault("its limits are numbers");
        }
        if (is_above && clear > limit) || (!is_above && clear < limit) {
            return fault("clear is on the other side of its limit");
        }
        let has_length = |span: Option<Span>| span.is_some_and(|span| span.us() > 0);
        match self.measure {
            Measure::Value if self.window.is_some() || self.per.is_some() => {
                fault("window and per go with a mean or a rate")
            }
            Measure::Mean if self.per.is_some() => fault("per goes with a rate"),
            Measure::Mean | Measure::Rate if !has_length(self.window) => fault("a mean or a rate needs a window"),
            Measure::Rate if !has_length(self.per) => fault("a rate needs per, as per = \"1h\""),
            _ => Ok(()),
        }
    }
}

const fn horizon_default() -> Span {
    Span::of_seconds(900)
}

const TEXT_BYTES_MAX: usize = 16 << 10;
const WORDS_BYTES_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 63;
const CONDITIONS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use zonelake_schemas::TableDef;

    use super::*;

    const HEAD: &str = "name = \"r\"\ntable = \"t\"\n[text]\nen = \"e\"\nvi = \"v\"\n";

    fn fault(rest: &str) -> String {
        RuleDef::from_toml(&format!("{HEAD}{rest}")).expect_err(rest).0
    }

    #[test]
    fn a_rule_reads_back_as_it_was_written() {
        let text = "name = \"pm25-high\"\ntable = \"environment\"\nseverity = \"critical\"\nfor = \"5m\"\nrecover_for = \"2m\"
no_data = \"10m\"\nhorizon = \"15m\"\n[text]\nen = \"Particles are high\"\nvi = \"Bụi mịn cao\"\n[scope]\nzones = [\"vung-ang\"]
[[condition]]\nfield = \"pm2_5\"\nmeasure = \"mean\"\nwindow = \"5m\"\nabove = 50.0\nclear = 45.0\n";
        let rule = RuleDef::from_toml(text).expect("the rule is good");
        assert_eq!((rule.severity, rule.hold.us(), rule.conditions.len()), (Severity::Critical, 300_000_000, 1));
        assert_eq!(RuleDef::from_toml(&rule.to_toml().expect("it can be written")).expect("it reads back"), rule);
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused_in_words() {
        for (rest, words) in [
            ("", "neither a condition nor no_data"),
            ("[[condition]]\nfield = \"f\"", "above or below"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nbelow = 0.0", "above or below"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nclear = 2.0", "other side"),
            ("[[condition]]\nfield = \"f\"\nbelow = 1.0\nclear = 0.0", "other side"),
            ("[[condition]]\nfield = \"f\"\nabove = nan", "numbers"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nwindow = \"5m\"", "mean or a rate"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nmeasure = \"mean\"", "needs a window"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nmeasure = \"rate\"\nwindow = \"5m\"", "needs per"),
            ("[[condition]]\nfield = \"f\"\nabove = 1.0\nfor = \"5m\"", "unknown field"),
        ] {
            let why = fault(rest);
            assert!(why.contains(words), "{rest}: {why}");
        }
        assert!(RuleDef::from_toml("name = \"Bad name\"").is_err());
    }

    #[test]
    fn a_rule_names_fields_of_numbers_that_its_table_has_and_no_personal_data() {
        let table = "name = \"t\"\n[[field]]\nname = \"n\"\ntype = \"double\"\n[[field]]\nname = \"w\"\ntype = \"text\"
[[field]]\nname = \"p\"\ntype = \"double\"\npersonal = \"position\"";
        let table = TableDef::from_toml(table).expect("the declaration is good");
        for (field, words) in [("n", ""), ("w", "no numbers"), ("p", "personal"), ("x", "no field x")] {
            let text = format!("{HEAD}[[condition]]\nfield = \"{field}\"\nabove = 1.0");
            let compiled = RuleDef::from_toml(&text).expect("the rule is good").compiled(&table);
            match compiled {
                Ok(compiled) => assert_eq!((words, compiled.conditions[0].field), ("", 0)),
                Err(why) => assert!(!words.is_empty() && why.0.contains(words), "{field}: {why}"),
            }
        }
    }

    #[test]
    fn a_scope_has_the_devices_that_each_of_its_lists_has() {
        let scope = Scope { zones: vec!["z".into()], devices: vec!["stack-*".into(), "a".into()], ..Scope::default() };
        assert!(scope.has(Some("p"), Some("z"), "stack-7") && scope.has(None, Some("z"), "a"));
        assert!(
            !scope.has(Some("p"), Some("y"), "a") && !scope.has(None, None, "a") && !scope.has(None, Some("z"), "ab")
        );
        assert!(Scope::default().has(None, None, "anything"));
    }
}
