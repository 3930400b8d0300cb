//! What a plot shows: lines or rows of bars over the same steps of its axis.

use super::cell::Cell;
use super::declaration::{PlotKind, Section};
use super::filled::FilledSection;
use super::language::Language;

/// What a plot shows.
#[derive(Debug)]
pub(crate) struct Plotted<'a> {
    /// How it looks.
    pub kind: PlotKind,
    /// Labels of the steps along the axis.
    pub steps: Vec<String>,
    /// Lines or rows of bars.
    pub series: Vec<Series>,
    /// Label of the values.
    pub values: &'a str,
}

/// A line or a row of bars.
#[derive(Debug)]
pub(crate) struct Series {
    /// Name.
    pub name: String,
    /// Value at each step; none where there is no figure.
    pub values: Vec<Option<f64>>,
}

/// Lines or rows of bars that a plot has at most; the others are in the table.
pub(crate) const SERIES_MAX: usize = 12;

/// What the plot of a section shows; `None` where it has none, or no figure for one.
pub(crate) fn plotted<'a>(part: &FilledSection<'a>, language: Language) -> Option<Plotted<'a>> {
    let section = part.section;
    let plot = section.plot.as_ref()?;
    let x = position(section, &plot.x)?;
    // Days and times in their order; names as they stand.
    let mut keys: Vec<(String, String)> = Vec::new();
    for row in &part.rows {
        let label = row[x].shown(&section.columns[x], language);
        let order = match &row[x] {
            Cell::Date(day) => day.to_string(),
            Cell::Instant(time) => time.naive_utc().to_string(),
            Cell::Local(time) => time.to_string(),
            _ => String::new(),
        };
        if !keys.iter().any(|(_, known)| *known == label) {
            keys.push((order, label));
        }
    }
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    let steps: Vec<String> = keys.into_iter().map(|(_, label)| label).collect();
    let varying = varying(part, &plot.by);
    let mut series: Vec<Series> = Vec::new();
    for name in &plot.y {
        let y = position(section, name)?;
        let label = section.columns[y].label(language);
        for row in &part.rows {
            let mut names: Vec<String> =
                varying.iter().map(|by| row[*by].shown(&section.columns[*by], language)).collect();
            if plot.y.len() > 1 || names.is_empty() {
                names.insert(0, label.clone());
            }
            let of = names.join(", ");
            let step = row[x].shown(&section.columns[x], language);
            let Some(step) = steps.iter().position(|known| *known == step) else { continue };
            let at = match series.iter().position(|series| series.name == of) {
                Some(at) => at,
                None if series.len() == SERIES_MAX => continue,
                None => {
                    series.push(Series { name: of, values: vec![None; steps.len()] });
                    series.len() - 1
                }
            };
            series[at].values[step] = row[y].number();
        }
    }
    series.retain(|series| series.values.iter().any(Option::is_some));
    let first = section.columns.get(position(section, plot.y.first()?)?)?;
    let values = language.choose(&first.vi, &first.en);
    (!series.is_empty()).then_some(Plotted { kind: plot.kind, steps, series, values })
}

/// Those of the columns that do not have one value in all rows: the others tell no line from another.
fn varying(part: &FilledSection<'_>, by: &[String]) -> Vec<usize> {
    let columns = by.iter().filter_map(|name| position(part.section, name));
    let is_varying = |column: &usize| part.rows.windows(2).any(|rows| rows[0][*column] != rows[1][*column]);
    columns.filter(is_varying).collect()
}

fn position(section: &Section, name: &str) -> Option<usize> {
    section.columns.iter().position(|column| column.name == name)
}
