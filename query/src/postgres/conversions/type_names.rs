//! `pg_typeof`: the name of a value's type in PostgreSQL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![Function::new("pg_typeof", typing, names).seeing_nulls()]
}

fn typing(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given.len() {
        1 => Ok((given.to_vec(), DataType::Utf8)),
        _ => plan_err!("pg_typeof takes one value"),
    }
}

fn names(call: &Call<'_>) -> Result<ArrayRef> {
    let name = name(call.args[0].data_type());
    Ok(Arc::new((0..call.args[0].len()).map(|_| Some(name.as_str())).collect::<StringArray>()))
}

fn name(of: &DataType) -> String {
    let plain = match of {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "numeric"
        }
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            return format!("{}[]", name(item.data_type()));
        }
        DataType::Dictionary(_, of) => return name(of),
        DataType::Struct(_) => "record",
        _ => "text",
    };
    plain.to_owned()
}
