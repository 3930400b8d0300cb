//! Mapping of the columns of a source to the columns of a table: a TOML file, or the same set by flags. `docs/push.md` tells every
//! key with examples, and `gateway/mappings/schema.json` tells them to editors.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use zonelake_schemas::{Quality, QualityScale};

use crate::columns::instant::TimeReader;
use crate::columns::number::NumberForm;
use crate::mapping::parts::{Beyond, ColumnMapping, DeviceMapping, LongMapping, SameTimes};
use crate::mapping::time::{MappingError, TimeMapping, is_default};
use crate::source::encoding;
use crate::source::record::Delimiter;

/// Mapping of the columns of a source to the columns of a table. A column that is neither mapped nor ignored is an error,
/// so that nothing is lost unnoticed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Table that the rows go to.
    pub table: String,
    /// Text: its encoding, as the web names them; default UTF-8. A byte order mark in the file decides before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Text: one ASCII character between columns; default a comma. `"tab"` is one too, and `"blanks"` any number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Text: what a line begins with that is no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Text: a cell in quotes may go on in the next line.
    #[serde(skip_serializing_if = "is_default")]
    pub multi_line_cells: bool,
    /// Excel: the sheet, where the workbook has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Text and Excel: lines before the one with the names of the columns.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_lines: usize,
    /// Text and Excel: the row behind the names has units, from which values are converted to those of the table.
    #[serde(skip_serializing_if = "is_default")]
    pub units_row: bool,
    /// Text and Excel: rows behind the names and units that are no data.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_rows: usize,
    /// A row is one parameter, and not all of an instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<LongMapping>,
    /// Text and Excel: names of the columns where the file has no line with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
    /// Texts that mean "not measured"; default the empty text alone. Compared without the blanks around them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Vec<String>>,
    /// Numbers that mean "not measured", however they are written: -9999 is also -9999.0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<f64>,
    /// Numbers have a comma before their decimals.
    #[serde(skip_serializing_if = "is_default")]
    pub decimal_comma: bool,
    /// Character between groups of three digits: `","`, `"."`, `" "` or `"'"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<String>,
    /// Meaning of a value below the limit of detection, such as `<0.5`; default: it is no number.
    #[serde(skip_serializing_if = "is_default")]
    pub below_detection: Beyond,
    /// Meaning of a value above the range of measurement, such as `>600`; default: it is no number.
    #[serde(skip_serializing_if = "is_default")]
    pub above_range: Beyond,
    /// Device that measured a row.
    #[serde(skip_serializing_if = "is_default")]
    pub device: DeviceMapping,
    /// Time at which it measured the row.
    #[serde(skip_serializing_if = "is_default")]
    pub time: TimeMapping,
    /// Column with the quality; without one, rows are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// Scale of the codes in that column: `"opc_ua"`, `"opc_da"` or `"circular_10"`. Names need none, and codes only where their
    /// size does not say it; see docs/protocol.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_scale: Option<String>,
    /// Flags in that column, each with the name of the quality that it means. Then each flag must be among them; `""` is the empty one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quality_flags: BTreeMap<String, String>,
    /// Columns by their names in the source, with the field that each becomes. `province`, `zone` and `site` can be
    /// named too: the server checks them against its registry.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnMapping>,
    /// Columns among those of `columns` that a source may lack: their fields are null then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// Text field that takes the name of the file without its extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name_field: Option<String>,
    /// Columns that have the name of a field, or of a location, become it without being listed.
    #[serde(skip_serializing_if = "is_default")]
    pub by_name: bool,
    /// Columns to leave out; the source need not have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// All columns that are not mapped are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_rest: bool,
    /// What becomes of a source that the ledger does not know and of which the table has rows of the same devices and times.
    #[serde(skip_serializing_if = "is_default")]
    pub same_times: SameTimes,
    /// Rows of a batch; default 8,192. Fewer for rows so wide that a frame would be too long. Another number makes
    /// other batches, hence another producer: the same file would be stored again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<usize>,
}

