//! Tables as they are declared: one TOML file a table, in `schemas/tables` and in the operator's settings folder.
//!
//! ```toml
//! name = "environment"
//! description = "Ambient air, waste water, stacks and noise."
//!
//! [[field]]
//! name = "pm2_5"
//! type = "double"       # double | bigint | boolean | text | timestamp
//! unit = "µg/m³"
//! min = 0.0             # optional, inclusive; numbers only
//! max = 10000.0
//! decimals = 2          # optional, double only: the sensor's resolution
//! digits = 9            # optional, with decimals: significant digits in all, 9 (the default) or 15
//! personal = "plate"    # optional: personal data, plate | person | position; rights show, hash or hide it
//! description = "Particles up to 2.5 µm."
//! ```
//!
//! `on_repeat = "last_wins"` beside the name says what becomes of rows that share province, zone, device and time, see [`OnRepeat`].
//! `rights_by = ["operator"]` lists the fields of text by whose values rights may choose rows.

use std::collections::HashSet;

use serde::Deserialize;

use crate::identity;
use crate::on_repeat::OnRepeat;
use crate::personal::Personal;
use crate::quality::QualityScale;

/// A table as its file declares it. Build one with [`TableDef::from_toml`], which checks it.
#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableDef {
    /// Lower-case SQL name, at most 63 bytes.
    pub name: String,
    /// Meaning of the rows.
    #[serde(default)]
    pub description: String,
    /// Fields of text by whose values rights may choose rows, beside province and zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights_by: Vec<String>,
    /// What becomes of rows that share province, zone, device and time.
    #[serde(default, skip_serializing_if = "OnRepeat::keeps_all")]
    pub on_repeat: OnRepeat,
    /// Fields that a device can measure, in the order that SQL shows.
    #[serde(rename = "field", default)]
    pub fields: Vec<FieldDef>,
}

/// One field of a table.
#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldDef {
    /// Lower-case SQL name, at most 63 bytes, not one of [`RESERVED`].
    pub name: String,
    /// Type of the values.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Unit, as the field writes it (UTF-8); empty where there is none.
    #[serde(default)]
    pub unit: String,
    /// Minimum of a reading, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Maximum of a reading, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Decimal places that the sensor resolves. Such a field is stored as a decimal and is a double in SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Significant digits of a field with decimals: 9 (stored in 32 bits) or 15 (stored in 64 bits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u8>,
    /// Kind of personal data, where the values are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Personal>,
    /// Meaning of the values.
    #[serde(default)]
    pub description: String,
}

/// The type of a field, named as SQL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// IEEE 754 binary64.
    Double,
    /// Signed 64-bit integer: counters, codes.
    Bigint,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    Text,
    /// An instant, UTC, microseconds.
    Timestamp,
}

/// Storage type of a field: the form of its values in memory, in the WAL and in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageType {
    /// As 64-bit floats, every bit as sent.
    Float64,
    /// As integers n of 32 bits that mean n / 10^decimals; at most 9 digits.
    Decimal32 {
        /// Decimal places.
        decimals: u8,
    },
    /// As integers n of 64 bits that mean n / 10^decimals; at most 15 digits, so that every one is exact as a double.
    Decimal64 {
        /// Decimal places.
        decimals: u8,
    },
    /// As 64-bit integers.
    Int64,
    /// As bits.
    Boolean,
    /// As UTF-8.
    Utf8,
    /// As microseconds since 1970, UTC.
    Timestamp,
}

/// Column names that every table has, which no field may take. Those of [`identity`], which files have, go beside them.
pub(crate) const RESERVED: [&str; 9] =
    ["date", "time", "ingested_at", "province", "zone", "site", "device", "quality", "backfill"];

/// Digits of a decimal that is stored in 32 bits.
pub const DIGITS_32: u8 = 9;
/// Digits of a decimal that is stored in 64 bits: the maximum that a double represents exactly.
pub const DIGITS_64: u8 = 15;
/// Fields that one table may have.
pub const FIELDS_MAX: usize = 1_000;
/// Bytes of a table's or field's name, as in PostgreSQL.
pub const NAME_BYTES_MAX: usize = 63;

