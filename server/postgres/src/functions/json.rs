//! `json_build_object(key, value, …)`, by which clients make one column of several columns of the catalog.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// SQL functions `json_build_object` and `jsonb_build_object`, which return text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BuildObject {
    name: &'static str,
    signature: Signature,
}

impl BuildObject {
    pub(crate) fn new(name: &'static str) -> Self {
        let signature =
            Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Immutable);
        Self { name, signature }
    }
}

impl ScalarUDFImpl for BuildObject {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !args.args.len().is_multiple_of(2) {
            return exec_err!("argument list must have even number of elements");
        }
        let rows = args.number_rows;
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|value| value.clone().into_array(rows)).collect::<Result<_>>()?;
        let texts: Vec<ArrayRef> = arrays.iter().map(|array| cast(array, &DataType::Utf8)).collect::<Result<_, _>>()?;
        let mut objects = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut object = String::from("{");
            for (index, (pair, kinds)) in texts.chunks(2).zip(arrays.chunks(2)).enumerate() {
                if pair[0].is_null(row) {
                    return exec_err!("a key of a JSON object cannot be null");
                }
                if index > 0 {
                    object.push_str(", ");
                }
                put_text(&mut object, pair[0].as_string::<i32>().value(row));
                object.push_str(" : ");
                let value = pair[1].as_string::<i32>();
                let is_bare = kinds[1].data_type().is_numeric() || *kinds[1].data_type() == DataType::Boolean;
                match (value.is_valid(row), is_bare) {
                    (false, _) => object.push_str("null"),
                    // JSON has no numbers for NaN and infinities, so they are strings.
                    (true, true) if !value.value(row).contains(['N', 'i']) => object.push_str(value.value(row)),
                    (true, _) => put_text(&mut object, value.value(row)),
                }
            }
            object.push('}');
            objects.push(object);
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(objects))))
    }
}

/// Writes a JSON string. PostgreSQL's spelling of `: ` and of escapes differs from that of serde_json.
fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character < ' ' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("writing to a string does not fail");
            }
            character => out.push(character),
        }
    }
    out.push('"');
}
