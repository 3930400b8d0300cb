//! The recordings as other programs would have written them: in other encodings, with other signs, in long form, as an Excel sheet, as files
//! of Circular 10/2021. Each gives the rows of the plain file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tempfile::TempDir;

use crate::columns::position::Position;
use crate::mapping::declaration::Mapping;
use crate::mapping::parts::LongMapping;
use crate::recordings::{
    AIR, ENERGY, ENVIRONMENT, NETWORK, NETWORK_TABLE, PRODUCTION, PUMP, STEEL_PLANT, pieces, recordings, rows,
};
use crate::source::record::{Delimiter, Record};
use crate::source::zip::archive;

/// A recording: its head, and its first rows.
struct Recording {
    path: PathBuf,
    mapping: Mapping,
    table: &'static str,
    delimiter: char,
    lines: Vec<Vec<String>>,
}

/// Rows of each recording that are taken: enough for several batches of [`BATCH_ROWS`].
const ROWS: usize = 400;
const BATCH_ROWS: usize = 128;

fn all() -> Vec<Recording> {
    let Some(folder) = recordings() else { return Vec::new() };
    let mut all = Vec::new();
    for (kind, mapping, table, delimiter) in [
        ("air", AIR, ENVIRONMENT, ','),
        ("energy", STEEL_PLANT, ENERGY, ','),
        ("production", PUMP, PRODUCTION, ';'),
        ("network", NETWORK, NETWORK_TABLE, ','),
    ] {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder.join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let split = |line: &str| {
                let mut record = Record::default();
                record.begin(1);
                record.split(line.as_bytes(), Delimiter::Byte(delimiter as u8)).unwrap();
                record.texts().map(std::borrow::Cow::into_owned).collect()
            };
            let lines = text.trim_start_matches('\u{FEFF}').lines().take(ROWS + 1).map(split).collect();
            let mapping = Mapping { batch_rows: Some(BATCH_ROWS), ..Mapping::from_toml(mapping).unwrap() };
            all.push(Recording { path, mapping, table, delimiter, lines });
        }
    }
    assert_eq!(all.len(), 6 + 1 + 9 + 5, "the recordings are whole");
    all
}

