//! Cells of each kind.

use zonelake_schemas::polygon::Polygon;
use zonelake_schemas::reference_tables::CellKind;

/// What is wrong with a cell of this kind, if anything is.
pub(crate) fn check_cell(kind: CellKind, cell: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{cell:?} is not {what}"));
    match kind {
        CellKind::Text => match cell.chars().any(char::is_control) {
            true => wrong("a text without control characters"),
            false => Ok(()),
        },
        CellKind::Number => match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => wrong("a number with a decimal point"),
        },
        CellKind::Integer => match cell.parse::<i64>() {
            Ok(_) => Ok(()),
            Err(_) => wrong("a whole number"),
        },
        CellKind::Boolean if matches!(cell, "true" | "false") => Ok(()),
        CellKind::Boolean => wrong("true or false"),
        CellKind::Date if is_date(cell) => Ok(()),
        CellKind::Date => wrong("a day as 2026-01-31"),
        CellKind::Polygon => match Polygon::from_geojson(cell) {
            Ok(_) => Ok(()),
            Err(what) => wrong(&format!("a polygon of GeoJSON: {what}")),
        },
        CellKind::TimeOfDay if is_time_of_day(cell) => Ok(()),
        CellKind::TimeOfDay => wrong("a time of the day as 06:00, from 00:00 to 24:00"),
    }
}

fn is_date(cell: &str) -> bool {
    let Some([year, month, day]) = digits(cell, '-', [4, 2, 2]) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_time_of_day(cell: &str) -> bool {
    let Some([hour, minute]) = digits(cell, ':', [2, 2]) else { return false };
    (hour < 24 && minute < 60) || (hour == 24 && minute == 0)
}

/// Numbers of fixed widths between separators.
fn digits<const N: usize>(cell: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let parts: Vec<&str> = cell.split(separator).collect();
    if parts.len() != N {
        return None;
    }
    let mut numbers = [0; N];
    for ((number, part), width) in numbers.iter_mut().zip(parts).zip(widths) {
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_each_kind_are_told_from_others() {
        for (kind, right, wrong) in [
            (CellKind::Text, "Vũng Áng", "a\tb"),
            (CellKind::Polygon, r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#, "[[0,0]]"),
            (CellKind::Number, "-0.5", "0,5"),
            (CellKind::Number, "1e3", "inf"),
            (CellKind::Integer, "-7", "7.0"),
            (CellKind::Boolean, "true", "yes"),
            (CellKind::Date, "2024-02-29", "2026-02-29"),
            (CellKind::Date, "2026-12-31", "2026-13-01"),
            (CellKind::Date, "2000-02-29", "31/12/2026"),
            (CellKind::TimeOfDay, "24:00", "24:01"),
            (CellKind::TimeOfDay, "06:00", "6:00"),
        ] {
            assert_eq!(check_cell(kind, right), Ok(()), "{right}");
            assert!(check_cell(kind, wrong).is_err(), "{wrong}");
        }
    }
}
