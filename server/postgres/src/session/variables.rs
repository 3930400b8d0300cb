//! Variables that clients set and read with SET, RESET and SHOW. `TimeZone`, `statement_timeout`, `application_name`
//! and `search_path` have an effect; others are stored and shown. Where one value alone is possible (`client_encoding`:
//! UTF8) it is accepted, and any other is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zonelake_query::{POSTGRES_VERSION, milliseconds};

use crate::error::PgError;
use zonelake_timeseries::Zone;

/// Values that a variable may have.
enum Values {
    /// The default alone.
    Fixed,
    /// Any text.
    Any,
    /// One of these, in any case, each with its other spellings; the first is the one that is shown.
    OneOf(&'static [&'static [&'static str]]),
    /// An encoding, which is UTF-8 alone.
    Encoding,
    /// On or off.
    Boolean,
    /// Time in milliseconds, with a unit or without.
    Milliseconds,
    /// Time zone.
    Zone,
    /// ISO, with any order of day and month, which PostgreSQL uses for input alone.
    DateStyle,
}

struct Variable {
    name: &'static str,
    default: &'static str,
    values: Values,
    /// True where the client is told of each change by ParameterStatus.
    is_reported: bool,
    description: &'static str,
}

const fn variable(name: &'static str, default: &'static str, values: Values, description: &'static str) -> Variable {
    Variable { name, default, values, is_reported: false, description }
}

const fn reported(name: &'static str, default: &'static str, values: Values, description: &'static str) -> Variable {
    Variable { name, default, values, is_reported: true, description }
}

/// All variables of PostgreSQL that clients use.
const VARIABLES: &[Variable] = &[
    reported("application_name", "", Values::Any, "Name of the client's program"),
    reported("client_encoding", "UTF8", Values::Encoding, "Encoding of text"),
    reported("DateStyle", "ISO, MDY", Values::DateStyle, "Form of dates"),
    reported("default_transaction_read_only", "on", Values::Boolean, "Transactions read only"),
    reported("in_hot_standby", "off", Values::Fixed, "Whether this server follows another one"),
    reported("integer_datetimes", "on", Values::Fixed, "Times are whole numbers in the binary form"),
    reported("IntervalStyle", "postgres", Values::OneOf(&[&["postgres"]]), "Form of intervals"),
    reported("is_superuser", "off", Values::Fixed, "Whether the user may do everything"),
    reported("server_encoding", "UTF8", Values::Fixed, "Encoding of text"),
    reported("server_version", POSTGRES_VERSION, Values::Fixed, "Version of PostgreSQL that clients may expect"),
    reported("session_authorization", "admin", Values::Fixed, "The user"),
    reported(
        "standard_conforming_strings",
        "on",
        Values::OneOf(&[&["on", "true", "yes", "1"]]),
        "Backslashes are letters",
    ),
    reported("TimeZone", "UTC", Values::Zone, "Zone of times without one, in which times with a zone are shown"),
    variable("backslash_quote", "safe_encoding", Values::Any, "Without effect"),
    variable("bytea_output", "hex", Values::OneOf(&[&["hex"]]), "Form of bytes"),
    variable("client_min_messages", "notice", Values::Any, "Without effect"),
    variable(
        "default_transaction_isolation",
        "read committed",
        Values::Any,
        "Without effect: each statement sees one moment",
    ),
    variable(
        "default_table_access_method",
        "heap",
        Values::Any,
        "Without effect: tables are made in the settings folder",
    ),
    variable("default_tablespace", "", Values::Any, "Without effect"),
    variable("enable_seqscan", "on", Values::Boolean, "Without effect"),
    variable("extra_float_digits", "1", Values::Any, "Without effect: doubles are shown so that they read back"),
    variable("geqo", "on", Values::Boolean, "Without effect"),
    variable("idle_in_transaction_session_timeout", "0", Values::Milliseconds, "Without effect"),
    variable("jit", "off", Values::Boolean, "Without effect"),
    variable("lc_collate", "C", Values::Fixed, "Order of text: that of its bytes"),
    variable("lc_ctype", "C", Values::Fixed, "Kinds of letters"),
    variable("lc_messages", "C", Values::Any, "Without effect"),
    variable("lc_monetary", "C", Values::Any, "Without effect"),
    variable("lc_numeric", "C", Values::Any, "Without effect"),
    variable("lock_timeout", "0", Values::Milliseconds, "Without effect: nothing is locked"),
    variable("max_connections", "100", Values::Fixed, "Without effect: settings of the server say how many"),
    variable("max_identifier_length", "63", Values::Fixed, "Bytes of a name"),
    variable("max_index_keys", "32", Values::Fixed, "Without effect: there are no indexes"),
    variable("row_security", "on", Values::Boolean, "Without effect"),
    variable(
        "search_path",
        "\"$user\", public",
        Values::Any,
        "Schema of tables that are named without one: the first that exists",
    ),
    variable("server_version_num", "150000", Values::Fixed, "Version of PostgreSQL that clients may expect"),
    variable("ssl", "on", Values::Fixed, "Whether there is TLS"),
    variable(
        "statement_timeout",
        "0",
        Values::Milliseconds,
        "Limit of a statement's time below that of the server; 0: none",
    ),
    variable("synchronize_seqscans", "on", Values::Boolean, "Without effect"),
    variable("transaction_isolation", "read committed", Values::Any, "Without effect: each statement sees one moment"),
    variable("transaction_read_only", "on", Values::Boolean, "Transactions read only"),
    variable("wal_level", "replica", Values::Fixed, "Without effect"),
    variable("work_mem", "4MB", Values::Any, "Without effect: settings of the server say how much"),
    variable("temp_tablespaces", "", Values::Any, "Without effect"),
    variable("xmloption", "content", Values::Any, "Without effect"),
];

/// Most variables with a dot in their names, which clients may define themselves.
const OWN_MAX: usize = 64;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Variables of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    /// Values at the start of the connection, to which RESET goes back.
    initial: Arc<BTreeMap<String, String>>,
    values: BTreeMap<String, String>,
}

impl Default for Variables {
    fn default() -> Self {
        let values: BTreeMap<String, String> =
            VARIABLES.iter().map(|known| (key(known.name), known.default.to_owned())).collect();
        Self { initial: Arc::new(values.clone()), values }
    }
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn known(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

impl Variables {
    /// Variables of a connection that starts with these values; one that is refused is an error.
    pub(crate) fn starting_with<'a>(given: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PgError> {
        let mut all = Self::default();
        for (name, value) in given {
            all.set(name, value)?;
        }
        all.initial = Arc::new(all.values.clone());
        Ok(all)
    }

    /// Notes the authenticated user.
    pub(crate) fn set_user(&mut self, user: &str) {
        self.values.insert(key("session_authorization"), user.to_owned());
        self.initial = Arc::new(self.values.clone());
    }

    /// Sets a variable; returns its name where the client is to be told of the change.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Option<&'static str>, PgError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(PgError::new("22023", format!("a value has at most {VALUE_BYTES_MAX} bytes")));
        }
        let Some(known) = known(name) else {
            // A limit, since each connection stores these in memory.
            if name.contains('.') && (self.values.len() < VARIABLES.len() + OWN_MAX || self.values.contains_key(name)) {
                self.values.insert(key(name), value.to_owned());
                return Ok(None);
            }
            return Err(unrecognized(name));
        };
        // Stored as it is shown, so that what a client reads back is what PostgreSQL would show.
        let value = accepted(known, value)?;
        self.values.insert(key(name), value);
        Ok(known.is_reported.then_some(known.name))
    }

