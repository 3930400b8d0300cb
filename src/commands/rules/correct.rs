//! `zonelake correct`: other values in the place of those that rows have, from a CSV file, in a running server.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Args;
use csv::StringRecord;
use serde_json::Value;
use zonelake_http::{CorrectValues, CorrectedValues, ValueItem};

use super::rows::who;
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "The server must be running. The file has a header with the columns table, zone, device, time, field, value, and province where that matters, in any
order; each line is one value. An empty value is null; an empty province is any, an empty device the zone as a whole. Times have their offset.
All lines are checked before anything is changed. The same file once more changes nothing.

  table,zone,device,time,field,value
  environment,vung-ang,stack-2,2026-01-31T08:00:00+07:00,temperature,21.5
  environment,vung-ang,stack-2,2026-01-31T08:00:00+07:00,wind_speed,

Examples:
  zonelake correct values.csv --reason \"sensor calibrated wrongly, report 12/2026\" --dry-run
  zonelake correct values.csv --reason \"sensor calibrated wrongly, report 12/2026\"
  zonelake correct - --reason \"plate misread\" --server https://zonelake.example:8650 < values.csv";

/// Correct values of stored rows from a CSV file; the old ones are kept in the table audit
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct CorrectOptions {
    /// File with the values, or - for standard input
    pub file: PathBuf,

    /// Reason, for the record
    #[arg(long, visible_alias = "why", value_name = "TEXT")]
    pub reason: String,

    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Correct all rows of a zone, device and time where there are several
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Corrects, or says what would change.
///
/// # Errors
/// Where no server runs, the file cannot be read, or lines of it are wrong, with their numbers.
pub(crate) fn run(options: &CorrectOptions) -> Result<(), CliError> {
    let shown = options.file.display();
    let content = read(options).map_err(|error| CliError::input(format!("cannot read {shown}: {error}")))?;
    let values = values_of(&content).map_err(|why| CliError::input(format!("{shown}: {why}")))?;
    let body =
        CorrectValues { values, who: who(), why: options.reason.clone(), all: options.all, dry_run: options.dry_run };
    let control = Control::open_running(&options.control)?;
    let done: CorrectedValues =
        control.post_slowly(&["corrections"], &body).map_err(|error| error.prefixed(&format!("{shown}: ")))?;
    let CorrectedValues { values, changed, rows, files, dry_run } = done;
    let same = values - changed.min(values);
    match (dry_run, changed) {
        (_, 0) => eprintln!("Nothing to correct: all {values} values are as the file says."),
        (true, _) => {
            eprintln!("Would be corrected: {changed} values in {rows} rows of {files} files; {same} are so already.")
        }
        (false, _) => eprintln!(
            "Corrected: {changed} values in {rows} rows of {files} files; {same} were so already. The old values are in the table audit."
        ),
    }
    writeln!(std::io::stdout(), "{changed}").map_err(CliError::failed)
}

fn read(options: &CorrectOptions) -> std::io::Result<String> {
    if options.file.as_os_str() == "-" {
        let mut content = String::new();
        std::io::stdin().read_to_string(&mut content)?;
        return Ok(content);
    }
    std::fs::read_to_string(&options.file)
}

/// The values of a file. The message of an error has its line.
fn values_of(content: &str) -> Result<Vec<ValueItem>, String> {
    // Spreadsheets put a mark of the byte order in front.
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(format!(
            "line 1: there is no column {unknown:?} in a file of corrections; there are {}",
            COLUMNS.join(", ")
        ));
    }
    let position = |wanted: &str| header.iter().position(|name| name == wanted);
    if let Some(missing) = COLUMNS.iter().find(|name| **name != PROVINCE && position(name).is_none()) {
        return Err(format!("line 1: the column {missing} is missing"));
    }
    let mut values = Vec::new();
    for record in reader.records() {
        let record: StringRecord = record.map_err(|error| error.to_string())?;
        let line = record.position().map(csv::Position::line);
        let cell = |name: &str| {
            position(name).and_then(|at| record.get(at)).map(str::to_owned).filter(|text| !text.is_empty())
        };
        let stated =
            |name: &str| cell(name).ok_or_else(|| format!("line {}: {name} is empty", line.unwrap_or_default()));
        values.push(ValueItem {
            line,
            table: stated("table")?,
            province: cell(PROVINCE),
            zone: cell("zone"),
            device: cell("device"),
            time: stated("time")?,
            field: stated("field")?,
            value: cell("value").map_or(Value::Null, Value::String),
        });
    }
    if values.is_empty() { Err("there is no value in it".to_owned()) } else { Ok(values) }
}

const PROVINCE: &str = "province";
/// Columns of a file.
const COLUMNS: [&str; 7] = ["table", PROVINCE, "zone", "device", "time", "field", "value"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_one_value_and_keeps_its_number() {
        let text = "\u{feff}field,table,time,value,device,zone\npm2_5,environment,2026-01-01T00:00:00Z,12.5,d,z\n\
                    note,t,2026-01-01T00:00:00Z,\"two\nlines\",,z\nnote,t,2026-01-01T00:00:00Z,,d,z\n";
        let values = values_of(text).unwrap();
        let told: Vec<_> = values.iter().map(|item| (item.line, item.device.as_deref(), item.value.clone())).collect();
        assert_eq!(
            told,
            [
                (Some(2), Some("d"), Value::from("12.5")),
                (Some(3), None, Value::from("two\nlines")),
                (Some(5), Some("d"), Value::Null)
            ]
        );
        assert!(values.iter().all(|item| item.zone.as_deref() == Some("z") && item.province.is_none()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line() {
        let header = "table,zone,device,time,field,value\n";
        for (text, words) in [
            ("table,zone,device,time,field\n".to_owned(), "the column value is missing"),
            (format!("{}x,\n", header.trim_end()), "no column \"valuex\""),
            (header.to_owned(), "no value in it"),
            (format!("{header}t,z,d,,f,1\n"), "line 2: time is empty"),
            (format!("{header}t,z,d,now,f,1\nt,z\n"), "line: 3"),
        ] {
            let error = values_of(&text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
