//! The excerpt of real recordings, pushed over QUIC as `zonelake push` does.

use std::sync::Arc;

use zonelake_gateway::Connection;
use zonelake_push::{Mapping, NoProgress, PushError, PushInput, PushOptions, push};

use crate::error::CliError;

/// What was pushed from one recording.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Table that it is in.
    pub table: &'static str,
    /// Its devices, as a condition on the table.
    pub devices: &'static str,
    /// Rows in the file.
    pub rows: u64,
    /// Values in the file.
    pub readings: u64,
    /// Fields, each with the sum of its values in the file, in ten-thousandths.
    pub sums: Vec<(&'static str, i64)>,
}

/// Pushes both recordings; each is its own producer.
///
/// # Errors
/// Where a push fails.
pub(crate) async fn push_recordings(connection: &Arc<Connection>, token: &str) -> Result<Vec<Recorded>, CliError> {
    let folder = tempfile::tempdir().map_err(CliError::failed)?;
    let mut all = Vec::new();
    for recording in &RECORDINGS {
        let path = folder.path().join(recording.file);
        std::fs::write(&path, recording.content).map_err(CliError::failed)?;
        let mapping = Mapping::from_toml(recording.mapping).map_err(CliError::failed)?;
        let inputs = vec![PushInput::File { path, format: None }];
        let options = PushOptions::new(Arc::clone(connection), token, mapping, inputs);
        let failed = |error: PushError| CliError::from_kind(error.kind(), error);
        let mut report = push(options, &NoProgress).await.map_err(failed)?;
        if let Some(error) = report.failed.pop() {
            return Err(failed(error));
        }
        let pushed = &report.files[0];
        let readings = pushed.totals.readings;
        println!("pushed {}: {} rows, {readings} readings, acknowledged", recording.what, pushed.rows);
        all.push(Recorded {
            table: recording.table,
            devices: recording.devices,
            rows: pushed.rows,
            readings: recording.readings(),
            sums: recording.sums(),
        });
    }
    Ok(all)
}

struct Recording {
    what: &'static str,
    file: &'static str,
    content: &'static str,
    mapping: &'static str,
    table: &'static str,
    devices: &'static str,
    /// Columns of the file, from the first, that are no readings, and such ones at its end.
    not_readings: (usize, &'static [&'static str]),
    /// Columns of numbers, each with its field.
    numbers: &'static [(&'static str, &'static str)],
}

impl Recording {
    /// Values in the file, counted here and not by what pushes them.
    fn readings(&self) -> u64 {
        let (header, lines) = self.table();
        let (first, others) = self.not_readings;
        let is_reading = |(index, cell): &(usize, &str)| {
            *index >= first && !others.contains(&header[*index]) && *cell != "NA" && !cell.is_empty()
        };
        lines.map(|line| line.split(',').enumerate().filter(is_reading).count() as u64).sum()
    }

    /// The sums of its numbers, likewise.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "figures of the demonstration are far from the bounds of these types"
    )]
    fn sums(&self) -> Vec<(&'static str, i64)> {
        let (header, lines) = self.table();
        let mut sums = Vec::new();
        for (column, field) in self.numbers {
            let index = header.iter().position(|name| name == column).expect("the recording has this column");
            let cells = lines.clone().filter_map(|line| line.split(',').nth(index)?.parse::<f64>().ok());
            sums.push((*field, cells.map(|value| (value * 10_000.0).round() as i64).sum()));
        }
        sums
    }

    fn table(&self) -> (Vec<&'static str>, std::str::Lines<'static>) {
        let mut lines = self.content.lines();
        let header = lines.next().unwrap_or_default();
        (header.split(',').map(|name| name.trim_matches('"')).collect(), lines)
    }
}

const RECORDINGS: [Recording; 2] = [
    Recording {
        what: "three air-quality stations, three days (CC BY 4.0, Beijing Multi-Site Air Quality, UCI)",
        file: "air.csv",
        content: include_str!("recordings/air.csv"),
        mapping: include_str!("../../../gateway/mappings/air.toml"),
        table: "environment",
        devices: "device IN ('Aotizhongxin', 'Dongsi', 'Gucheng')",
        not_readings: (5, &["station"]),
        numbers: &[
            ("PM2.5", "pm2_5"),
            ("PM10", "pm10"),
            ("SO2", "so2"),
            ("NO2", "no2"),
            ("CO", "co"),
            ("O3", "o3"),
            ("TEMP", "temperature"),
            ("PRES", "pressure"),
            ("DEWP", "dew_point"),
            ("RAIN", "rain"),
            ("WSPM", "wind_speed"),
        ],
    },
    Recording {
        what: "a steel plant's meter, three days (CC BY 4.0, Steel Industry Energy Consumption, UCI)",
        file: "steel_plant.csv",
        content: include_str!("recordings/steel_plant.csv"),
        mapping: include_str!("../../../gateway/mappings/steel_plant.toml"),
        table: "energy",
        devices: "device = 'steel-plant-main-meter'",
        not_readings: (1, &["NSM", "WeekStatus", "Day_of_week"]),
        numbers: &[
            ("Usage_kWh", "active_energy"),
            ("Lagging_Current_Reactive_Power_kVarh", "reactive_energy_lagging"),
            ("Leading_Current_Reactive_Power_kVarh", "reactive_energy_leading"),
            ("CO2(tCO2)", "co2"),
            ("Lagging_Current_Power_Factor", "power_factor_lagging"),
            ("Leading_Current_Power_Factor", "power_factor_leading"),
        ],
    },
];
