//! Settings of a session by their names and texts, which mean the same on every interface.
//!
//! | setting | text | effect |
//! |---|---|---|
//! | `TimeZone` | as [`Zone::of_setting`] | zone of times without one, in which instants are shown |
//! | `search_path` | names of schemas with commas between them | schema of tables that are named without one |
//! | `statement_timeout` | `1500`, `2s`, `1min`; 0 is none | limit of a statement's time below that of the server |
//! | `application_name` | any | name in `system.queries` |

use std::time::Duration;

use zonelake_timeseries::Zone;

use crate::catalog::names::{INFORMATION_SCHEMA, SCHEMA, SYSTEM_SCHEMA};
use crate::engine::session::SqlSession;
use crate::error::{QueryError, QueryErrorCode};

/// Headers of requests over HTTP and of calls of Flight, each with the setting that it sets.
pub const SETTING_HEADERS: [(&str, &str); 4] = [
    ("zonelake-time-zone", "TimeZone"),
    ("zonelake-search-path", "search_path"),
    ("zonelake-statement-timeout", "statement_timeout"),
    ("zonelake-application-name", "application_name"),
];

impl SqlSession {
    /// The zone.
    pub fn zone(&self) -> Zone {
        Zone::of_arrow_name(&self.time_zone).unwrap_or(Zone::UTC)
    }

    /// Sets a setting by its name, in any case.
    ///
    /// # Errors
    /// [`QueryErrorCode::Sql`] with SQLSTATE 22023 for a text that is no value of the setting, 42704 for another name.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), QueryError> {
        match name.to_ascii_lowercase().as_str() {
            "timezone" => {
                let (zone, _) = Zone::of_setting(text).ok_or_else(|| invalid("TimeZone", text))?;
                self.set_zone(zone);
            }
            "search_path" => self.set_search_path(text),
            "statement_timeout" => {
                let ms = milliseconds(text).ok_or_else(|| invalid("statement_timeout", text))?;
                self.statement_timeout = (ms > 0).then(|| Duration::from_millis(ms));
            }
            "application_name" => self.application_name = text.into(),
            _ => {
                let message = format!("unrecognized configuration parameter \"{name}\"");
                return Err(QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("42704"));
            }
        }
        Ok(())
    }

    /// Sets a setting that stands outside of SQL, in a header or an option. There `+07:00` is refused: SQL has it seven hours west
    /// of Greenwich, as POSIX does, and nobody who writes it in a header means that.
    ///
    /// # Errors
    /// As [`SqlSession::set`].
    pub fn set_outside_sql(&mut self, name: &str, text: &str) -> Result<(), QueryError> {
        let is_offset = text.trim().starts_with(['+', '-']) && text.contains(':');
        if name.eq_ignore_ascii_case("timezone") && is_offset {
            let message = format!(
                "the time zone \"{text}\": write the name of a zone (Asia/Ho_Chi_Minh), or hours to the east (7, -3.5)"
            );
            return Err(QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("22023"));
        }
        self.set(name, text)
    }

    /// Sets the zone.
    pub fn set_zone(&mut self, zone: Zone) {
        self.time_zone = zone.arrow_name().into();
    }

    /// Sets the schema of tables that are named without one: the first of the path that exists.
    pub fn set_search_path(&mut self, path: &str) {
        let exists = |name: &&str| [SCHEMA, SYSTEM_SCHEMA, INFORMATION_SCHEMA, PG_CATALOG].contains(name);
        if let Some(schema) = names_in_path(path).find(exists) {
            self.schema = schema.into();
        }
    }
}

/// Schema of PostgreSQL's catalog, which one interface has.
const PG_CATALOG: &str = "pg_catalog";

/// Names in a search path. Names of schemas here have no commas and no quotes within, so no parser is needed.
fn names_in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty())
}

/// Milliseconds of a time with its unit, or without one in milliseconds.
pub fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // PostgreSQL keeps these in 32 bits with a sign, and refuses what is longer.
    number.checked_mul(factor).filter(|ms| *ms <= u64::from(i32::MAX.unsigned_abs()))
}

fn invalid(name: &str, text: &str) -> QueryError {
    QueryError::new(QueryErrorCode::Sql, format!("invalid value for parameter \"{name}\": \"{text}\""))
        .with_sqlstate("22023")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::session::{Caller, Interface};

    fn session() -> SqlSession {
        SqlSession::new(Caller { name: "admin".into() }, Interface::Http)
    }

    #[test]
    fn settings_take_effect_by_their_names() {
        let mut session = session();
        for (name, text) in
            [("timezone", "asia/ho_chi_minh"), ("search_path", "nothing, system"), ("statement_timeout", "2s")]
        {
            session.set(name, text).expect(name);
        }
        assert_eq!((&*session.time_zone, &*session.schema), ("Asia/Ho_Chi_Minh", "system"));
        assert_eq!(session.statement_timeout, Some(Duration::from_secs(2)));
        session.set("STATEMENT_TIMEOUT", "0").expect("none");
        session.set("TimeZone", "+07:00").expect("hours west");
        assert_eq!((session.statement_timeout, &*session.time_zone), (None, "-07:00"));
    }

    #[test]
    fn what_is_no_value_is_refused_with_postgresqls_code() {
        let refused = |name: &str, text: &str| session().set(name, text).expect_err(text).narrow_sqlstate();
        assert_eq!(refused("timezone", "Mars/Olympus"), Some("22023"));
        assert_eq!(refused("statement_timeout", "soon"), Some("22023"));
        assert_eq!(refused("work_mem", "1GB"), Some("42704"));
        let error = session().set_outside_sql("TimeZone", "+07:00").expect_err("of two meanings");
        assert_eq!(error.narrow_sqlstate(), Some("22023"));
        assert!(session().set_outside_sql("TimeZone", "7").is_ok());
    }
}
