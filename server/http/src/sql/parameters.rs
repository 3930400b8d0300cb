//! Values of `$1`, `$2` and so on in JSON.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::Value;

use zonelake_query::{QueryError, QueryErrorCode};

/// Values of parameters of these types.
///
/// A string may stand for any type that SQL reads from text: a time, a day, an interval, a decimal. A number stands for a
/// number that can hold it, `true` and `false` for a boolean, a list for a list, `null` for every type.
pub(crate) fn parameter_values(values: &[Value], types: &[DataType]) -> Result<Vec<ScalarValue>, QueryError> {
    if values.len() != types.len() {
        let message = format!("the statement has {} parameters, and {} values are given", types.len(), values.len());
        return Err(refused(message));
    }
    let numbered = values.iter().zip(types).enumerate();
    numbered
        .map(|(index, (value, wanted))| {
            parameter_value(value, wanted).map_err(|why| refused(format!("the value of ${}: {why}", index + 1)))
        })
        .collect()
}

fn parameter_value(value: &Value, wanted: &DataType) -> Result<ScalarValue, String> {
    let is_text = matches!(wanted, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let scalar = match value {
        Value::Null => return ScalarValue::try_from(wanted).map_err(|error| error.to_string()),
        Value::String(text) if is_text => ScalarValue::from(text.as_str()),
        Value::String(text) => ScalarValue::from(text.trim()),
        Value::Bool(is_true) if *wanted == DataType::Boolean => ScalarValue::from(*is_true),
        // The digits as they were sent: the type reads them, and refuses what it cannot hold.
        Value::Number(number) if is_text || wanted.is_numeric() => ScalarValue::from(number.to_string().as_str()),
        Value::Array(items) => return list(items, wanted),
        _ => return Err(format!("{value} is not a value of type {wanted}")),
    };
    // The message names the value and the type, which is all that the cause would say.
    scalar.cast_to(wanted).map_err(|_cause| format!("{value} is not a value of type {wanted}"))
}

fn list(items: &[Value], wanted: &DataType) -> Result<ScalarValue, String> {
    let DataType::List(item) = wanted else { return Err(format!("a list is not a value of type {wanted}")) };
    let items = items.iter().map(|value| parameter_value(value, item.data_type()));
    let items: Vec<ScalarValue> = items.collect::<Result<_, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())))
}

fn refused(message: String) -> QueryError {
    QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("22023")
}
