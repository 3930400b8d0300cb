//! The columns of a source, bound by a mapping to the fields of a table.

use arrow::datatypes::{DataType, Schema};
use zonelake_schemas::QualityScale;

use crate::columns::cells::CellKind;
use crate::columns::units::Linear;
use crate::mapping::declaration::Mapping;
use crate::mapping::parts::ColumnMapping;
use crate::mapping::time::MappingError;

/// The source's columns by name.
pub(super) struct SourceColumns<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) names: &'a [String],
    /// Units that the source states, a column each.
    pub(super) units: Option<&'a [String]>,
}

impl SourceColumns<'_> {
    pub(super) fn find(&self, name: &str) -> Result<usize, MappingError> {
        let wrong = |what: String| Err(MappingError::Invalid(what));
        let mut found = self.names.iter().enumerate().filter(|(_, own)| *own == name).map(|(index, _)| index);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => wrong(format!("the source has column {name:?} twice")),
            (None, _) => wrong(format!("the source has no column {name:?}; it has {}", self.names.join(", "))),
        }
    }

    /// A mapped column; `None` where it is optional and not there.
    fn find_mapped(&self, name: &str) -> Result<Option<usize>, MappingError> {
        // A file in long form has the parameters that were measured, which may be fewer each time.
        let is_optional = self.mapping.long.is_some() || self.mapping.optional.iter().any(|own| own == name);
        if is_optional && !self.names.iter().any(|own| own == name) {
            return Ok(None);
        }
        self.find(name).map(Some)
    }

    /// The field that takes the file's name.
    pub(super) fn file_name_field(
        &self,
        wire: &Schema,
        columns: &[(usize, String, CellKind)],
    ) -> Result<Option<String>, MappingError> {
        let Some(name) = &self.mapping.file_name_field else { return Ok(None) };
        let wrong = |what: &str| Err(MappingError::Invalid(format!("file_name_field {name:?}: {what}")));
        match wire.field_with_name(name) {
            Ok(field) if *field.data_type() == DataType::Utf8 && !is_fixed(name) => {}
            _ => return wrong("the table has no text field of that name"),
        }
        if columns.iter().any(|(_, field, _)| field == name) {
            return wrong("a column becomes that field already");
        }
        Ok(Some(name.clone()))
    }

    /// A column that is mapped by having the name already.
    pub(super) fn by_name(&self, name: &str) -> Result<Option<usize>, MappingError> {
        let there = self.mapping.by_name
            && self.names.iter().any(|own| own == name)
            && !self.mapping.columns.contains_key(name)
            && !self.mapping.ignore.iter().any(|ignored| ignored == name);
        if there { self.find(name).map(Some) } else { Ok(None) }
    }

    /// Source position and scale of the column of qualities.
    pub(super) fn quality(&self) -> Result<Option<(usize, QualityScale)>, MappingError> {
        if let Some(column) = &self.mapping.quality {
            return Ok(Some((self.find(column)?, self.mapping.scale_of_quality()?)));
        }
        for scale in QualityScale::ALL {
            if let Some(index) = self.by_name(scale.column())? {
                return Ok(Some((index, scale)));
            }
        }
        Ok(None)
    }

    /// Source position, field and kind of each mapped column, in the order of the table's fields.
    pub(super) fn fields(&self, wire: &Schema) -> Result<Vec<(usize, String, CellKind)>, MappingError> {
        for column in self.mapping.columns.values() {
            let field = column.field();
            if !LOCATION_COLUMNS.contains(&field) && (is_fixed(field) || wire.field_with_name(field).is_err()) {
                return Err(MappingError::Invalid(format!("table {} has no field {field:?}", self.mapping.table)));
            }
        }
        let location = LOCATION_COLUMNS.iter().map(|name| (*name, DataType::Utf8, ""));
        let fields = wire.fields().iter().filter(|field| !is_fixed(field.name())).map(|field| {
            let unit = field.metadata().get("unit").map_or("", String::as_str);
            (field.name().as_str(), field.data_type().clone(), unit)
        });
        let mut found = Vec::new();
        for (name, data_type, unit) in location.chain(fields) {
            let Some((index, linear)) = self.source_of(name, unit)? else { continue };
            let kind = CellKind::of(&data_type, linear).ok_or_else(|| {
                MappingError::Invalid(format!("field {name:?} is of type {data_type}, which this version cannot send"))
            })?;
            if linear != Linear::SAME && !matches!(kind, CellKind::Double(_)) {
                return Err(MappingError::Invalid(format!("field {name:?} is no double: it cannot be converted")));
            }
            found.push((index, name.to_owned(), kind));
        }
        Ok(found)
    }

    /// Position of the column that becomes a field, and how its values do.
    fn source_of(&self, field: &str, unit: &str) -> Result<Option<(usize, Linear)>, MappingError> {
        let mut sources = self.mapping.columns.iter().filter(|(_, column)| column.field() == field);
        let (index, mapped) = match (sources.next(), sources.next()) {
            (Some((source, column)), None) => (self.find_mapped(source)?, Some(column)),
            (Some((one, _)), Some((two, _))) => {
                return Err(MappingError::Invalid(format!("columns {one:?} and {two:?} both become {field:?}")));
            }
            (None, _) => (self.by_name(field)?, None),
        };
        let Some(index) = index else { return Ok(None) };
        if let Some(column) = mapped.filter(|column| column.is_scaled()) {
            return Ok(Some((index, Linear::scaled(column.scale()))));
        }
        let stated = self.units.and_then(|units| units.get(index)).map(String::as_str);
        let source = mapped.and_then(ColumnMapping::unit).or(stated).unwrap_or_default();
        Ok(Some((index, Linear::between(&self.names[index], source, unit)?)))
    }

    pub(super) fn check_rest(&self, used: &[usize]) -> Result<(), MappingError> {
        if self.mapping.ignore_rest {
            return Ok(());
        }
        let rest = self.names.iter().enumerate().filter(|(index, name)| {
            !used.contains(index) && !self.mapping.ignore.iter().any(|ignored| ignored == *name)
        });
        let rest: Vec<String> = rest.map(|(_, name)| format!("{name:?}")).collect();
        if rest.is_empty() {
            return Ok(());
        }
        let what = if self.mapping.long.is_some() { "parameters" } else { "columns" };
        Err(MappingError::Invalid(format!(
            "{what} that are neither mapped nor ignored: {}; map them, list them in ignore, or set ignore_rest = true",
            rest.join(", ")
        )))
    }
}

/// Columns of a device's location; the server checks them.
const LOCATION_COLUMNS: [&str; 3] = ["province", "zone", "site"];

fn is_fixed(name: &str) -> bool {
    matches!(name, "time" | "device") || QualityScale::of_column(name).is_some()
}
