//! Devices as rows of CSV or JSON: what export writes, import takes.

use serde_json::{Map, Value, json};
use zonelake_http::DeviceItem;
use zonelake_registry::{Change, DeviceChanges, DeviceLine, DeviceState, Position};

use crate::error::CliError;

/// Columns of a file, and members of a row in JSON.
const COLUMNS: [&str; 12] = [
    "zone",
    "device",
    "state",
    "site",
    "kind",
    "model",
    "serial",
    "owner",
    "latitude",
    "longitude",
    "tags",
    "interval_seconds",
];

/// Devices as CSV, with a header.
pub(super) fn csv_of(devices: &[DeviceItem]) -> Result<String, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(CliError::failed)?;
    for device in devices {
        let row = row_of(device);
        let cells = COLUMNS.iter().map(|column| match row.get(*column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells).map_err(CliError::failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| CliError::failed(error.error()))?;
    String::from_utf8(bytes).map_err(CliError::failed)
}

/// Devices as JSON.
pub(super) fn json_of(devices: &[DeviceItem]) -> Result<String, CliError> {
    let rows: Vec<_> = devices.iter().map(row_of).collect();
    serde_json::to_string_pretty(&rows).map(|text| text + "\n").map_err(CliError::failed)
}

fn row_of(device: &DeviceItem) -> Map<String, Value> {
    let tags = (!device.tags.is_empty()).then(|| device.tags.join(";"));
    let row = json!({
        "zone": device.zone,
        "device": device.device,
        "state": device.state,
        "site": device.site,
        "kind": device.kind,
        "model": device.model,
        "serial": device.serial,
        "owner": device.owner,
        "latitude": device.position.map(|position| position.latitude),
        "longitude": device.position.map(|position| position.longitude),
        "tags": tags,
        "interval_seconds": device.interval_seconds,
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// The devices of a CSV text. A column that it lacks leaves what is said, and an empty cell takes it away.
pub(super) fn lines_of_csv(text: &str) -> Result<Vec<DeviceLine>, CliError> {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().map_err(CliError::input)?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(CliError::input(format!(
            "line 1: there is no column {unknown:?}; columns are {}",
            COLUMNS.join(", ")
        )));
    }
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for record in reader.records() {
        let record = record.map_err(CliError::input)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = header.iter().zip(record.iter()).map(|(name, cell)| (name.to_owned(), Value::from(cell)));
        match line_of(&cells.collect(), Some(line)) {
            Ok(of_line) => lines.push(of_line),
            Err(error) => wrong.push(format!("line {line}: {error}")),
        }
    }
    all_or_wrong(lines, wrong)
}

/// The devices of a JSON text: a list of objects, with the columns as members. A member that is absent leaves what is said, and null
/// takes it away.
pub(super) fn lines_of_json(text: &str) -> Result<Vec<DeviceLine>, CliError> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(CliError::input)?;
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (number, row) in (1_u64..).zip(&rows) {
        let unknown = row.keys().find(|key| !COLUMNS.contains(&key.as_str()));
        let of_row = match unknown {
            Some(unknown) => Err(format!("there is no member {unknown:?}; members are {}", COLUMNS.join(", "))),
            None => line_of(row, None),
        };
        match of_row {
            Ok(of_row) => lines.push(of_row),
            Err(error) => wrong.push(format!("row {number}: {error}")),
        }
    }
    all_or_wrong(lines, wrong)
}

fn all_or_wrong(lines: Vec<DeviceLine>, mut wrong: Vec<String>) -> Result<Vec<DeviceLine>, CliError> {
    if wrong.is_empty() {
        return Ok(lines);
    }
    let more = wrong.len().saturating_sub(WRONG_MAX);
    wrong.truncate(WRONG_MAX);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(CliError::input(wrong.join("\n")))
}

fn line_of(row: &Map<String, Value>, line: Option<u64>) -> Result<DeviceLine, String> {
    let needed = |name: &str| match text(row, name)? {
        Change::Set(text) => Ok(text),
        Change::Keep | Change::Clear => Err(format!("{name} is missing")),
    };
    let state = match text(row, "state")? {
        Change::Set(name) => Some(DeviceState::from_name(&name).ok_or_else(|| format!("state {name:?} is none"))?),
        Change::Keep | Change::Clear => None,
    };
    let position = match (number(row, "latitude")?, number(row, "longitude")?) {
        (Change::Keep, Change::Keep) => Change::Keep,
        (Change::Set(latitude), Change::Set(longitude)) => Change::Set(Position { latitude, longitude }),
        (Change::Clear, Change::Clear) => Change::Clear,
        _ => return Err("latitude and longitude stand together, or neither".to_owned()),
    };
    let tags = match text(row, "tags")? {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        Change::Set(tags) => Change::Set(tags.split(';').map(|tag| tag.trim().to_owned()).collect()),
    };
    let set = DeviceChanges {
        state,
        site: text(row, "site")?,
        kind: text(row, "kind")?,
        model: text(row, "model")?,
        serial: text(row, "serial")?,
        owner: text(row, "owner")?,
        position,
        tags,
        interval_seconds: number(row, "interval_seconds")?,
    };
    Ok(DeviceLine { line, zone: needed("zone")?, device: needed("device")?, set })
}

fn text(row: &Map<String, Value>, name: &str) -> Result<Change<String>, String> {
    match row.get(name) {
        None => Ok(Change::Keep),
        Some(Value::Null) => Ok(Change::Clear),
        Some(Value::String(text)) if text.is_empty() => Ok(Change::Clear),
        Some(Value::String(text)) => Ok(Change::Set(text.clone())),
        Some(other) => Err(format!("{name} is {other}, and must be a text")),
    }
}

fn number<T: std::str::FromStr>(row: &Map<String, Value>, name: &str) -> Result<Change<T>, String> {
    let text = match row.get(name) {
        Some(Value::Number(number)) => Change::Set(number.to_string()),
        _ => text(row, name)?,
    };
    match text {
        Change::Keep => Ok(Change::Keep),
        Change::Clear => Ok(Change::Clear),
        Change::Set(text) => match text.trim().parse() {
            Ok(number) => Ok(Change::Set(number)),
            Err(_) => Err(format!("{name} is {text:?}, and must be a number")),
        },
    }
}

/// Lines that are told to be wrong.
const WRONG_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> DeviceItem {
        DeviceItem {
            province: "ha-tinh".into(),
            zone: "vung-ang".into(),
            device: "stack, \"1\"".into(),
            state: DeviceState::Approved,
            site: None,
            kind: Some("analyser".into()),
            model: None,
            serial: Some("0017".into()),
            owner: None,
            position: Some(Position { latitude: 18.05, longitude: -106.5 }),
            tags: vec!["a".into(), "b c".into()],
            interval_seconds: Some(60),
            registered_us: Some(7),
        }
    }

    #[test]
    fn what_export_writes_import_reads_in_both_formats() {
        let devices = [item()];
        let of_csv = lines_of_csv(&csv_of(&devices).unwrap()).unwrap();
        let of_json = lines_of_json(&json_of(&devices).unwrap()).unwrap();
        assert_eq!(of_csv[0].line, Some(2));
        assert_eq!(of_csv[0].set, of_json[0].set);
        let line = &of_csv[0];
        assert_eq!((line.zone.as_str(), line.device.as_str()), ("vung-ang", "stack, \"1\""));
        assert_eq!(line.set.state, Some(DeviceState::Approved));
        assert_eq!((&line.set.site, &line.set.serial), (&Change::Clear, &Change::Set("0017".into())));
        assert_eq!(line.set.position, Change::Set(Position { latitude: 18.05, longitude: -106.5 }));
        assert_eq!(line.set.tags, Change::Set(vec!["a".into(), "b c".into()]));
    }

    #[test]
    fn a_column_that_is_absent_leaves_what_is_said() {
        let lines = lines_of_csv("device,zone,owner\nd1,vung-ang,\n").unwrap();
        assert_eq!((&lines[0].set.owner, &lines[0].set.kind), (&Change::Clear, &Change::Keep));
        let lines = lines_of_json(r#"[{"device": "d1", "zone": "vung-ang", "owner": null}]"#).unwrap();
        assert_eq!((&lines[0].set.owner, &lines[0].set.kind), (&Change::Clear, &Change::Keep));
    }

    #[test]
    fn each_wrong_line_is_told_with_its_number() {
        // A quoted cell has a line break in it, so that rows are not lines.
        let text = "zone,device,kind,interval_seconds,latitude,longitude\nz,\"a\nb\",k,5,,\nz,c,k,soon,,\nz,,k,5,,\nz,d,k,5,18,\n";
        let error = lines_of_csv(text).unwrap_err().to_string();
        for words in
            ["line 4: interval_seconds is \"soon\"", "line 5: device is missing", "line 6: latitude and longitude"]
        {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(lines_of_csv("zone,device,colour\n").unwrap_err().to_string().contains("colour"));
        let error =
            lines_of_json(r#"[{"zone": "z", "device": 5}, {"zone": "z", "devise": "d"}]"#).unwrap_err().to_string();
        assert!(
            error.contains("row 1: device is 5") && error.contains("row 2: there is no member \"devise\""),
            "{error}"
        );
    }
}
