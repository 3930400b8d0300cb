//! The draft as text. It can be read as a mapping as it stands; what a person has to look at is said in comments.

use std::collections::BTreeSet;
use std::fmt::Write;

use zonelake_schemas::TableDef;

use super::head::Head;
use super::sample::Sample;
use super::times::Times;
use crate::error::PushError;
use crate::mapping::time::MappingError;
use crate::source::open::{OpenSource, PushFormat, PushInput};

/// Drafts a mapping of a text or an Excel sheet to a table.
///
/// # Errors
/// [`PushError`] where the source cannot be read, or is of a form that needs no draft.
pub fn suggest(input: &PushInput, table: &TableDef) -> Result<String, PushError> {
    let source = OpenSource::open(input)?;
    if !matches!(source.format, PushFormat::Csv | PushFormat::Excel) {
        let error =
            MappingError::Invalid("a draft is made from text and Excel; this form names its columns itself".into());
        return Err(PushError::from_mapping(&source.name, error));
    }
    let sample = Sample::of(&source)?;
    let head = Head::of(&sample);
    let draft = Draft { sample: &sample, head: &head, table, times: Times::of(&head) };
    Ok(draft.text(&source.name))
}

struct Draft<'a> {
    sample: &'a Sample,
    head: &'a Head,
    table: &'a TableDef,
    times: Option<Times>,
}

impl Draft<'_> {
    fn text(&self, file: &str) -> String {
        let (head, sample) = (self.head, self.sample);
        let mut text =
            format!("# Drafted from {file}. Check it with zonelake push --dry-run.\n\ntable = {:?}\n", self.table.name);
        let mut line = |words: String| text.push_str(&(words + "\n"));
        if let Some(encoding) = sample.encoding {
            line(format!("encoding = {:?}", encoding.name().to_lowercase()));
        }
        if sample.delimiter != "," && !sample.is_sheet {
            line(format!("delimiter = {:?}", sample.delimiter));
        }
        if sample.has_comments {
            line("comment = \"#\"".into());
        }
        if head.skip_lines > 0 {
            line(format!("skip_lines = {}", head.skip_lines));
        }
        if head.units_row {
            line("units_row = true".into());
        }
        if head.skip_rows > 0 {
            line(format!("skip_rows = {}", head.skip_rows));
        }
        if !head.has_names {
            line(format!("header = {:?}", head.names));
        }
        let all = || (0..head.names.len()).flat_map(|column| head.cells(column));
        if !sample.is_sheet
            && sample.delimiter != ","
            && all().any(|cell| is_number(cell, ','))
            && !all().any(|cell| is_number(cell, '.'))
        {
            line("decimal_comma = true".into());
        }
        if all().any(|cell| cell.starts_with('<')) {
            line("below_detection = \"half\"   # or limit, zero, null".into());
        }
        if all().any(|cell| cell.parse() == Ok(-9_999.0)) {
            line("sentinels = [-9999]".into());
        }
        let nulls: BTreeSet<&str> = all().filter(|cell| NULLS.contains(cell)).collect();
        if !nulls.is_empty() {
            line(format!("nulls = {:?}", std::iter::once("").chain(nulls).collect::<Vec<_>>()));
        }
        self.columns(&mut text);
        text
    }

    fn columns(&self, text: &mut String) {
        let names = &self.head.names;
        let named = |words: &[&str]| names.iter().position(|name| words.iter().any(|word| simple(name) == *word));
        let times: &[usize] = self.times.as_ref().map_or(&[], |times| &times.columns);
        let device = named(DEVICES).filter(|column| !times.contains(column));
        let long = named(PARAMETERS).zip(named(VALUES));
        let mut used: BTreeSet<usize> = times.iter().copied().chain(device).collect();
        let mut fields = String::new();
        let mut taken = BTreeSet::new();
        let mut map = |name: &str| {
            let field = self.field(name).filter(|field| taken.insert(field.to_string()))?;
            writeln!(fields, "{name:?} = {field:?}").ok()
        };
        let mut ignored: Vec<&String> = Vec::new();
        if let Some((parameter, value)) = long {
            used.extend([parameter, value]);
            used.extend(named(UNITS));
            let parameters: BTreeSet<&str> = self.head.cells(parameter).collect();
            for name in parameters {
                if map(name).is_none() {
                    writeln!(
                        text,
                        "# Parameter {name:?} is no field of the table: map it below, or list it in ignore."
                    )
                    .unwrap_or_default();
                }
            }
        } else {
            for (_, name) in names.iter().enumerate().filter(|(column, _)| !used.contains(column)) {
                match map(name) {
                    Some(()) => {}
                    None => ignored.push(name),
                }
            }
        }
        if !ignored.is_empty() {
            text.push_str(&format!("# These are no fields of the table by their names; map those that are under columns.\nignore = {ignored:?}\n"));
        }
        if let Some((parameter, value)) = long {
            text.push_str(&format!("\n[long]\nparameter = {:?}\nvalue = {:?}\n", names[parameter], names[value]));
            text.push_str(&named(UNITS).map(|unit| format!("unit = {:?}\n", names[unit])).unwrap_or_default());
        }
        match device {
            Some(column) => text.push_str(&format!("\n[device]\ncolumn = {:?}\n", names[column])),
            None => text.push_str("\n[device]\nfile_name = true   # or column, constant, file_part\n"),
        }
        match &self.times {
            Some(times) => {
                let columns: Vec<&String> = times.columns.iter().map(|column| &names[*column]).collect();
                text.push_str(&format!("\n[time]\ncolumns = {columns:?}\n{}\n", times.form));
                if times.needs_zone {
                    text.push_str("zone = \"Asia/Ho_Chi_Minh\"   # the zone of the logger's clock\n");
                }
            }
            None => text.push_str("\n[time]\n# No column reads as a time: name it, with its format and zone, or its epoch.\ncolumns = [\"time\"]\n"),
        }
        text.push_str(&format!("\n[columns]\n{fields}"));
    }

    /// The field that a column is by its name.
    fn field(&self, column: &str) -> Option<&str> {
        let name = simple(column);
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, field)| simple(field));
        let own = |wanted: &str| self.table.fields.iter().find(|field| simple(&field.name) == wanted);
        own(&name).or_else(|| own(&alias?)).map(|field| field.name.as_str())
    }
}

