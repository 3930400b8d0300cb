//! Types of PostgreSQL by Arrow type, and back.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use postgres_types::Type;

/// Type of PostgreSQL for an Arrow type. An unsigned integer has the next larger type; a `UInt64` beyond the largest
/// `bigint` is an error when it is sent.
pub fn type_of(data_type: &DataType) -> Type {
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

/// Bytes of a value as RowDescription has them; −1 where values differ in length.
pub fn type_bytes(of: &Type) -> i16 {
    match *of {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// Type of arrays of a type. PostgreSQL has one for arrays of any depth.
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
        Type::OID => Type::OID_ARRAY,
        // Arrays of arrays, and of types without an array type here, are arrays of text.
        _ => Type::TEXT_ARRAY,
    }
}

/// Arrow type of a parameter that a client declares by its OID. `None` leaves the type to the place in the statement:
/// where the client leaves it open, or declares one that is sent as text.
pub fn parameter_type(oid: u32) -> Option<DataType> {
    let of = Type::from_oid(oid)?;
    Some(match of {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        // A parameter has no scale of its own, and the engine needs one.
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
        Type::BOOL_ARRAY => array_type(DataType::Boolean),
        Type::INT2_ARRAY => array_type(DataType::Int16),
        Type::INT4_ARRAY => array_type(DataType::Int32),
        Type::INT8_ARRAY | Type::OID_ARRAY => array_type(DataType::Int64),
        Type::FLOAT4_ARRAY => array_type(DataType::Float32),
        Type::FLOAT8_ARRAY => array_type(DataType::Float64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY | Type::BPCHAR_ARRAY | Type::CHAR_ARRAY => {
            array_type(DataType::Utf8)
        }
        Type::DATE_ARRAY => array_type(DataType::Date32),
        Type::TIMESTAMP_ARRAY => array_type(DataType::Timestamp(TimeUnit::Microsecond, None)),
        Type::TIMESTAMPTZ_ARRAY => array_type(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        _ => return None,
    })
}

fn array_type(item: DataType) -> DataType {
    DataType::List(Field::new_list_field(item, true).into())
}

/// Digits of a decimal parameter: all that 128 bits hold.
const NUMERIC_DIGITS: u8 = 38;
/// Digits of a decimal parameter behind the point.
const NUMERIC_SCALE: i8 = 18;

/// OID of a type by its name in SQL.
pub fn oid_of_name(name: &str) -> Option<u32> {
    if let Some(item) = name.strip_suffix("[]") {
        return Some(array_of(&Type::from_oid(oid_of_name(item)?)?).oid());
    }
    let of = match name.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => Type::BOOL,
        "int2" | "smallint" => Type::INT2,
        "int4" | "int" | "integer" => Type::INT4,
        "int8" | "bigint" => Type::INT8,
        "float4" | "real" => Type::FLOAT4,
        "float8" | "double" | "double precision" | "float" => Type::FLOAT8,
        "numeric" | "decimal" => Type::NUMERIC,
        "text" => Type::TEXT,
        "varchar" | "character varying" => Type::VARCHAR,
        "bytea" => Type::BYTEA,
        "date" => Type::DATE,
        "time" => Type::TIME,
        "timestamp" | "timestamp without time zone" => Type::TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => Type::TIMESTAMPTZ,
        "interval" => Type::INTERVAL,
        "oid" => Type::OID,
        "unknown" => Type::UNKNOWN,
        _ => return None,
    };
    Some(of.oid())
}
