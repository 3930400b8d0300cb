//! Constants of bytes, of whose texts DataFusion would take the characters: `'\x00ff'::bytea`, `bytea 'a\000'`.

use std::fmt::Write;

use datafusion::sql::sqlparser::ast::{DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use crate::dialect::corrections::build::{bare, call};
use crate::postgres::conversions::bytes::{ESCAPED, LENGTH, UNESCAPED};

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

/// `encode` and `decode` with escapes, and lengths of what is known to be bytes.
pub(super) fn calls(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    let FunctionArguments::List(list) = &function.args else { return };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first() else { return };
    let is_escaped = || {
        matches!(list.args.get(1), Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(form))))
            if matches!(&form.value, Value::SingleQuotedString(form) if form.eq_ignore_ascii_case("escape")))
    };
    let name = match (function.name.to_string().to_lowercase().as_str(), list.args.len()) {
        ("encode", 2) if is_escaped() => ESCAPED,
        ("decode", 2) if is_escaped() => UNESCAPED,
        ("length" | "octet_length", 1) if is_bytes(value) => LENGTH,
        _ => return,
    };
    *expr = call(name, vec![value.clone()]);
}

/// True for what is bytes by how it is written.
fn is_bytes(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Value(value) => matches!(value.value, Value::HexStringLiteral(_)),
        Expr::Cast { data_type, .. } => *data_type == DataType::Bytea,
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            ["decode", "convert_to", "sha224", "sha256", "sha384", "sha512", UNESCAPED].contains(&name.as_str())
        }
        _ => false,
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