/// Fault of a declaration. Each message names the table and field.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file is not TOML of this form.
    #[error("cannot read the declaration: {0}")]
    Toml(#[from] toml::de::Error),
    /// A name, range or resolution that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A change of a stored table that would misread what is stored.
    #[error(
        "table {table}, field {field}: {change}; stored values would be misread. Declare a field of a new name instead."
    )]
    Misread {
        /// Name of the table.
        table: String,
        /// Name of the field.
        field: String,
        /// Difference between the two.
        change: String,
    },
}

impl TableDef {
    /// Reads and checks one declaration.
    ///
    /// # Errors
    /// [`TableError::Toml`] and [`TableError::Invalid`].
    pub fn from_toml(text: &str) -> Result<Self, TableError> {
        let table: Self = toml::from_str(text)?;
        table.check()?;
        Ok(table)
    }

    /// The field of that name, with its position among the fields.
    pub fn field(&self, name: &str) -> Option<(usize, &FieldDef)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// This table with the fields of `more` behind its own. A field that both declare must be stored alike. What becomes of repeats is as
    /// `more` says, where it does.
    ///
    /// # Errors
    /// [`TableError::Misread`] for a field that is stored in another way, and [`TableError::Invalid`].
    pub fn extended_by(&self, more: &Self) -> Result<Self, TableError> {
        let mut table = self.clone();
        if !more.description.is_empty() {
            table.description.clone_from(&more.description);
        }
        for name in &more.rights_by {
            if !table.rights_by.contains(name) {
                table.rights_by.push(name.clone());
            }
        }
        if !more.on_repeat.keeps_all() {
            table.on_repeat = more.on_repeat;
        }
        for field in &more.fields {
            match table.fields.iter_mut().find(|own| own.name == field.name) {
                // Unit and storage type have to be the same; range and description may change.
                Some(own) => {
                    check_stored_alike(&self.name, own, field)?;
                    // A declaration that does not speak of personal data must not uncover what is stored.
                    let personal = field.personal.or(own.personal);
                    *own = FieldDef { personal, ..field.clone() };
                }
                None => table.fields.push(field.clone()),
            }
        }
        table.check()?;
        Ok(table)
    }

    /// The stored table `self` as the new declaration `next` would have it: the stored fields in their stored order,
    /// then the new ones. What becomes of repeats is as `next` says: whoever registers it sees to the rows that are stored.
    ///
    /// # Errors
    /// [`TableError::Misread`] for a field that is removed, or stored in another way or unit; [`TableError::Invalid`].
    pub fn evolved_to(&self, next: &Self) -> Result<Self, TableError> {
        for field in &self.fields {
            if next.field(&field.name).is_none() {
                return Err(TableError::Misread {
                    table: self.name.clone(),
                    field: field.name.clone(),
                    change: "is stored but no longer declared".into(),
                });
            }
        }
        // The stored order stays, since rows in the WAL name fields by position.
        Ok(Self { on_repeat: next.on_repeat, ..self.extended_by(next)? })
    }

    fn check(&self) -> Result<(), TableError> {
        check_name("table", &self.name)?;
        if self.fields.is_empty() || self.fields.len() > FIELDS_MAX {
            return Err(TableError::Invalid(format!(
                "table {}: has {} fields; 1 to {FIELDS_MAX} are possible",
                self.name,
                self.fields.len()
            )));
        }
        let mut names = HashSet::new();
        for field in &self.fields {
            field.check(&self.name)?;
            // Columns are found by name, on the wire and in files.
            if !names.insert(&field.name) {
                return Err(TableError::Invalid(format!(
                    "table {}: field {} is declared twice",
                    self.name, field.name
                )));
            }
        }
        for name in &self.rights_by {
            if !self.field(name).is_some_and(|(_, field)| field.kind == FieldKind::Text && field.personal.is_none()) {
                return Err(TableError::Invalid(format!(
                    "table {}: rights_by names {name}, which is no field of text without personal data",
                    self.name
                )));
            }
        }
        Ok(())
    }
}

impl FieldDef {
    /// Storage type of the values.
    pub fn storage_type(&self) -> StorageType {
        match (self.kind, self.decimals) {
            (FieldKind::Double, None) => StorageType::Float64,
            (FieldKind::Double, Some(decimals)) if self.digits() == DIGITS_32 => StorageType::Decimal32 { decimals },
            (FieldKind::Double, Some(decimals)) => StorageType::Decimal64 { decimals },
            (FieldKind::Bigint, _) => StorageType::Int64,
            (FieldKind::Boolean, _) => StorageType::Boolean,
            (FieldKind::Text, _) => StorageType::Utf8,
            (FieldKind::Timestamp, _) => StorageType::Timestamp,
        }
    }

