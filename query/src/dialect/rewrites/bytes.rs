//! Constants of bytes, of whose texts DataFusion would take the characters: `'\x00ff'::bytea`, `bytea 'a\000'`.

use std::fmt::Write;

use datafusion::sql::sqlparser::ast::{DataType, Expr, Value};

/// A constant of bytes as its digits.
pub(super) fn rewrite(expr: &mut Expr) {
    let (constant, data_type) = match &*expr {
        Expr::Cast { expr: inner, data_type, .. } => match inner.as_ref() {
            Expr::Value(value) => (&value.value, data_type),
            _ => return,
        },
        Expr::TypedString(typed) => (&typed.value.value, &typed.data_type),
        _ => return,
    };
    let (DataType::Bytea, Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text)) = (data_type, constant)
    else {
        return;
    };
    // What is no text of bytes is left to the planner, which refuses it.
    if let Some(digits) = hex_digits(text) {
        *expr = Expr::Value(Value::HexStringLiteral(digits).with_empty_span());
    }
}

/// Digits of the bytes that a text means, in PostgreSQL's form of digits or in that of escapes.
fn hex_digits(text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: String = digits.chars().filter(|letter| !letter.is_whitespace()).collect();
        let is_whole = digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return is_whole.then_some(digits);
    }
    let mut digits = String::with_capacity(2 * text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                first => octal([first, bytes.next()?, bytes.next()?])?,
            },
            other => other,
        };
        write!(digits, "{byte:02x}").ok()?;
    }
    Some(digits)
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| u32::from(byte - b'0'));
    let [first, second, third] = digits;
    u8::try_from(digit(first)? * 64 + digit(second)? * 8 + digit(third)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_both_forms() {
        for (text, digits) in [
            ("\\x00fF", Some("00fF")),
            ("\\x00 ff", Some("00ff")),
            ("\\x0", None),
            ("a\\000\\\\b", Some("61005c62")),
            ("\\9", None),
            ("", Some("")),
        ] {
            assert_eq!(hex_digits(text).as_deref(), digits, "{text}");
        }
    }
}