    /// Sets a variable back to its value at the start; returns its name where the client is to be told of the change.
    pub(crate) fn reset(&mut self, name: &str) -> Result<Option<&'static str>, PgError> {
        let initial = self.initial.get(&key(name)).cloned();
        match (initial, known(name)) {
            (Some(initial), known) => {
                self.values.insert(key(name), initial);
                Ok(known.filter(|known| known.is_reported).map(|known| known.name))
            }
            (None, _) if name.contains('.') => {
                self.values.remove(&key(name));
                Ok(None)
            }
            (None, _) => Err(unrecognized(name)),
        }
    }

    /// Sets all variables back to their values at the start.
    pub(crate) fn reset_all(&mut self) {
        self.values.clone_from(&self.initial);
    }

    /// Value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(&key(name)).map(String::as_str)
    }

    /// Value of a variable, or an error where there is no such variable.
    pub(crate) fn show(&self, name: &str) -> Result<&str, PgError> {
        self.get(name).ok_or_else(|| unrecognized(name))
    }

    /// Name, value and description of all variables.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, &'static str)> {
        self.values.iter().map(|(name, value)| {
            let known = known(name);
            (
                known.map_or(name.as_str(), |known| known.name),
                value.as_str(),
                known.map_or("", |known| known.description),
            )
        })
    }

    /// Names and values of the variables that are reported to the client.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (&'static str, &str)> {
        VARIABLES
            .iter()
            .filter(|known| known.is_reported)
            .map(|known| (known.name, self.get(known.name).unwrap_or_default()))
    }

    /// Time zone of the connection.
    pub(crate) fn zone(&self) -> Zone {
        self.get("timezone").and_then(Zone::of_setting).map_or(Zone::UTC, |(zone, _)| zone)
    }

    /// Limit of a statement's time, where there is one.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let value = self.get("statement_timeout").and_then(milliseconds)?;
        (value > 0).then(|| Duration::from_millis(value))
    }
}

