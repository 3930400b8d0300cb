//! Which columns have the time of a row, and in which form they have it.

use chrono::format::{Parsed, StrftimeItems};

use super::head::Head;
use crate::columns::count::Plausible;
use crate::mapping::time::Epoch;

/// Where the time of a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) columns: Vec<usize>,
    /// Lines of the mapping's part `time` behind its columns.
    pub(super) form: String,
    pub(super) needs_zone: bool,
}

impl Times {
    pub(super) fn of(head: &Head) -> Option<Self> {
        let columns = 0..head.names.len();
        let whole = columns.clone().find_map(|column| {
            let format = FORMATS.iter().find(|format| reads_all(head, &[column], format))?;
            Some(Self::calendar(vec![column], format))
        });
        whole.or_else(|| Self::date_and_time(head)).or_else(|| Self::parts(head)).or_else(|| {
            columns.clone().find_map(|column| {
                let is_time = ["time", "date", "epoch", "ts", "when"]
                    .iter()
                    .any(|word| head.names[column].to_lowercase().contains(word));
                let epoch = Epoch::ALL.into_iter().find(|epoch| is_time && counts_all(head, column, *epoch))?;
                Some(Self { columns: vec![column], form: format!("epoch = {:?}", epoch.key()), needs_zone: false })
            })
        })
    }

    fn calendar(columns: Vec<usize>, format: &str) -> Self {
        let states_offset = format.contains("%+") || format.contains("%z");
        // Where all days are 12 or less, nothing in the file tells days from months.
        Self { columns, form: format!("format = {format:?}"), needs_zone: !states_offset }
    }

    fn date_and_time(head: &Head) -> Option<Self> {
        (0..head.names.len().saturating_sub(1)).find_map(|date| {
            let mut formats = DATES.iter().flat_map(|date| CLOCKS.map(|clock| format!("{date} {clock}")));
            let format = formats.find(|format| reads_all(head, &[date, date + 1], format))?;
            Some(Self::calendar(vec![date, date + 1], &format))
        })
    }

    /// Year, month, day and hour in columns of their own.
    fn parts(head: &Head) -> Option<Self> {
        let named = |name: &str| head.names.iter().position(|own| own.eq_ignore_ascii_case(name));
        let found: Vec<(usize, &str)> = PARTS.iter().map_while(|(name, part)| Some((named(name)?, *part))).collect();
        let format = found.iter().map(|(_, part)| *part).collect::<Vec<_>>().join(" ");
        (found.len() >= 3).then(|| Self::calendar(found.into_iter().map(|(column, _)| column).collect(), &format))
    }
}

fn reads_all(head: &Head, columns: &[usize], format: &str) -> bool {
    let texts: Vec<String> = head
        .rows
        .iter()
        .map(|row| {
            columns.iter().filter_map(|column| row.get(*column)).map(String::as_str).collect::<Vec<_>>().join(" ")
        })
        .filter(|text| !text.trim().is_empty())
        .collect();
    let reads = |text: &String| {
        let text = text.replace("24:00", "23:00");
        let mut parsed = Parsed::new();
        chrono::format::parse(&mut parsed, &text, StrftimeItems::new(format)).is_ok() && parsed.to_naive_date().is_ok()
    };
    !texts.is_empty() && texts.iter().all(reads)
}

fn counts_all(head: &Head, column: usize, epoch: Epoch) -> bool {
    let plausible = Plausible::from(None).ok();
    let mut cells = head.cells(column).peekable();
    cells.peek().is_some() && cells.all(|cell| plausible.is_some_and(|plausible| plausible.epoch(cell, epoch).is_ok()))
}

const FORMATS: [&str; 21] = [
    "%+",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d/%m/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y%m%d%H%M%S",
    "%Y.%m.%d_%H.%M.%S",
    "%Y%m%d %H%M",
];
const DATES: [&str; 6] = ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d"];
const CLOCKS: [&str; 3] = ["%H:%M:%S%.f", "%H:%M", "%H%M"];
const PARTS: [(&str, &str); 6] =
    [("year", "%Y"), ("month", "%m"), ("day", "%d"), ("hour", "%H"), ("minute", "%M"), ("second", "%S")];
