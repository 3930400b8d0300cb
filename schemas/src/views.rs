//! Views that are built in, one file of plain SQL each in `schemas/views`. The head of a file says what the view answers, the unit of each
//! column, the source of each rule, and how far in time its rows reach.
//!
//! | line of the head | meaning |
//! |---|---|
//! | `-- Text.`, the first lines up to an empty one | what the view answers |
//! | `-- Reach: COLUMN, N hours back, M hours ahead.` | a row depends only on readings from N hours before its COLUMN to M hours behind it |
//! | `-- Reach: none, REASON.` | no filter on a time of its rows could be one on readings |
//! | `--   name [unit]: text` | a column |
//!
//! All tables in a view stand with their schema, `public.`, so that no `WITH` query around a view takes the place of one.

/// A view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Name in SQL.
    pub name: &'static str,
    /// The file.
    pub sql: &'static str,
}

/// How far in time the readings lie on which a row of a view depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reach {
    /// Column with the time or the day of a row.
    pub column: &'static str,
    /// Hours before it.
    pub hours_back: i64,
    /// Hours behind it; those of a day count from its midnight in UTC.
    pub hours_ahead: i64,
}

impl View {
    /// Lines of the head without their dashes.
    fn head(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.sql.lines().map_while(|line| line.strip_prefix("--"))
    }

    /// What the view answers.
    pub fn question(&self) -> String {
        let lines: Vec<&str> = self.head().map(str::trim).take_while(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// How far its rows reach; none where it has no time.
    pub fn reach(&self) -> Option<Reach> {
        let line = self.head().find_map(|line| line.trim().strip_prefix("Reach:"))?;
        let parts: Vec<&str> = line.trim().trim_end_matches('.').split(", ").collect();
        let [column, back, ahead] = parts.as_slice() else { return None };
        let hours = |text: &str, end: &str| text.strip_suffix(end)?.trim().parse::<i64>().ok();
        Some(Reach { column, hours_back: hours(back, " hours back")?, hours_ahead: hours(ahead, " hours ahead")? })
    }

    /// Words of the SQL: names of tables and columns are among them.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + use<> {
        let body = self.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        body.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).filter(|word| !word.is_empty())
    }

    /// Unit and description of a column; the unit is empty where it has none.
    pub fn column(&self, name: &str) -> Option<(&'static str, &'static str)> {
        self.head().find_map(|line| {
            let (head, description) = line.strip_prefix("   ")?.split_once(": ")?;
            let (named, unit) = match head.split_once(" [") {
                Some((named, unit)) => (named, unit.trim_end_matches(']')),
                None => (head, ""),
            };
            (named == name).then_some((unit, description))
        })
    }
}

macro_rules! views {
    ($($name:literal),* $(,)?) => {
        &[$(View { name: $name, sql: include_str!(concat!("../views/", $name, ".sql")) }),*]
    };
}

/// All views. One that reads another stands behind it.
pub const VIEWS: &[View] = views![
    "air_hours",
    "air_quality_hourly",
    "air_quality_daily",
    "air_checks",
    "exceedances",
    "data_completeness",
    "emissions",
    "effluents",
    "noise_levels",
    "energy_intervals",
    "energy_use",
    "demand",
    "power_factor",
    "network_quality",
    "state_intervals",
    "state_timeline",
    "counters",
    "oee",
    "downtime",
    "line_bottleneck",
    "specific_energy",
    "energy_emissions",
    "coverage",
    "latency",
    "failed_access",
    "cell_availability",
    "rollout_progress",
    "incident_steps",
    "incidents",
    "response_times",
    "incident_counts",
    "heartbeats",
    "asset_positions",
    "geofence_events",
    "gate_turnaround",
    "asset_utilisation",
    "silent_trackers",
    "zone_overview",
    "province_overview",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::SYSTEM_TABLES;
    use crate::tables::builtin_tables;

    #[test]
    fn every_view_has_a_name_of_its_own_a_question_and_a_source() {
        for (at, view) in VIEWS.iter().enumerate() {
            assert!(!SYSTEM_TABLES.contains(&view.name), "{}", view.name);
            assert!(builtin_tables().iter().all(|table| table.name != view.name), "{}", view.name);
            assert!(VIEWS[..at].iter().all(|before| before.name != view.name), "{}", view.name);
            assert!(view.question().ends_with('.'), "{}: {}", view.name, view.question());
            assert!(view.head().any(|line| line.contains("Source:")), "{} has no source", view.name);
            match view.reach() {
                Some(reach) => {
                    assert!(view.column(reach.column).is_some(), "{} has no column {}", view.name, reach.column)
                }
                None => assert!(
                    view.head().any(|line| line.trim().starts_with("Reach: none, ")),
                    "{} does not say how far it reaches",
                    view.name
                ),
            }
        }
    }

    #[test]
    fn every_table_of_a_view_stands_with_its_schema() {
        for view in VIEWS {
            let tables: Vec<String> = builtin_tables().into_iter().map(|table| table.name).collect();
            let named = VIEWS.iter().map(|view| view.name).chain(SYSTEM_TABLES);
            let body: String = view.sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
            for name in named.chain(tables.iter().map(String::as_str)) {
                for before in ["from ", "join "] {
                    assert!(!body.contains(&format!("{before}{name}\n")), "{}: {before}{name}", view.name);
                    assert!(!body.contains(&format!("{before}{name} ")), "{}: {before}{name}", view.name);
                }
            }
        }
    }
}