fn unrecognized(name: &str) -> PgError {
    PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

/// Value in the form in which it is shown, or an error where the variable cannot have it.
fn accepted(known: &Variable, value: &str) -> Result<String, PgError> {
    let refuse = |what: &str| {
        Err(PgError::new("22023", format!("invalid value for parameter \"{}\": \"{value}\"{what}", known.name)))
    };
    match known.values {
        Values::Any => Ok(value.to_owned()),
        Values::Fixed if value == known.default => Ok(value.to_owned()),
        Values::Fixed => Err(PgError::new("55P02", format!("parameter \"{}\" cannot be changed", known.name))),
        Values::OneOf(all) => {
            let found = all.iter().find(|names| names.iter().any(|name| name.eq_ignore_ascii_case(value)));
            match found.and_then(|names| names.first()) {
                Some(name) => Ok((*name).to_owned()),
                None => refuse(&format!("; only {} is possible", known.default)),
            }
        }
        Values::Boolean => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" if known.name.ends_with("transaction_read_only") => {
                // Accepted without effect: a statement that writes is refused when it comes.
                Ok("on".to_owned())
            }
            "off" | "false" | "no" | "0" | "f" => Ok("off".to_owned()),
            _ => refuse(""),
        },
        Values::Milliseconds => match milliseconds(value) {
            Some(0) => Ok("0".to_owned()),
            Some(ms) if ms % 1_000 == 0 => Ok(format!("{}s", ms / 1_000)),
            Some(ms) => Ok(format!("{ms}ms")),
            None => refuse(""),
        },
        Values::Zone => match Zone::of_setting(value) {
            Some((_, shown)) => Ok(shown),
            None => refuse(""),
        },
        // asyncpg sends quotes around it; PostgreSQL drops whatever is no letter and no digit.
        Values::Encoding => {
            let letters = value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            match letters.as_str() {
                "utf8" | "unicode" => Ok(known.default.to_owned()),
                _ => refuse("; only UTF8 is possible"),
            }
        }
        Values::DateStyle => {
            let words: Vec<String> = value.split(',').map(|word| word.trim().to_ascii_uppercase()).collect();
            let order = words.iter().find(|word| matches!(word.as_str(), "MDY" | "DMY" | "YMD"));
            let is_known = |word: &String| matches!(word.as_str(), "ISO" | "MDY" | "DMY" | "YMD");
            match words.iter().all(is_known) {
                true => Ok(format!("ISO, {}", order.map_or("MDY", String::as_str))),
                false => refuse("; only ISO is possible"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_set_is_taken_and_shown_as_postgresql_shows_it() {
        let mut variables = Variables::default();
        for (name, value, shown) in [
            ("timezone", "asia/ho_chi_minh", "Asia/Ho_Chi_Minh"),
            ("TimeZone", "+07:00", "+07:00"),
            ("TimeZone", "-3.5", "<-03:30>+03:30"),
            ("TimeZone", "UTC-7", "UTC-7"),
            ("client_encoding", "utf-8", "UTF8"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("datestyle", "iso, dmy", "ISO, DMY"),
            ("statement_timeout", "1500", "1500ms"),
            ("statement_timeout", "2min", "120s"),
            ("extra_float_digits", "3", "3"),
            ("app.user", "someone", "someone"),
        ] {
            variables.set(name, value).unwrap();
            assert_eq!(variables.show(name).unwrap(), shown, "{name}");
        }
        assert_eq!(variables.statement_timeout(), Some(Duration::from_secs(120)));
        // Both are hours west, as in PostgreSQL.
        variables.set("timezone", "+07:00").unwrap();
        assert_eq!(variables.zone(), Zone::Fixed(-25_200));
        variables.reset_all();
        assert_eq!((variables.zone(), variables.statement_timeout()), (Zone::UTC, None));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_code_of_postgresql() {
        let mut variables = Variables::default();
        for (name, value, sqlstate) in [
            ("timezone", "Mars", "22023"),
            ("client_encoding", "LATIN1", "22023"),
            ("datestyle", "German", "22023"),
            ("server_version", "16", "55P02"),
            ("no_such", "1", "42704"),
            ("statement_timeout", "-1", "22023"),
        ] {
            assert_eq!(variables.set(name, value).unwrap_err().sqlstate, sqlstate, "{name}");
        }
    }
}