    fn digits(&self) -> u8 {
        self.digits.unwrap_or(DIGITS_32)
    }

    fn check(&self, table: &str) -> Result<(), TableError> {
        check_name("field", &self.name)?;
        // Each rule names table and field, since a message may be about one of many files.
        let wrong = |what: String| Err(TableError::Invalid(format!("table {table}, field {}: {what}", self.name)));
        let is_reserved = RESERVED.contains(&self.name.as_str()) || identity::COLUMNS.contains(&self.name.as_str());
        if is_reserved || QualityScale::of_column(&self.name).is_some() {
            return wrong("is a column that every table has already".into());
        }
        let is_number = matches!(self.kind, FieldKind::Double | FieldKind::Bigint);
        if (self.min.is_some() || self.max.is_some()) && !is_number {
            return wrong("min and max go with type double or bigint only".into());
        }
        if [self.min, self.max].into_iter().flatten().any(|bound| !bound.is_finite()) {
            return wrong("min and max must be finite".into());
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return wrong(format!("min {min} is above max {max}"));
        }
        let Some(decimals) = self.decimals else {
            return if self.digits.is_some() { wrong("digits goes with decimals only".into()) } else { Ok(()) };
        };
        if self.kind != FieldKind::Double {
            return wrong("decimals goes with type double only".into());
        }
        if ![DIGITS_32, DIGITS_64].contains(&self.digits()) {
            return wrong(format!("digits is {}; {DIGITS_32} or {DIGITS_64} are possible", self.digits()));
        }
        if decimals > self.digits() {
            return wrong(format!("decimals {decimals} is more than its {} digits", self.digits()));
        }
        // A range that does not fit would let in readings that the decimal cannot hold.
        let limit = 10f64.powi(i32::from(self.digits() - decimals));
        if [self.min, self.max].into_iter().flatten().any(|bound| bound.abs() >= limit) {
            return wrong(format!(
                "its range does not fit {} digits with {decimals} decimals; declare digits = {DIGITS_64}, fewer decimals, or a range within ±{limit}",
                self.digits()
            ));
        }
        Ok(())
    }
}

fn check_name(what: &str, name: &str) -> Result<(), TableError> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && goes_on && name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(TableError::Invalid(format!(
        "{what} name {name:?}: must be a to z, 0 to 9 and _, not begin with a digit, and have at most {NAME_BYTES_MAX} bytes"
    )))
}