impl Recording {
    /// The text of lines of cells, with quotes where a cell needs them.
    fn text(&self, lines: &[Vec<String>], delimiter: char, end: &str) -> String {
        let cell = |cell: &String| match cell.contains([delimiter, '"']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |line: &Vec<String>| line.iter().map(cell).collect::<Vec<_>>().join(&delimiter.to_string()) + end;
        lines.iter().map(line).collect()
    }

    /// The rows that a content gives, under the name of the recording.
    fn rows(&self, name: &str, content: &[u8], mapping: &Mapping) -> RecordBatch {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let pushed =
            pieces(&path, mapping, self.table, false).unwrap_or_else(|error| panic!("{:?}: {error}", self.path));
        rows(&pushed.batches)
    }

    fn plain(&self) -> RecordBatch {
        self.rows(&self.name("csv"), self.text(&self.lines, self.delimiter, "\n").as_bytes(), &self.mapping)
    }

    fn name(&self, extension: &str) -> String {
        format!("{}.{extension}", self.path.file_stem().unwrap().to_str().unwrap())
    }

    fn check(&self, disguised: &RecordBatch) {
        assert_same(&self.path, &self.plain(), disguised);
    }
}

/// The same columns with the same values, in any order of columns.
fn assert_same(path: &Path, plain: &RecordBatch, disguised: &RecordBatch) {
    assert_eq!(plain.num_rows(), disguised.num_rows(), "{path:?}");
    for (field, column) in plain.schema().fields().iter().zip(plain.columns()) {
        let other = disguised.column_by_name(field.name());
        let Some(other) = other else {
            assert_eq!(column.null_count(), column.len(), "{path:?}: {} is not there", field.name());
            continue;
        };
        assert_eq!(&texts(column), &texts(other), "{path:?}: {}", field.name());
    }
}

fn texts(column: &ArrayRef) -> ArrayRef {
    if matches!(column.data_type(), DataType::Dictionary(..)) {
        cast(column, &DataType::Utf8).unwrap()
    } else {
        column.clone()
    }
}

#[test]
fn other_line_ends_and_encodings_give_the_same_rows() {
    for recording in all() {
        let crlf = recording.text(&recording.lines, recording.delimiter, "\r\n");
        recording.check(&recording.rows(&recording.name("csv"), crlf.as_bytes(), &recording.mapping));
        let utf16: Vec<u8> = "\u{FEFF}".encode_utf16().chain(crlf.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        recording.check(&recording.rows(&recording.name("txt"), &utf16, &recording.mapping));
        let named = Mapping { encoding: Some("utf-16le".into()), ..recording.mapping.clone() };
        recording.check(&recording.rows(&recording.name("txt"), &utf16[2..], &named));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, crlf.as_bytes()).unwrap();
        recording.check(&recording.rows(&recording.name("csv.gz"), &gzip.finish().unwrap(), &recording.mapping));
        let zstd = zstd::encode_all(crlf.as_bytes(), 1).unwrap();
        recording.check(&recording.rows(&recording.name("csv.zst"), &zstd, &recording.mapping));
    }
}

#[test]
fn semicolons_decimal_commas_trailing_separators_and_comments_give_the_same_rows() {
    for recording in all() {
        let is_number = |cell: &str| cell.parse::<f64>().is_ok();
        let comma = |line: &Vec<String>| {
            let cells = line.iter().map(|cell| if is_number(cell) { cell.replace('.', ",") } else { cell.clone() });
            cells.chain([String::new()]).collect()
        };
        let mut lines: Vec<Vec<String>> = recording.lines.iter().map(comma).collect();
        lines[0].clone_from(&recording.lines[0]);
        let text = recording.text(&lines, ';', "\r\n");
        let text = format!("Station report\r\n# made by a logger\r\n{text};;;\r\n\r\n");
        let mapping = Mapping {
            delimiter: Some(";".into()),
            decimal_comma: true,
            skip_lines: 1,
            comment: Some("#".into()),
            ..recording.mapping.clone()
        };
        recording.check(&recording.rows(&recording.name("csv"), text.as_bytes(), &mapping));
    }
}

#[test]
fn columns_in_another_order_give_the_same_rows() {
    for recording in all() {
        let lines: Vec<Vec<String>> = recording.lines.iter().map(|line| line.iter().rev().cloned().collect()).collect();
        let text = recording.text(&lines, '\t', "\n");
        let mapping = Mapping { delimiter: Some("tab".into()), ..recording.mapping.clone() };
        recording.check(&recording.rows(&recording.name("tsv"), text.as_bytes(), &mapping));
    }
}

#[test]
fn the_long_form_gives_the_readings_of_the_wide_one() {
    for recording in all() {
        let mapping = &recording.mapping;
        let head = &recording.lines[0];
        let is_key =
            |name: &String| mapping.device.column.as_ref() == Some(name) || mapping.time.columns.contains(name);
        let keys: Vec<usize> = (0..head.len()).filter(|index| is_key(&head[*index])).collect();
        let measured: Vec<usize> =
            (0..head.len()).filter(|index| mapping.columns.contains_key(&head[*index])).collect();
        let mut lines =
            vec![keys.iter().map(|index| head[*index].clone()).chain(["what".into(), "value".into()]).collect()];
        // All of one parameter, then all of the next: rows that belong together stand far apart.
        for parameter in &measured {
            for line in &recording.lines[1..] {
                let key = keys.iter().map(|index| line[*index].clone());
                lines.push(key.chain([head[*parameter].clone(), line[*parameter].clone()]).collect());
            }
        }
        let text = recording.text(&lines, ',', "\n");
        let long = LongMapping { parameter: "what".into(), value: "value".into(), unit: None };
        let mapping = Mapping { delimiter: None, long: Some(long), ..mapping.clone() };
        recording.check(&recording.rows(&recording.name("csv"), text.as_bytes(), &mapping));
    }
}

/// A sheet with numbers as numbers, and as shared texts what a number would not give back, such as 53E22 in a column of texts.
fn workbook(lines: &[Vec<String>]) -> Vec<u8> {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let (mut shared, mut sheet) = (String::new(), String::new());
    let mut texts = 0;
    for (row, line) in lines.iter().enumerate() {
        write!(sheet, "<row r=\"{}\">", row + 1).unwrap();
        for (column, cell) in line.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let letter = char::from(b'A' + u8::try_from(column % 26).unwrap());
            let prefix = if column < 26 { "" } else { "A" };
            let place = format!("{prefix}{letter}{}", row + 1);
            if cell.parse::<f64>().is_ok_and(|number| number.to_string() == *cell) {
                write!(sheet, "<c r=\"{place}\"><v>{cell}</v></c>").unwrap();
            } else {
                write!(sheet, "<c r=\"{place}\" t=\"s\"><v>{texts}</v></c>").unwrap();
                write!(shared, "<si><t xml:space=\"preserve\">{}</t></si>", escaped(cell)).unwrap();
                texts += 1;
            }
        }
        sheet.push_str("</row>");
    }
    workbook_of(&sheet, &shared, "")
}