/// Letters and digits alone, in lower case, without a unit in brackets.
fn simple(name: &str) -> String {
    let name = name.split(['(', '[']).next().unwrap_or_default();
    name.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// True for a number with decimals behind this sign.
fn is_number(cell: &str, sign: char) -> bool {
    cell.split_once(sign).is_some_and(|(whole, decimals)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(whole.trim_start_matches('-')) && digits(decimals)
    })
}

const NULLS: [&str; 9] = ["NA", "NAN", "NaN", "N/A", "null", "NULL", "ND", "-", "--"];
const DEVICES: &[&str] =
    &["device", "station", "stationid", "stationname", "sensor", "sensorid", "meter", "logger", "trạm"];
const PARAMETERS: &[&str] = &["parameter", "symbol", "field", "item", "variable", "thôngsố", "chỉtiêu"];
const VALUES: &[&str] = &["value", "result", "giátrị"];
const UNITS: &[&str] = &["unit", "units", "đơnvị"];
/// Names that loggers have for fields, in their simple form.
const ALIASES: [(&str, &str); 20] = [
    ("temp", "temperature"),
    ("airt", "temperature"),
    ("nhiệtđộ", "temperature"),
    ("rh", "humidity"),
    ("hum", "humidity"),
    ("độẩm", "humidity"),
    ("bp", "pressure"),
    ("pres", "pressure"),
    ("dewp", "dew_point"),
    ("wspm", "wind_speed"),
    ("ws", "wind_speed"),
    ("wd", "wind_sector"),
    ("wdir", "wind_direction"),
    ("bod", "bod5"),
    ("nh4", "nh4_n"),
    ("tn", "total_n"),
    ("tp", "total_p"),
    ("usagekwh", "active_energy"),
    ("do", "dissolved_oxygen"),
    ("flowrate", "flow"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry_run::dry_run;
    use crate::mapping::declaration::Mapping;
    use crate::mapping::time::Epoch;

    fn drafted(name: &str, content: &[u8], table: &str) -> (String, crate::DryRun) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let input = PushInput::File { path, format: None };
        let table = zonelake_schemas::tables::builtin_tables().into_iter().find(|own| own.name == table).unwrap();
        let text = suggest(&input, &table).unwrap();
        let mapping = Mapping::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let run = dry_run(&input, &mapping, Epoch::Ns, &table).unwrap_or_else(|error| panic!("{error}\n{text}"));
        (text, run)
    }

    #[test]
    fn a_draft_reads_the_file_that_it_was_made_from() {
        let toa5 = "\"TOA5\",\"CR1000\"\n\"TIMESTAMP\",\"RECORD\",\"AirT\",\"BP\"\n\"TS\",\"RN\",\"degC\",\"hPa\"\n\"\",\"\",\"Avg\",\"Smp\"\n\"2026-01-31 23:50:00\",1,25.5,1013\n\"2026-01-31 24:00:00\",2,\"NAN\",1012\n";
        let (text, run) = drafted("a.dat", toa5.as_bytes(), "environment");
        assert_eq!((run.rows, run.readings, run.bad_rows), (2, 3, 0), "{text}");
        for words in ["skip_lines = 1", "units_row = true", "skip_rows = 1", "\"AirT\" = \"temperature\"", "\"RECORD\""]
        {
            assert!(text.contains(words), "{words} in {text}");
        }

        let german = "# logger 7\nStation;Datum;Uhrzeit;PM2.5 (µg/m³);O3\nA;31.01.2026;10:00;12,5;<0,5\nA;31.01.2026;10:10;13,5;1,5\n";
        let utf16: Vec<u8> = german.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (text, run) = drafted("b.csv", &utf16, "environment");
        assert_eq!((run.rows, run.readings, run.bad_cells), (2, 4, 0), "{text}");
        for words in [
            "encoding = \"utf-16le\"",
            "decimal_comma = true",
            "column = \"Station\"",
            "%d.%m.%Y %H:%M",
            "below_detection",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }

        let long = "time,station,parameter,value,unit\n1767225600,A,PM10,7,mg/m3\n1767225600,A,CO,NA,mg/m3\n";
        let (text, run) = drafted("c.csv", long.as_bytes(), "environment");
        assert_eq!((run.rows, run.readings), (1, 1), "{text}");
        assert!(text.contains("epoch = \"s\"") && text.contains("[long]"), "{text}");
    }

    #[test]
    fn drafts_of_the_recordings_find_their_times() {
        let Some(folder) = crate::recordings::recordings() else { return };
        for (file, table, words) in [
            ("air/Dongsi.csv", "environment", "%Y %m %d %H"),
            ("energy/steel_plant.csv", "energy", "%d/%m/%Y %H:%M"),
            ("production/pump_normal.csv", "production", "%Y-%m-%d %H:%M:%S"),
            ("network/static_1.csv", "network", "%Y.%m.%d_%H.%M.%S"),
        ] {
            let content = std::fs::read(folder.join(file)).unwrap();
            let (text, run) = drafted("a.csv", &content, table);
            assert!(text.contains(words) && run.rows > 1_000 && run.bad_rows == 0, "{file}: {text}");
        }
    }
}
