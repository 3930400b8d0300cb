//! Mapping of the columns of a source to the columns of a table: a TOML file, or the same set by flags.
//!
//! ```toml
//! table = "environment"
//! nulls = ["", "NA"]              # texts that mean "not measured"
//! ignore = ["No"]                 # columns left out knowingly; or ignore_rest = true
//!
//! [device]                        # one of: column, constant, file_name = true
//! column = "station"
//!
//! [time]
//! columns = ["year", "month", "day", "hour"]   # joined by a space
//! format = "%Y %m %d %H"          # as strftime; or epoch = "s" | "ms" | "us" | "ns"
//! zone = "+08:00"                 # or an IANA zone
//!
//! [columns]
//! "PM2.5" = "pm2_5"
//! "flow" = { field = "flow", scale = 0.06 }
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::columns::instant::TimeReader;
use crate::time_mapping::{MappingError, TimeMapping};

/// Mapping of the columns of a source to the columns of a table. A column that is neither mapped nor ignored is an error,
/// so that nothing is lost unnoticed.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Table that the rows go to.
    pub table: String,
    /// CSV: one ASCII character between columns; default a comma. `"tab"` is one too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// CSV: names of the columns where the file has no header line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
    /// Texts that mean "not measured"; default the empty text alone. Compared without the blanks around them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Vec<String>>,
    /// Numbers have a comma before their decimals.
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub decimal_comma: bool,
    /// Device that measured a row.
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub device: DeviceMapping,
    /// Time at which it measured the row.
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub time: TimeMapping,
    /// Column with the quality; without one, rows are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
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
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub by_name: bool,
    /// Columns to leave out; the source need not have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// All columns that are not mapped are left out.
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub ignore_rest: bool,
    /// Rows of a batch; default 8,192. Fewer for rows so wide that a frame would be too long. Another number makes
    /// other batches, hence another producer: the same file would be stored again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<usize>,
}

/// Device that measured a row; exactly one of the three.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceMapping {
    /// The device named in this column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Always this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// The name of the file without its extension.
    #[serde(skip_serializing_if = "crate::time_mapping::is_default")]
    pub file_name: bool,
}

/// The field that a column becomes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ColumnMapping {
    /// The field, values as they are.
    Field(String),
    /// The field, with values converted.
    Scaled {
        /// The field.
        field: String,
        /// Factor of each value. For 0.1, 0.01 and so on the value is divided by 10, 100 and so on, which is exact
        /// where the result has that many decimals.
        scale: f64,
    },
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
        let ways = [device.column.is_some(), device.constant.is_some(), device.file_name];
        if self.table.is_empty() {
            return wrong("table is missing");
        }
        if ways.iter().filter(|way| **way).count() != 1 {
            return wrong("device needs exactly one of column, constant and file_name = true");
        }
        if self.time.epoch.is_some() && self.time.format.is_some() {
            return wrong("time has a format or an epoch, not both");
        }
        if self.time.epoch.is_some() && self.time.columns.len() > 1 {
            return wrong("time.epoch is read from one column");
        }
        if self.batch_rows == Some(0) {
            return wrong("batch_rows is 1 or more");
        }
        if let Some(unmapped) = self.optional.iter().find(|name| !self.columns.contains_key(*name)) {
            return Err(MappingError::Invalid(format!("column {unmapped:?} is optional, but it is not mapped")));
        }
        if self.columns.values().any(|column| !column.scale().is_normal()) {
            return wrong("a scale is a number other than 0");
        }
        self.delimiter_byte()?;
        TimeReader::new(&self.time).map(drop)
    }

    /// The byte between columns.
    pub(crate) fn delimiter_byte(&self) -> Result<u8, MappingError> {
        match self.delimiter.as_deref() {
            None => Ok(b','),
            Some("tab") => Ok(b'\t'),
            Some(one) if one.len() == 1 && one.is_ascii() && !one.contains(['"', '\n', '\r']) => Ok(one.as_bytes()[0]),
            Some(other) => Err(MappingError::Invalid(format!("delimiter {other:?} is not one ASCII character"))),
        }
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
        self.device.file_name || self.file_name_field.is_some()
    }

    /// A text that is the same for mappings that do the same, whatever the order or comments of their files.
    pub(crate) fn canonical(&self) -> String {
        toml::Value::try_from(self).expect("a mapping is text, numbers and tables").to_string()
    }
}

/// Rows of a batch where the mapping says nothing.
pub(crate) const BATCH_ROWS: usize = 8_192;

impl ColumnMapping {
    /// The field.
    pub fn field(&self) -> &str {
        match self {
            Self::Field(field) | Self::Scaled { field, .. } => field,
        }
    }

    /// The factor.
    pub fn scale(&self) -> f64 {
        match self {
            Self::Field(_) => 1.0,
            Self::Scaled { scale, .. } => *scale,
        }
    }
}

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
            (("format = \"%Y\"", "format = \"%Y\"\nepoch = \"s\""), "not both"),
            (("zone = \"UTC\"", ""), "time.zone"),
            (("0.001", "0.0"), "other than 0"),
            (("[device]", "optional = [\"NO2\"]\n[device]"), "\"NO2\" is optional"),
        ] {
            let mapping = Mapping::from_toml(&AIR.replace(change.0, change.1)).unwrap();
            let error = mapping.check().unwrap_err().to_string();
            assert!(error.contains(words), "{change:?}: {error}");
        }
        let unknown = Mapping::from_toml("tabel = \"x\"").unwrap_err().to_string();
        assert!(unknown.contains("unknown field `tabel`"), "{unknown}");
    }
}