impl Mapping {
    /// Columns by the names that the table has: `time` (RFC 3339 in text), `device`, and fields.
    pub fn by_name(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            device: DeviceMapping { column: Some("device".into()), ..DeviceMapping::default() },
            by_name: true,
            ..Self::default()
        }
    }

    /// Reads a mapping; call [`Mapping::check`] when flags have been added.
    ///
    /// # Errors
    /// [`MappingError::Invalid`] with place and words.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        toml::from_str(text).map_err(|error| MappingError::Invalid(error.to_string()))
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`MappingError`] with the file's name.
    pub fn from_file(path: &Path) -> Result<Self, MappingError> {
        let wrong = |reason: String| MappingError::File { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| wrong(error.to_string()))
    }

    /// Checks that it is whole.
    ///
    /// # Errors
    /// [`MappingError::Invalid`] with what is missing or contradicts.
    pub fn check(&self) -> Result<(), MappingError> {
        let wrong = |what: &str| Err(MappingError::Invalid(what.into()));
        let device = &self.device;
        let ways = [device.column.is_some(), device.constant.is_some(), device.file_name, device.file_part.is_some()];
        if self.table.is_empty() {
            return wrong("table is missing");
        }
        if ways.iter().filter(|way| **way).count() != 1 {
            return wrong("device needs exactly one of column, constant, file_name = true and file_part");
        }
        if device.file_part == Some(0) {
            return wrong("device.file_part counts from 1, and from the end with -1");
        }
        self.check_time()?;
        if self.batch_rows == Some(0) {
            return wrong("batch_rows is 1 or more");
        }
        if let Some(unmapped) = self.optional.iter().find(|name| !self.columns.contains_key(*name)) {
            return Err(MappingError::Invalid(format!("column {unmapped:?} is optional, but it is not mapped")));
        }
        for (name, column) in &self.columns {
            column.check(name)?;
        }
        if self.quality_scale.is_some() && self.quality.is_none() {
            return wrong("quality_scale goes with quality");
        }
        self.check_flags()?;
        self.scale_of_quality()?;
        self.delimiter()?;
        self.text_encoding()?;
        self.number_form()?;
        TimeReader::new(&self.time).map(drop)
    }

    fn check_time(&self) -> Result<(), MappingError> {
        let wrong = |what: &str| Err(MappingError::Invalid(what.into()));
        let time = &self.time;
        if [time.epoch.is_some(), time.serial.is_some(), time.format.is_some()].iter().filter(|is| **is).count() > 1 {
            return wrong("time has one of format, epoch and serial, not two");
        }
        if time.is_count() && time.columns.len() > 1 {
            return wrong("time.epoch and time.serial are read from one column");
        }
        Ok(())
    }

    fn check_flags(&self) -> Result<(), MappingError> {
        if !self.quality_flags.is_empty() && self.quality.is_none() {
            return Err(MappingError::Invalid("quality_flags goes with quality".into()));
        }
        let unknown = self.quality_flags.iter().find(|(_, name)| Quality::from_name(name).is_none());
        let Some((flag, name)) = unknown else { return Ok(()) };
        let names: Vec<&str> = Quality::ALL.iter().map(|quality| quality.name()).collect();
        Err(MappingError::Invalid(format!(
            "quality_flags, {flag:?}: {name:?} is no quality; there are {}",
            names.join(", ")
        )))
    }

    /// The scale of the column of qualities.
    pub(crate) fn scale_of_quality(&self) -> Result<QualityScale, MappingError> {
        match self.quality_scale.as_deref() {
            None => Ok(QualityScale::Unstated),
            Some(name) => QualityScale::of_column(&format!("quality_{name}")).ok_or_else(|| {
                MappingError::Invalid(format!("quality_scale {name:?}: opc_ua, opc_da or circular_10 is possible"))
            }),
        }
    }

    /// The form of numbers.
    pub(crate) fn number_form(&self) -> Result<NumberForm, MappingError> {
        let beyond = (self.below_detection, self.above_range);
        NumberForm::new(self.decimal_comma, self.grouping.as_deref(), beyond, &self.sentinels)
    }

    /// What divides columns.
    pub(crate) fn delimiter(&self) -> Result<Delimiter, MappingError> {
        match self.delimiter.as_deref() {
            None => Ok(Delimiter::Byte(b',')),
            Some("tab") => Ok(Delimiter::Byte(b'\t')),
            Some("blanks") => Ok(Delimiter::Blanks),
            Some(one) if one.len() == 1 && one.is_ascii() && !one.contains(['"', '\n', '\r']) => {
                Ok(Delimiter::Byte(one.as_bytes()[0]))
            }
            Some(other) => Err(MappingError::Invalid(format!(
                "delimiter {other:?} is not one ASCII character, \"tab\" or \"blanks\""
            ))),
        }
    }

    /// The encoding of text without a byte order mark; `None` where the mapping says nothing.
    pub(crate) fn text_encoding(&self) -> Result<Option<&'static encoding_rs::Encoding>, MappingError> {
        self.encoding.as_deref().map(encoding::named).transpose()
    }

    /// True for a text that means "not measured".
    pub(crate) fn is_null(&self, text: &str) -> bool {
        match &self.nulls {
            Some(nulls) => nulls.iter().any(|null| null == text),
            None => text.is_empty(),
        }
    }

    /// Rows of a batch.
    pub(crate) fn rows_per_batch(&self) -> usize {
        self.batch_rows.unwrap_or(BATCH_ROWS)
    }

    /// The columns that the time is read from.
    pub(crate) fn time_columns(&self) -> Vec<&str> {
        if self.time.columns.is_empty() {
            return vec!["time"];
        }
        self.time.columns.iter().map(String::as_str).collect()
    }

    /// True where the rows depend on the file's name.
    pub(crate) fn takes_file_name(&self) -> bool {
        self.device.file_name || self.device.file_part.is_some() || self.file_name_field.is_some()
    }

    /// A text that is the same for mappings that do the same, whatever the order or comments of their files.
    pub(crate) fn canonical(&self) -> String {
        toml::Value::try_from(self).expect("a mapping is text, numbers and tables").to_string()
    }
}