fn workbook_of(rows: &str, shared: &str, styles: &str) -> Vec<u8> {
    let sheet = format!("<?xml version=\"1.0\"?><worksheet><sheetData>{rows}</sheetData></worksheet>");
    archive(&[
        (
            "xl/workbook.xml",
            b"<workbook xmlns:r=\"x\"><workbookPr/><sheets><sheet name=\"D&#7919; li&#7879;u\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            b"<Relationships><Relationship Id=\"rId1\" Target=\"worksheets/sheet1.xml\"/></Relationships>",
        ),
        ("xl/sharedStrings.xml", format!("<sst>{shared}</sst>").as_bytes()),
        ("xl/styles.xml", format!("<styleSheet>{styles}</styleSheet>").as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

#[test]
fn an_excel_sheet_gives_the_same_rows() {
    for recording in all() {
        let mapping = Mapping { sheet: Some("Dữ liệu".into()), ..recording.mapping.clone() };
        recording.check(&recording.rows(&recording.name("xlsx"), &workbook(&recording.lines), &mapping));
    }
}

#[test]
fn dates_of_an_excel_sheet_are_in_the_form_of_the_mapping_or_counted() {
    let styles = "<numFmts><numFmt numFmtId=\"164\" formatCode=\"dd/mm/yyyy hh:mm\"/></numFmts><cellStyleXfs><xf numFmtId=\"0\"/></cellStyleXfs><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/></cellXfs>";
    let rows = "<row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>when</t></is></c><c r=\"B3\" t=\"str\"><v>E</v></c></row>\
                <row r=\"4\"><c r=\"A4\" s=\"1\"><v>46053.5104166667</v></c><c r=\"B4\"><v>0.1</v></c></row>\
                <row r=\"5\"/><row r=\"6\"><c r=\"A6\" s=\"1\"><v>oops</v></c></row>";
    let toml = |time: &str| {
        format!(
            "table = \"energy\"\nskip_lines = 2\n[device]\nconstant = \"m\"\n[time]\ncolumns = [\"when\"]\nzone = \"+07:00\"\n{time}\n[columns]\nE = \"active_energy\""
        )
    };
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.xlsx");
    let good = rows.split("<row r=\"5\"/>").next().unwrap();
    std::fs::write(&path, workbook_of(good, "", styles)).unwrap();
    for time in ["format = \"%d/%m/%Y %H:%M\"", "format = \"%Y-%m-%d %H:%M:%S\"", "serial = \"excel\""] {
        let pushed = pieces(&path, &Mapping::from_toml(&toml(time)).unwrap(), ENERGY, false).unwrap();
        let rows = crate::recordings::rows(&pushed.batches);
        let times = rows.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        // 12:15 in the zone is 05:15 UTC.
        assert_eq!(times.value(0), 1_769_836_500_000_000, "{time}");
    }
    std::fs::write(&path, workbook_of(rows, "", styles)).unwrap();
    let error = pieces(&path, &Mapping::from_toml(&toml("serial = \"excel\"")).unwrap(), ENERGY, false).err().unwrap();
    assert!(error.to_string().contains("row 6"), "{error}");
}

#[test]
fn files_of_circular_10_give_the_readings_of_their_station() {
    let mapping = Mapping::from_toml(include_str!("../../mappings/circular_10_air.toml")).unwrap();
    let Some(recording) = all().into_iter().next() else { return };
    let head = &recording.lines[0];
    let plain = recording.plain();
    let symbols = [("PM2.5", "PM2,5", "pm2_5"), ("PM10", "PM10", "pm10"), ("NO2", "NO2", "no2"), ("O3", "O3", "o3")];
    for (row, line) in recording.lines[1..60].iter().enumerate() {
        let at = |name: &str| line[head.iter().position(|own| own == name).unwrap()].as_str();
        let [year, month, day, hour] = ["year", "month", "day", "hour"].map(|name| at(name).parse::<u32>().unwrap());
        let stamp = format!("{year:04}{month:02}{day:02}{hour:02}0000");
        let measured = symbols.iter().filter(|(name, ..)| at(name) != "NA");
        let text: String =
            measured.map(|(name, symbol, _)| format!("{symbol}\t{}\tug/m3\t{stamp}\t00\r\n", at(name))).collect();
        let read = recording.rows(&format!("HaTinh_Formosa_Aotizhongxin_{stamp}.txt"), text.as_bytes(), &mapping);
        assert_eq!(read.num_rows(), 1);
        assert_eq!(
            read.column_by_name("device").unwrap().as_any_dictionary().values().as_string::<i32>().value(0),
            "Aotizhongxin"
        );
        for (_, _, field) in symbols {
            let expected = plain.column_by_name(field).unwrap().slice(row, 1);
            match read.column_by_name(field) {
                Some(column) => assert_eq!(column, &expected, "{stamp} {field}"),
                None => assert_eq!(expected.null_count(), 1, "{stamp} {field}"),
            }
        }
    }
}

fn push(name: &str, content: &str, mapping: &str, table: &str) -> Result<(RecordBatch, Vec<crate::BadRow>), String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let mapping = Mapping::from_toml(mapping).unwrap();
    let pushed = pieces(&path, &mapping, table, true).map_err(|error| error.to_string())?;
    Ok((rows(&pushed.batches), pushed.bad))
}

/// A logger's file with a head of four lines, and the same head again where it was restarted.
#[test]
fn a_head_of_several_lines_is_read_with_its_units_and_may_stand_there_again() {
    let head = "\"TOA5\",\"CR1000\"\n\"TIMESTAMP\",\"RECORD\",\"AirT\",\"BP\"\n\"TS\",\"RN\",\"degF\",\"kPa\"\n\"\",\"\",\"Avg\",\"Smp\"\n";
    let again = head.split_once('\n').unwrap().1;
    let text = format!("{head}\"2026-01-31 24:00:00\",1,77,101.325\n{again}\"2026-02-01 00:10:00\",2,\"NAN\",100\n");
    let mapping = "table = \"environment\"\nskip_lines = 1\nunits_row = true\nskip_rows = 1\nnulls = [\"NAN\"]\nignore = [\"RECORD\"]\n\
                   [device]\nconstant = \"s\"\n[time]\ncolumns = [\"TIMESTAMP\"]\nformat = \"%Y-%m-%d %H:%M:%S\"\nzone = \"+07:00\"\n\
                   [columns]\nAirT = \"temperature\"\nBP = \"pressure\"";
    let (rows, bad) = push("a.dat", &text, mapping, ENVIRONMENT).unwrap();
    assert_eq!(bad, []);
    let of = |name: &str| rows.column_by_name(name).unwrap().as_primitive::<arrow::datatypes::Float64Type>().clone();
    assert_eq!(of("temperature").iter().collect::<Vec<_>>(), [Some(25.0), None]);
    assert_eq!(of("pressure").iter().collect::<Vec<_>>(), [Some(1_013.25), Some(1_000.0)]);
    let error = push("a.dat", &text.replace("kPa", "furlong"), mapping, ENVIRONMENT).unwrap_err();
    assert!(error.contains("\"BP\"") && error.contains("furlong"), "{error}");
}

#[test]
fn flags_are_qualities_and_readings_that_are_none_leave_the_others_of_their_row() {
    let text = "t,flag,pm,o3\n2026-01-01T00:00:00Z,V,<0.5,1\n2026-01-01T00:01:00Z,M,ND,2\n2026-01-01T00:02:00Z,V,-9999,3\n2026-01-01T00:03:00Z,X,4,4\n2026-01-01T00:04:00Z,,5,5\n";
    let mapping = "table = \"environment\"\nsentinels = [-9999]\nquality = \"flag\"\n[quality_flags]\nV = \"good\"\nM = \"uncertain\"\n\"\" = \"good\"\n\
                   [device]\nconstant = \"s\"\n[time]\ncolumns = [\"t\"]\n[columns]\npm = \"pm2_5\"\no3 = \"o3\"";
    let (rows, bad) = push("a.csv", text, mapping, ENVIRONMENT).unwrap();
    assert_eq!(rows.num_rows(), 4, "a flag that is not known leaves its row out");
    let pm = rows.column_by_name("pm2_5").unwrap().as_string::<i32>();
    assert_eq!(pm.iter().collect::<Vec<_>>(), [Some("<0.5"), Some("ND"), None, Some("5.0")]);
    let quality = cast(rows.column_by_name("quality").unwrap(), &DataType::Utf8).unwrap();
    assert_eq!(quality.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["good", "uncertain", "good", "good"]);
    let told: Vec<_> = bad.iter().map(|bad| (bad.position, bad.column.as_str(), bad.field.as_deref())).collect();
    assert_eq!(
        told,
        [
            (Position::Line(2), "pm", Some("pm2_5")),
            (Position::Line(3), "pm", Some("pm2_5")),
            (Position::Line(5), "flag", None)
        ]
    );
}

#[test]
fn an_error_names_file_line_column_value_and_the_key_that_decides() {
    let mapping = "table = \"environment\"\n[device]\nconstant = \"s\"\n[time]\ncolumns = [\"t\"]\nepoch = \"ns\"\n[columns]\npm = \"pm2_5\"";
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.csv");
    for (content, words) in [
        ("t,pm\n1700000000,1\n", ["line 2", "column \"t\"", "\"1700000000\"", "time.epoch = \"s\""]),
        ("t,pm\n1700000000000000000,\"1,5\"\n", ["line 2", "column \"pm\"", "\"1,5\"", "decimal_comma"]),
        ("t,pm\n1700000000000000000,<1\n", ["line 2", "column \"pm\"", "\"<1\"", "below_detection"]),
        ("t,pm\n1700000000000000000,\"1\n", ["line 2", "\"1700000000000000000\"", "quote", "multi_line_cells"]),
        ("t,pm\n1700000000000000000\n", ["line 2", "1 columns", "header 2", "nothing of this file was sent"]),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = pieces(&path, &Mapping::from_toml(mapping).unwrap(), ENVIRONMENT, false).err().unwrap().to_string();
        for words in words.into_iter().chain(["a.csv"]) {
            assert!(error.contains(words), "{words} in {error}");
        }
    }
}
