//! `LIKE … ESCAPE 'c'`: the pattern rewritten with the backslash as its escape, which is the only one that the engine
//! has.

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Name of the function, by which patterns with an escape are rewritten.
pub(crate) const LIKE_ESCAPE: &str = "like_escape";

/// SQL function `like_escape(pattern, escape)`, named as in PostgreSQL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LikeEscape(Signature);

impl Default for LikeEscape {
    fn default() -> Self {
        Self(Signature::string(2, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for LikeEscape {
    fn name(&self) -> &'static str {
        LIKE_ESCAPE
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [patterns, escapes] = arrays.as_slice() else { return exec_err!("like_escape takes two arguments") };
        let (patterns, escapes) = (cast(patterns, &DataType::Utf8)?, cast(escapes, &DataType::Utf8)?);
        let mut rewritten = Vec::with_capacity(patterns.len());
        for (pattern, escape) in patterns.as_string::<i32>().iter().zip(escapes.as_string::<i32>()) {
            rewritten.push(match (pattern, escape) {
                (Some(pattern), Some(escape)) => Some(with_backslash(pattern, escape)?),
                _ => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(rewritten))))
    }
}

/// Pattern of the same meaning, with backslashes in front of the characters that stand for themselves.
fn with_backslash(pattern: &str, escape: &str) -> Result<String> {
    let mut characters = escape.chars();
    let (escape, None) = (characters.next(), characters.next()) else {
        return exec_err!("the escape of a pattern has one character at most");
    };
    let mut rewritten = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let Some(next) = letters.next() else { return exec_err!("a pattern must not end with its escape") };
            rewritten.push('\\');
            rewritten.push(next);
        } else {
            // A backslash of the pattern is no escape there, so it needs one here.
            if letter == '\\' {
                rewritten.push('\\');
            }
            rewritten.push(letter);
        }
    }
    Ok(rewritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_same_with_the_backslash() {
        for (pattern, escape, rewritten) in [
            ("pg/_%", "/", "pg\\_%"),
            ("a//b", "/", "a\\/b"),
            ("a\\b/%", "/", "a\\\\b\\%"),
            ("a/b", "", "a/b"),
            ("a\\%", "", "a\\\\%"),
            ("50!%ß!!", "!", "50\\%ß\\!"),
        ] {
            assert_eq!(with_backslash(pattern, escape).expect("a value"), rewritten, "{pattern}");
        }
        assert!(with_backslash("a/", "/").is_err());
        assert!(with_backslash("a", "//").is_err());
    }
}
