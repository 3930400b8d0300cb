//! Which fields of a table have moments, and by which columns its rows are told apart beside their place.

use arrow::datatypes::DataType;
use zonelake_schemas::columns::LIVE_FIXED;
use zonelake_schemas::{TableDef, TableSchemas};

/// How the numbers of a field are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// Exactly: integers and decimals.
    Integer,
    /// As doubles.
    Double,
}

/// Layout of the windows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowLayout {
    /// Positions of the fields by whose values rights may choose rows.
    pub(super) by: Vec<usize>,
    /// For each field the kind of its numbers; none for what is no number.
    pub(super) kinds: Vec<Option<NumberKind>>,
}

impl WindowLayout {
    /// That of a declared table.
    pub fn new(def: &TableDef, schemas: &TableSchemas) -> Self {
        let fields = schemas.live.fields().iter().skip(LIVE_FIXED);
        Self {
            by: def.rights_by.iter().filter_map(|name| def.field(name)).map(|(position, _)| position).collect(),
            kinds: fields.map(|field| kind(field.data_type())).collect(),
        }
    }

    /// The kind of a field's numbers; none for what is no number.
    pub fn kind(&self, field: usize) -> Option<NumberKind> {
        self.kinds.get(field).copied().flatten()
    }
}

fn kind(stored: &DataType) -> Option<NumberKind> {
    match stored {
        DataType::Float64 => Some(NumberKind::Double),
        DataType::Int64 | DataType::Decimal32(..) | DataType::Decimal64(..) => Some(NumberKind::Integer),
        _ => None,
    }
}