/// Rows of a batch where the mapping says nothing.
pub(crate) const BATCH_ROWS: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    const AIR: &str = "table = \"environment\"\n[device]\ncolumn = \"station\"\n[time]\nformat = \"%Y\"\nzone = \"UTC\"\n[columns]\n\"PM2.5\" = \"pm2_5\"\nCO = { field = \"co\", scale = 0.001 }";

    #[test]
    fn a_mapping_reads_and_its_canonical_text_leaves_order_and_comments_out() {
        let mapping = Mapping::from_toml(AIR).unwrap();
        mapping.check().unwrap();
        assert_eq!(mapping.columns["CO"].scale(), 0.001);
        assert_eq!(mapping.columns["PM2.5"].field(), "pm2_5");
        let other = format!(
            "# a comment\n{}",
            AIR.replace("format = \"%Y\"\nzone = \"UTC\"", "zone = \"UTC\"\nformat = \"%Y\"")
        );
        assert_eq!(Mapping::from_toml(&other).unwrap().canonical(), mapping.canonical());
        let changed = AIR.replace("0.001", "0.01");
        assert_ne!(Mapping::from_toml(&changed).unwrap().canonical(), mapping.canonical());
    }

    #[test]
    fn a_mapping_that_is_not_whole_is_refused_with_the_reason() {
        for (change, words) in [
            (("table = \"environment\"", ""), "table is missing"),
            (("column = \"station\"", ""), "exactly one of"),
            (("column = \"station\"", "column = \"station\"\nconstant = \"x\""), "exactly one of"),
            (("format = \"%Y\"", "format = \"%Y\"\nepoch = \"s\""), "not two"),
            (("zone = \"UTC\"", ""), "time.zone"),
            (("0.001", "0.0"), "other than 0"),
            (("[device]", "optional = [\"NO2\"]\n[device]"), "\"NO2\" is optional"),
            (("[device]", "quality = \"q\"\nquality_scale = \"opc\"\n[device]"), "opc_da or circular_10 is possible"),
            (("[device]", "quality_scale = \"opc_da\"\n[device]"), "goes with quality"),
            (("[device]", "quality = \"q\"\n[quality_flags]\nV = \"fine\"\n[device]"), "\"fine\" is no quality"),
            (("[device]", "encoding = \"klingon\"\n[device]"), "encoding \"klingon\""),
            (("[device]", "grouping = \"_\"\n[device]"), "grouping"),
            (("[device]", "above_range = \"half\"\n[device]"), "above_range"),
            (("column = \"station\"", "file_part = 0"), "file_part counts from 1"),
            (("scale = 0.001", "unit = \"furlong\""), "unit \"furlong\""),
        ] {
            let mapping = Mapping::from_toml(&AIR.replace(change.0, change.1)).unwrap();
            let error = mapping.check().unwrap_err().to_string();
            assert!(error.contains(words), "{change:?}: {error}");
        }
        for (text, words) in [
            ("tabel = \"x\"", "unknown field `tabel`"),
            ("[columns]\nCO = { field = \"co\", factor = 2 }", "unknown field `factor`"),
            ("[columns]\nCO = { scale = 2 }", "missing field `field`"),
        ] {
            let error = Mapping::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    /// All keys with values other than their defaults.
    fn whole() -> Mapping {
        Mapping::from_toml(
            r#"
            table = "t"
            encoding = "utf-8"
            delimiter = ";"
            comment = "c"
            multi_line_cells = true
            sheet = "s"
            skip_lines = 1
            units_row = true
            skip_rows = 1
            header = ["h"]
            nulls = ["n"]
            sentinels = [1.0]
            decimal_comma = true
            grouping = "."
            below_detection = "half"
            above_range = "limit"
            quality = "q"
            quality_scale = "opc_da"
            optional = ["x"]
            file_name_field = "f"
            by_name = true
            same_times = "store"
            ignore = ["i"]
            ignore_rest = true
            batch_rows = 1
            long = { parameter = "p", value = "v", unit = "u" }
            device = { column = "c", constant = "c", file_name = true, file_part = 1 }
            quality_flags = { V = "good" }
            columns = { x = { field = "f", scale = 2.0, unit = "m" } }
            time = { columns = ["t"], format = "f", epoch = "s", serial = "excel", earliest = "e", zone = "z", midnight = "end_of_day", ambiguous = "later", skipped = "shift" }
            "#,
        )
        .unwrap()
    }

    #[test]
    fn the_schema_for_editors_and_the_manual_have_the_keys_of_a_mapping() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("../../../mappings/schema.json")).unwrap();
        let manual = include_str!("../../../../docs/push.md");
        let keys = |value: &serde_json::Value| -> std::collections::BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mapping = serde_json::to_value(whole()).unwrap();
        assert_eq!(keys(&schema["properties"]), keys(&mapping));
        for part in ["device", "time", "long"] {
            assert_eq!(keys(&schema["properties"][part]["properties"]), keys(&mapping[part]), "{part}");
            for key in keys(&mapping[part]) {
                assert!(
                    manual.contains(&format!("`{key}`")) || manual.contains(&format!("`{key} =")),
                    "{key} in docs/push.md"
                );
            }
        }
        let columns = &schema["properties"]["columns"]["additionalProperties"]["anyOf"][1]["properties"];
        assert_eq!(keys(columns), keys(&mapping["columns"]["x"]));
        for key in keys(&mapping) {
            assert!(
                manual.contains(&format!("`{key}`")) || manual.contains(&format!("[{key}]")),
                "{key} in docs/push.md"
            );
        }
    }
}
