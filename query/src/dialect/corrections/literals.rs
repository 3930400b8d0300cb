//! Constants as decimals: `1e-12::numeric` has the digits that were written, where DataFusion makes a double of it first, and keeps ten
//! digits behind the point.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, UnaryOperator, Value};

use super::build::text;

/// A cast of a constant to numeric, with as many digits as the constant has.
pub(super) fn correct(expr: &mut Expr) {
    if let Expr::TypedString(typed) = expr
        && matches!(typed.data_type, DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_))
        && let Some(words) = typed.value.clone().into_string()
    {
        let data_type = typed.data_type.clone();
        *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(text(words)), data_type, array: false, format: None };
    }
    let Expr::Cast { expr: constant, data_type, .. } = expr else { return };
    let (DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info)) = data_type else { return };
    let Some(written) = written(constant) else { return };
    let Some(plain) = plain_digits(&written) else { return };
    if *info == ExactNumberInfo::None {
        let behind = plain.split_once('.').map_or(0, |(_, behind)| behind.len());
        let digits = plain.chars().filter(char::is_ascii_digit).count();
        // Beyond that DataFusion's own type, which refuses what does not fit.
        if digits > DIGITS_MAX {
            return;
        }
        let Ok(scale) = i64::try_from(behind) else { return };
        *info = ExactNumberInfo::PrecisionAndScale(DIGITS_MAX as u64, scale);
    }
    **constant = text(plain);
}

/// Digits of a decimal.
const DIGITS_MAX: usize = 38;

/// The number that a constant was written as.
fn written(constant: &Expr) -> Option<String> {
    match constant {
        Expr::Nested(inner) => written(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => Some(format!("-{number}")),
                _ => None,
            },
            _ => None,
        },
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number.to_string()),
            Value::SingleQuotedString(text) => Some(text.trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// A number without an exponent; `None` where the text is none.
fn plain_digits(written: &str) -> Option<String> {
    let (sign, unsigned) = match written.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", written.strip_prefix('+').unwrap_or(written)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{behind}");
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) || exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let plain = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => format!("{digits}{}", "0".repeat(point - digits.len())),
        Ok(0) => format!("0.{digits}"),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
        Err(_) => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    };
    Some(format!("{sign}{plain}"))
}

/// Exponents beyond it leave no digit of a decimal.
const EXPONENT_MAX: i32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_an_exponent() {
        for (written, plain) in [
            ("1e-12", Some("0.000000000001")),
            ("-1.5E2", Some("-150")),
            ("1.5", Some("1.5")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("12e1", Some("120")),
            ("NaN", None),
            ("", None),
            ("1e999", None),
        ] {
            assert_eq!(plain_digits(written).as_deref(), plain, "{written}");
        }
    }
}
