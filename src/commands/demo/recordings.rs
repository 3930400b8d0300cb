//! The excerpt of real recordings, pushed over QUIC as `zonelake push` does.

use std::sync::Arc;

use zonelake_gateway::Connection;
use zonelake_gateway::push::{Mapping, NoProgress, PushInput, PushOptions, push};

use crate::failure::Failure;

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
}

/// Pushes both recordings; each is its own producer.
///
/// # Errors
/// Where a push fails.
pub(crate) async fn push_recordings(connection: &Arc<Connection>, token: &str) -> Result<Vec<Recorded>, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::failed)?;
    let mut all = Vec::new();
    for recording in &RECORDINGS {
        let path = folder.path().join(recording.file);
        std::fs::write(&path, recording.content).map_err(Failure::failed)?;
        let mapping = Mapping::from_toml(recording.mapping).map_err(Failure::failed)?;
        let inputs = vec![PushInput::File { path, format: None }];
        let options = PushOptions::new(Arc::clone(connection), token, mapping, inputs);
        let report = push(options, &NoProgress).await.map_err(|error| Failure::of_kind(error.kind(), error))?;
        let pushed = &report.files[0];
        let readings = pushed.totals.readings;
        println!("pushed {}: {} rows, {readings} readings, acknowledged", recording.what, pushed.rows);
        all.push(Recorded {
            table: recording.table,
            devices: recording.devices,
            rows: pushed.rows,
            readings: recording.readings(),
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
}

impl Recording {
    /// Values in the file, counted here and not by what pushes them.
    fn readings(&self) -> u64 {
        let mut lines = self.content.lines();
        let header: Vec<&str> =
            lines.next().unwrap_or_default().split(',').map(|name| name.trim_matches('"')).collect();
        let (first, others) = self.not_readings;
        let is_reading = |(index, cell): &(usize, &str)| {
            *index >= first && !others.contains(&header[*index]) && *cell != "NA" && !cell.is_empty()
        };
        lines.map(|line| line.split(',').enumerate().filter(is_reading).count() as u64).sum()
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
    },
    Recording {
        what: "a steel plant's meter, three days (CC BY 4.0, Steel Industry Energy Consumption, UCI)",
        file: "steel_plant.csv",
        content: include_str!("recordings/steel_plant.csv"),
        mapping: include_str!("../../../gateway/mappings/steel_plant.toml"),
        table: "energy",
        devices: "device = 'steel-plant-main-meter'",
        not_readings: (1, &["NSM", "WeekStatus", "Day_of_week"]),
    },
];
