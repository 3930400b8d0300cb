//! The SQL of a section, with its place and period filled in, such that it can be asked again as it stands.
//!
//! | place | filled with |
//! |---|---|
//! | `{places}` | condition on `province` and `zone` |
//! | `{province}`, `{device}` | a text |
//! | `{first}`, `{last}` | first and last day, dates |
//! | `{first_month}` | first day of the month of the first day, a date |
//! | `{begin}`, `{end}` | begin and end, instants; a stamp is the end of its span, so rows are above the begin and up to the end |
//! | `{days}` | number of days |
//! | `{language}` | `vi` or `en`, in names of columns |

use super::language::Language;
use super::period::Period;

/// Where a report is of.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Code of the province.
    pub province: String,
    /// Its name.
    pub province_name: String,
    /// Code and name of the zone; all zones of the province without one.
    pub zone: Option<(String, String)>,
    /// Device.
    pub device: Option<String>,
}

impl Place {
    /// Words for it: names, with the codes by which it is asked for.
    pub(crate) fn words(&self, language: Language) -> String {
        let mut words = match &self.zone {
            Some((code, name)) => format!("{name} ({code}), {} ({})", self.province_name, self.province),
            None => {
                let all = language.choose("tất cả các khu", "all zones");
                format!("{} ({}), {all}", self.province_name, self.province)
            }
        };
        if let Some(device) = &self.device {
            words = format!("{device}, {words}");
        }
        words
    }

    fn condition(&self) -> String {
        let province = format!("province = {}", literal(&self.province));
        match &self.zone {
            Some((code, _)) => format!("{province} and zone = {}", literal(code)),
            None => province,
        }
    }
}

/// What is filled in.
#[derive(Debug)]
pub(crate) struct Filling {
    places: Vec<(&'static str, String)>,
}

impl Filling {
    /// For a place, a period and a language.
    pub(crate) fn new(place: &Place, period: &Period, language: Language) -> Self {
        let date = |day: chrono::NaiveDate| format!("date '{day}'");
        let instant = |time: chrono::NaiveDateTime| format!("timestamptz '{}+07'", time.format("%Y-%m-%d %H:%M:%S"));
        let places = vec![
            ("{places}", place.condition()),
            ("{province}", literal(&place.province)),
            ("{device}", literal(place.device.as_deref().unwrap_or_default())),
            ("{first}", date(period.first)),
            ("{last}", date(period.last)),
            ("{first_month}", date(period.first_month())),
            ("{begin}", instant(period.begin())),
            ("{end}", instant(period.end())),
            ("{days}", period.days().to_string()),
            ("{language}", language.code().to_owned()),
        ];
        Self { places }
    }

    /// The statement. What is filled in is not looked at again, whatever it holds.
    pub(crate) fn fill(&self, sql: &str) -> String {
        let mut done = String::new();
        let mut rest = sql.trim();
        while let Some(at) = rest.find('{') {
            let (before, after) = rest.split_at(at);
            done.push_str(before);
            let place = self.places.iter().find(|(name, _)| after.starts_with(name));
            let (text, length) = place.map_or(("{", 1), |(name, text)| (text.as_str(), name.len()));
            done.push_str(text);
            rest = &after[length..];
        }
        done + rest
    }
}

/// A text in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once_and_a_quote_ends_no_text() {
        let place = Place {
            province: "ha-tinh".into(),
            province_name: "Hà Tĩnh".into(),
            zone: Some(("o'{device}".into(), "Z".into())),
            device: Some("d'; drop".into()),
        };
        let filling = Filling::new(&place, &"2026-10".parse().unwrap(), Language::En);
        assert_eq!(
            filling.fill(" select name_{language} from t where {places} and device = {device} and x = '{' "),
            "select name_en from t where province = 'ha-tinh' and zone = 'o''{device}' and device = 'd''; drop' and x = '{'"
        );
        assert_eq!(
            filling.fill("{first} {last} {first_month} {days} {begin} {end}"),
            "date '2026-10-01' date '2026-10-31' date '2026-10-01' 31 timestamptz '2026-10-01 00:00:00+07' timestamptz '2026-11-01 00:00:00+07'"
        );
    }
}
