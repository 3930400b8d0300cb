//! Which type of PostgreSQL an Arrow type is shown as, and back.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pgwire::api::Type;

/// The type of PostgreSQL for an Arrow type. Whole numbers without a sign have the next larger type; of a `UInt64` those
/// beyond the largest `bigint` are an error when they are sent.
pub(crate) fn type_of(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Type::INT8,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Type::NUMERIC
        }
        DataType::Dictionary(_, values) => type_of(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            array_of(&type_of(item.data_type()))
        }
        _ => Type::TEXT,
    }
}

/// The type of a column; numbers that name an object of the catalog are marked in its metadata.
pub(crate) fn type_of_column(field: &Field) -> Type {
    match field.data_type() {
        DataType::Int32 if is_function_number(field) => Type::REGPROC,
        DataType::Int32 if field.metadata().contains_key(OID_MARK) => Type::OID,
        data_type => type_of(data_type),
    }
}

/// Whether a column has numbers of functions, which are shown by their names.
pub(crate) fn is_function_number(field: &Field) -> bool {
    field.metadata().get(OID_MARK).is_some_and(|kind| kind == "regproc")
}

/// Key of the metadata of a column of object numbers.
const OID_MARK: &str = datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY;

/// Bytes of a value, or -1 where they differ, as RowDescription tells them.
pub(crate) fn type_bytes(of: &Type) -> i16 {
    match *of {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// The type of lists of a type. PostgreSQL has one for lists of any depth.
fn array_of(of: &Type) -> Type {
    match *of {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        // A list of lists is sent as text.
        _ => Type::TEXT_ARRAY,
    }
}

/// The Arrow type of a parameter that a client declares by its number; `None` where it leaves the type open, or names one
/// that is sent as text and taken for what its place in the statement asks for.
pub(crate) fn parameter_type(oid: u32) -> Option<DataType> {
    let of = Type::from_oid(oid)?;
    Some(match of {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::NUMERIC => DataType::Decimal128(NUMERIC_DIGITS, NUMERIC_SCALE),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::CHAR | Type::NAME | Type::UUID | Type::JSON | Type::JSONB => {
            DataType::Utf8
        }
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BOOL_ARRAY => list_of(DataType::Boolean),
        Type::INT2_ARRAY => list_of(DataType::Int16),
        Type::INT4_ARRAY => list_of(DataType::Int32),
        Type::INT8_ARRAY | Type::OID_ARRAY => list_of(DataType::Int64),
        Type::FLOAT4_ARRAY => list_of(DataType::Float32),
        Type::FLOAT8_ARRAY => list_of(DataType::Float64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY | Type::BPCHAR_ARRAY | Type::CHAR_ARRAY => {
            list_of(DataType::Utf8)
        }
        _ => return None,
    })
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Field::new_list_field(item, true).into())
}

/// Digits of a decimal parameter.
const NUMERIC_DIGITS: u8 = 38;
/// Of these behind the point.
const NUMERIC_SCALE: i8 = 18;

/// The number of a type by the name that SQL has for it.
pub(crate) fn oid_of_name(name: &str) -> Option<u32> {
    let of = match name.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => Type::BOOL,
        "int2" | "smallint" => Type::INT2,
        "int4" | "int" | "integer" => Type::INT4,
        "int8" | "bigint" => Type::INT8,
        "float4" | "real" => Type::FLOAT4,
        "float8" | "double" | "float" => Type::FLOAT8,
        "numeric" | "decimal" => Type::NUMERIC,
        "text" => Type::TEXT,
        "varchar" => Type::VARCHAR,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "time" => Type::TIME,
        "timestamp" => Type::TIMESTAMP,
        "timestamptz" => Type::TIMESTAMPTZ,
        "interval" => Type::INTERVAL,
        "unknown" => Type::UNKNOWN,
        _ => return None,
    };
    Some(of.oid())
}
