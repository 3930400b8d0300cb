//! `similar_to_escape(pattern, escape)`: the regular expression that a pattern of `SIMILAR TO` means (PostgreSQL's `similar_escape`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::value_error::ValueError;

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![Function::new("similar_to_escape", typing, escape_all)]
}

fn typing(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given.len() {
        1 | 2 => Ok((vec![DataType::Utf8; given.len()], DataType::Utf8)),
        _ => plan_err!("similar_to_escape takes a pattern and an escape character"),
    }
}

fn escape_all(call: &Call<'_>) -> Result<ArrayRef> {
    let patterns = strings(&call.args[0])?;
    let escapes = call.args.get(1).map(strings).transpose()?;
    let rows = (0..patterns.len()).map(|row| {
        let escape = match &escapes {
            None => Some('\\'),
            Some(escapes) if escapes.is_null(row) => return Ok(None),
            Some(escapes) => {
                let mut characters = escapes.value(row).chars();
                match (characters.next(), characters.next()) {
                    (escape, None) => escape,
                    _ => return Err(ValueError::error("22019", "invalid escape string: it has at most one character")),
                }
            }
        };
        if patterns.is_null(row) { Ok(None) } else { Ok(Some(regular_expression(patterns.value(row), escape))) }
    });
    Ok(Arc::new(rows.collect::<Result<StringArray>>()?))
}

fn regular_expression(pattern: &str, escape: Option<char>) -> String {
    let mut regex = String::from("(?s)^(?:");
    let mut characters = pattern.chars().peekable();
    // Brackets that are open, and whether one has just been opened: a `]` there is an item.
    let (mut is_class, mut is_first) = (false, false);
    while let Some(character) = characters.next() {
        if is_class {
            match character {
                ']' if !is_first => {
                    is_class = false;
                    regex.push(']');
                }
                // A named class, as [:alpha:], is written alike in both.
                '[' if characters.peek() == Some(&':') => {
                    regex.push('[');
                    push_through(&mut regex, &mut characters, ']');
                }
                ']' | '\\' | '[' | '&' | '~' => regex.extend(['\\', character]),
                other => regex.push(other),
            }
            is_first = character == '^' && is_first;
            continue;
        }
        match character {
            escaped if Some(escaped) == escape => {
                if let Some(literal) = characters.next() {
                    push_literal(&mut regex, literal);
                }
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '[' => {
                regex.push('[');
                (is_class, is_first) = (true, true);
            }
            '\\' | '.' | '^' | '$' | '#' => push_literal(&mut regex, character),
            other => regex.push(other),
        }
    }
    regex.push_str(")$");
    regex
}

/// Copies everything up to a character, and it too.
fn push_through(regex: &mut String, characters: &mut impl Iterator<Item = char>, last: char) {
    for character in characters {
        regex.push(character);
        if character == last {
            break;
        }
    }
}

fn push_literal(regex: &mut String, literal: char) {
    if !literal.is_alphanumeric() && literal.is_ascii() && !literal.is_ascii_whitespace() {
        regex.push('\\');
    }
    regex.push(literal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_the_whole_text() {
        for (pattern, wanted) in [
            ("a%", "(?s)^(?:a.*)$"),
            ("(N|S)%", "(?s)^(?:(?:N|S).*)$"),
            ("a.b_c", "(?s)^(?:a\\.b.c)$"),
            ("\\%", "(?s)^(?:\\%)$"),
            ("[^a-c]+", "(?s)^(?:[^a-c]+)$"),
            ("[[:digit:]_%]", "(?s)^(?:[[:digit:]_%])$"),
            ("[]a]", "(?s)^(?:[\\]a])$"),
        ] {
            assert_eq!(regular_expression(pattern, Some('\\')), wanted, "{pattern}");
        }
        assert_eq!(regular_expression("#%a", Some('#')), "(?s)^(?:\\%a)$");
    }
}