fn check_stored_alike(table: &str, stored: &FieldDef, next: &FieldDef) -> Result<(), TableError> {
    let change = if stored.storage_type() != next.storage_type() {
        format!("is stored as {:?} and now declared as {:?}", stored.storage_type(), next.storage_type())
    } else if stored.unit != next.unit {
        format!("is stored in {:?} and now declared in {:?}", stored.unit, next.unit)
    } else {
        return Ok(());
    };
    Err(TableError::Misread { table: table.into(), field: stored.name.clone(), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(line: &str) -> Result<TableDef, TableError> {
        TableDef::from_toml(&format!("name = \"t\"\n[[field]]\nname = \"f\"\n{line}"))
    }

    #[test]
    fn resolution_decides_how_a_field_is_kept() {
        let stored = |line| field(line).unwrap().fields[0].storage_type();
        assert_eq!(stored("type = \"double\""), StorageType::Float64);
        assert_eq!(stored("type = \"double\"\ndecimals = 2"), StorageType::Decimal32 { decimals: 2 });
        assert_eq!(stored("type = \"double\"\ndecimals = 2\ndigits = 15"), StorageType::Decimal64 { decimals: 2 });
        assert_eq!(stored("type = \"bigint\""), StorageType::Int64);
    }

    #[test]
    fn a_declaration_that_cannot_be_is_refused_by_name() {
        for (line, words) in [
            ("type = \"double\"\nmin = 2.0\nmax = 1.0", "min 2 is above max 1"),
            ("type = \"text\"\nmin = 1.0", "min and max go with"),
            ("type = \"double\"\ndecimals = 2\nmax = 10000000.0", "does not fit 9 digits"),
            ("type = \"double\"\ndecimals = 10", "more than its 9 digits"),
            ("type = \"bigint\"\ndecimals = 1", "type double only"),
            ("type = \"double\"\ndigits = 9", "with decimals only"),
            ("type = \"double\"\ndecimal = 9", "unknown field `decimal`"),
        ] {
            let error = field(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
        for name in RESERVED.into_iter().chain(identity::COLUMNS) {
            let declared = format!("name = \"t\"\n[[field]]\nname = \"{name}\"\ntype = \"double\"");
            let error = TableDef::from_toml(&declared).unwrap_err().to_string();
            assert!(error.contains("is a column that every table has already"), "{name}: {error}");
        }
        assert!(TableDef::from_toml("name = \"Bad\"").unwrap_err().to_string().contains("\"Bad\""));
    }

    #[test]
    fn rights_go_by_fields_of_text_and_personal_data_stays_personal() {
        let table = |head: &str, field: &str| {
            TableDef::from_toml(&format!("name = \"t\"\n{head}\n[[field]]\nname = \"f\"\ntype = \"text\"\n{field}"))
        };
        let by = table("rights_by = [\"f\"]", "").unwrap();
        assert_eq!(by.rights_by, ["f"]);
        for (head, field) in [("rights_by = [\"g\"]", ""), ("rights_by = [\"f\"]", "personal = \"plate\"")] {
            assert!(table(head, field).unwrap_err().to_string().contains("rights_by"), "{head} {field}");
        }
        assert!(table("", "personal = \"name\"").is_err());
        let personal = table("", "personal = \"person\"").unwrap();
        let silent = table("", "").unwrap();
        assert_eq!(personal.extended_by(&silent).unwrap().fields[0].personal, Some(Personal::Person));
        assert_eq!(silent.evolved_to(&personal).unwrap(), personal);
        assert_eq!(silent.extended_by(&by).unwrap().rights_by, ["f"]);
        assert_eq!(TableDef::from_toml(&toml::to_string(&by).unwrap()).unwrap(), by);
    }

    #[test]
    fn what_becomes_of_repeats_is_declared_by_word_and_all_are_kept_where_nothing_is() {
        let table = |head: &str| {
            TableDef::from_toml(&format!("name = \"t\"\n{head}\n[[field]]\nname = \"f\"\ntype = \"text\""))
        };
        let silent = table("").unwrap();
        assert_eq!(silent.on_repeat, OnRepeat::KeepAll);
        assert!(!toml::to_string(&silent).unwrap().contains("on_repeat"), "earlier releases read it");
        for (word, wanted) in [
            ("keep_all", OnRepeat::KeepAll),
            ("last_wins", OnRepeat::LastWins),
            ("first_wins", OnRepeat::FirstWins),
            ("merge", OnRepeat::Merge),
        ] {
            let declared = table(&format!("on_repeat = \"{word}\"")).unwrap();
            assert_eq!((declared.on_repeat, declared.on_repeat.word()), (wanted, word));
            assert_eq!(TableDef::from_toml(&toml::to_string(&declared).unwrap()).unwrap(), declared);
            assert_eq!(silent.extended_by(&declared).unwrap().on_repeat, wanted);
            assert_eq!(declared.extended_by(&silent).unwrap().on_repeat, wanted, "silence changes nothing");
            assert_eq!(declared.evolved_to(&silent).unwrap().on_repeat, OnRepeat::KeepAll);
        }
        assert!(table("on_repeat = \"newest\"").unwrap_err().to_string().contains("unknown variant `newest`"));
    }

    #[test]
    fn fields_can_be_added_and_nothing_that_would_misread_stored_data() {
        let stored = field("type = \"double\"\nunit = \"mg\"\ndecimals = 2").unwrap();
        let more = TableDef::from_toml("name = \"t\"\n[[field]]\nname = \"g\"\ntype = \"text\"").unwrap();
        let both = stored.extended_by(&more).unwrap();
        assert_eq!(both.fields.len(), 2);
        assert_eq!(stored.evolved_to(&both).unwrap(), both);

        assert!(both.evolved_to(&stored).unwrap_err().to_string().contains("no longer declared"));
        let other_unit = field("type = \"double\"\nunit = \"µg\"\ndecimals = 2").unwrap();
        assert!(stored.evolved_to(&other_unit).unwrap_err().to_string().contains("stored in \"mg\""));
        let other_scale = field("type = \"double\"\nunit = \"mg\"\ndecimals = 3").unwrap();
        assert!(stored.evolved_to(&other_scale).is_err());
    }
}
