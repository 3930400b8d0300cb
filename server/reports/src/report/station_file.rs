//! Files in the form of Circular 10/2021/TT-BTNMT: an hour of a station each.
//!
//! A file is named `Province_Facility_Station_yyyyMMddHHmmss.txt` by the end of its hour. It is UTF-8, a line for each reading, its parts divided by tabs:
//! symbol, value with a decimal point, unit, time as `yyyyMMddHHmmss` in the time of Viet Nam, status 00, 01 or 02.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::cell::Cell;
use super::filled::Filled;
use crate::error::ReportError;

/// Files by name.
///
/// # Errors
/// Where the declaration has other columns than hour, site, symbol, value, unit, time and status.
pub(crate) fn files(filled: &Filled<'_>) -> Result<BTreeMap<String, String>, ReportError> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for row in filled.sections.iter().flat_map(|part| &part.rows) {
        let [hour, site, symbol, value, unit, time, status] = row.as_slice() else {
            return Err(ReportError::failed("a station file has seven columns"));
        };
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => number.to_string(),
            Cell::Integer(number) => number.to_string(),
            _ => String::new(),
        };
        let place = &filled.place;
        let zone = place.zone.as_ref().map_or("", |(code, _)| code.as_str());
        let facility = match site {
            Cell::Text(site) if !site.is_empty() => site.as_str(),
            _ => zone,
        };
        let station = place.device.as_deref().unwrap_or_default();
        let name = format!("{}_{}_{}_{}.txt", part(&place.province), part(facility), part(station), text(hour));
        let cells = [symbol, value, unit, time, status].map(text);
        *files.entry(name).or_default() += &format!("{}\n", cells.join("\t"));
    }
    Ok(files)
}

/// A part of the name of a file: Latin letters and digits, words with a capital. What divides the parts is not in them.
fn part(name: &str) -> String {
    let plain = name.replace('đ', "d").replace('Đ', "D");
    let letters: String = plain.nfd().filter(|letter| !is_combining_mark(*letter)).collect();
    let words = letters.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    let named: String = words.map(capital).collect();
    if named.is_empty() { "X".to_owned() } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_name_are_plain_words_whatever_they_are_of() {
        assert_eq!(part("ha-tinh"), "HaTinh");
        assert_eq!(part("Trạm Đo 2"), "TramDo2");
        assert_eq!(part("../../etc/a_b"), "EtcAB");
        assert_eq!(part("<✓>"), "X");
    }
}
