//! `LIKE … ESCAPE 'c'`: the pattern as it is with the backslash, which the engine knows.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut, VisitorMut};

use crate::statement::rewrite::call;

/// Says each such pattern over.
pub(crate) fn rewrite_escapes<S: VisitMut>(statement: &mut S) {
    let _ = statement.visit(&mut Escapes);
}

struct Escapes;

impl VisitorMut for Escapes {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } = expr
            && let Some(escape) = escape_char.take()
        {
            let is_backslash = matches!(&escape.value, Value::SingleQuotedString(text) if text == "\\");
            if is_backslash {
                *escape_char = Some(escape);
            } else {
                **pattern = call("like_escape", vec![pattern.as_ref().clone(), Expr::Value(escape)]);
            }
        }
        ControlFlow::Continue(())
    }
}

/// `like_escape(pattern, escape)`, as PostgreSQL names it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LikeEscape(Signature);

impl Default for LikeEscape {
    fn default() -> Self {
        Self(Signature::string(2, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for LikeEscape {
    fn name(&self) -> &'static str {
        "like_escape"
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
        let mut said = Vec::with_capacity(patterns.len());
        for (pattern, escape) in patterns.as_string::<i32>().iter().zip(escapes.as_string::<i32>()) {
            said.push(match (pattern, escape) {
                (Some(pattern), Some(escape)) => Some(with_backslash(pattern, escape)?),
                _ => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(said))))
    }
}

/// The same pattern with backslashes before what stands for itself.
fn with_backslash(pattern: &str, escape: &str) -> Result<String> {
    let mut of_escape = escape.chars();
    let (escape, None) = (of_escape.next(), of_escape.next()) else {
        return exec_err!("the escape of a pattern has one character at most");
    };
    let mut said = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let Some(next) = letters.next() else { return exec_err!("a pattern must not end with its escape") };
            said.push('\\');
            said.push(next);
        } else {
            if letter == '\\' {
                said.push('\\');
            }
            said.push(letter);
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_same_with_the_backslash() {
        for (pattern, escape, said) in [
            ("pg/_%", "/", "pg\\_%"),
            ("a//b", "/", "a\\/b"),
            ("a\\b/%", "/", "a\\\\b\\%"),
            ("a/b", "", "a/b"),
            ("a\\%", "", "a\\\\%"),
            ("50!%ß!!", "!", "50\\%ß\\!"),
        ] {
            assert_eq!(with_backslash(pattern, escape).unwrap(), said, "{pattern}");
        }
        assert!(with_backslash("a/", "/").is_err());
        assert!(with_backslash("a", "//").is_err());
    }
}
