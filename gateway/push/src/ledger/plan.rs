//! What is to be sent of a source that has been looked at.

use chrono::DateTime;
use twox_hash::XxHash3_128;
use zonelake_schemas::wire::control::Push;

use super::digest::sent;
use super::known::Known;
use super::selection::{RowCover, Selection};

/// Rows that are batches of one producer.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The push that it completes, as it is noted.
    pub(crate) push: Push,
    pub(crate) selection: Selection,
    /// It has been noted before.
    pub(crate) is_noted: bool,
}

/// What is to be sent.
#[derive(Debug)]
pub(crate) enum Plan {
    /// These, one after the other.
    Send { segments: Vec<Segment>, rows_before: u64 },
    /// Rows would be stored twice; why, in words.
    Ask(String),
}

/// Everything that a plan is made from.
#[derive(Debug)]
pub(crate) struct PlanArgs<'a> {
    pub(crate) known: &'a Known,
    /// Pushes with the same file.
    pub(crate) same_content: &'a [Push],
    /// Pushes with the same rows in any order; asked for where nothing else is known.
    pub(crate) same_set: &'a [Push],
    /// What this push is noted as, without its rows.
    pub(crate) note: Push,
    /// Rows are stored whatever is known.
    pub(crate) again: bool,
}

impl PlanArgs<'_> {
    pub(crate) fn plan(self) -> Plan {
        let matched = self.known.matched();
        let rows = self.known.totals.rows;
        if self.again {
            // A push of all rows again that was broken off goes on.
            let open = matched.iter().find(|push| push.rows == rows && push.base_rows == 0 && !push.is_done);
            let segments = match open {
                Some(push) => vec![Segment::noted(push)],
                None => vec![self.new_segment(None)],
            };
            return Plan::Send { segments, rows_before: 0 };
        }
        let Some(best) = matched.first().copied() else { return self.unknown() };
        // What it has of its batches says the server: it may have been broken off, or be newer than a backup that was restored.
        let mut segments = vec![Segment::noted(best)];
        if best.rows < rows {
            segments.push(self.new_segment(Some(best)));
        }
        Plan::Send { segments, rows_before: best.base_rows }
    }

    /// No push has its first rows.
    fn unknown(&self) -> Plan {
        let rows = self.known.totals.rows;
        let set = sent(self.known.totals.set);
        let is_same = |push: &&Push| push.rows == rows && push.rows_set == set && push.is_done;
        if let Some(push) = self.same_set.iter().find(is_same).filter(|_| rows > 0) {
            return Plan::Ask(format!(
                "all of its {rows} rows are there in another order, from {}; --again would store them a second time",
                told(push)
            ));
        }
        if let Some(push) = self.known.candidates().next() {
            return Plan::Ask(format!(
                "its first row is that of {}, which has {} rows, and others differ: what was stored cannot be told from what is new. --again stores all {rows} rows",
                told(push),
                push.rows
            ));
        }
        if let Some(push) = self.same_content.iter().find(|push| push.mapping != self.note.mapping) {
            return Plan::Ask(format!(
                "this file was pushed as {}, with another mapping: its {rows} rows would be stored a second time with other values. --again stores them",
                told(push)
            ));
        }
        let segments = if rows == 0 { Vec::new() } else { vec![self.new_segment(None)] };
        Plan::Send { segments, rows_before: 0 }
    }

    fn new_segment(&self, base: Option<&Push>) -> Segment {
        let totals = self.known.totals;
        let left_out = self.known.left_out.clone();
        let push = Push {
            head: self.known.head.map(sent).unwrap_or_default(),
            rows: totals.rows,
            chain: sent(totals.chain),
            rows_set: sent(totals.set),
            // Beyond that, rows that are mended later cannot be told apart, and are asked about.
            left_out: if left_out.len() > LEFT_OUT_MAX { Vec::new() } else { left_out },
            base_rows: base.map_or(0, |base| base.rows),
            base_left_out: base.map(|base| base.left_out.clone()).unwrap_or_default(),
            ..self.note.clone()
        };
        // Each time that rows are stored again is a producer of its own.
        let times = if self.again { self.known.candidates().count() as u64 } else { 0 };
        let base_chain = base.map(|base| base.chain.clone()).unwrap_or_default();
        let parts: [&[u8]; 5] =
            [&push.chain, &totals.rows.to_le_bytes(), &push.base_rows.to_le_bytes(), &times.to_le_bytes(), &base_chain];
        let producer = format!("push:{:032x}", XxHash3_128::oneshot(&parts.concat()));
        let selection = Selection::new(RowCover::all(), base.map(RowCover::of));
        Segment { push: Push { producer, ..push }, selection, is_noted: false }
    }
}

impl Segment {
    /// Rows that are its own.
    pub(crate) fn rows(&self) -> u64 {
        self.push.rows.saturating_sub(self.push.base_rows)
    }

    /// The rows of a push that was noted, without those of its base.
    fn noted(push: &Push) -> Self {
        let base = (push.base_rows > 0).then(|| RowCover::of_base(push));
        Self { push: push.clone(), selection: Selection::new(RowCover::of(push), base), is_noted: true }
    }
}

fn told(push: &Push) -> String {
    let begun =
        DateTime::from_timestamp_micros(push.begun_us).map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string());
    format!("{:?} on {}", push.file, begun.unwrap_or_default())
}

/// Rows that could not be read of which the positions are noted.
const LEFT_OUT_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::look::Look;
    use crate::mapping::declaration::Mapping;
    use crate::recordings::{ENERGY, wire};
    use crate::source::open::{OpenSource, PushInput};

    fn rows(count: u32) -> String {
        (0..count).map(|n| format!("2026-01-01T00:00:{n:02}Z,m,{n}.5\n")).collect()
    }

    fn known(text: &str, mapping: &Mapping, candidates: &[Push]) -> Known {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let source = OpenSource::open(&PushInput::File { path, format: None }).unwrap();
        let mut known = Known::beside(candidates.to_vec());
        Look::at_rows(&source, &Arc::new(mapping.clone()), &wire(ENERGY), |read, rows| known.add(read, rows)).unwrap();
        known
    }

    fn plain() -> Mapping {
        Mapping { batch_rows: Some(4), ..Mapping::by_name("energy") }
    }

    fn plan(text: &str, mapping: &Mapping, candidates: &[Push], again: bool) -> Plan {
        let known = known(text, mapping, candidates);
        let note = Push { batch_rows: 4, file: "a.csv".into(), ..Push::default() };
        PlanArgs { known: &known, same_content: &[], same_set: candidates, note, again }.plan()
    }

    fn segments(plan: Plan) -> Vec<Segment> {
        match plan {
            Plan::Send { segments, .. } => segments,
            Plan::Ask(what) => panic!("{what}"),
        }
    }

    /// The push of a file to an empty server, when it is durable.
    fn pushed(text: &str) -> Push {
        let segments = segments(plan(text, &plain(), &[], false));
        let [segment] = &segments[..] else { panic!("{segments:?}") };
        Push { is_done: true, ..segment.push.clone() }
    }

    fn file(rows: &str) -> String {
        format!("time,device,active_energy\n{rows}")
    }

    #[test]
    fn a_file_that_has_grown_sends_the_rows_behind_those_that_are_there() {
        let first = pushed(&file(&rows(10)));
        let mut planned = segments(plan(&file(&rows(13)), &plain(), std::slice::from_ref(&first), false));
        assert_eq!(planned.len(), 2);
        assert_eq!((planned[0].push.producer.as_str(), planned[0].is_noted), (first.producer.as_str(), true));
        assert_eq!((planned[1].rows(), planned[1].push.base_rows, planned[1].push.rows), (3, 10, 13));
        assert_ne!(planned[1].push.producer, first.producer);
        let taken = planned[1].selection.next(13, &[]);
        assert_eq!(taken.iter().position(|taken| *taken), Some(10));
        // The same file again, and one that was cut short, have nothing new.
        let second = Push { is_done: true, ..planned[1].push.clone() };
        let again = segments(plan(&file(&rows(13)), &plain(), &[first.clone(), second.clone()], false));
        assert_eq!(again.iter().map(|segment| &segment.push).collect::<Vec<_>>(), [&second]);
    }

    #[test]
    fn a_row_that_was_mended_is_sent_alone() {
        let bad = rows(6).replace("00:00:02Z", "00:00:72Z");
        let first = pushed(&file(&bad));
        assert_eq!((first.rows, first.left_out.as_slice()), (5, &[2][..]));
        let mut planned = segments(plan(&file(&rows(7)), &plain(), &[first], false));
        assert_eq!((planned.len(), planned[1].rows()), (2, 2));
        assert_eq!(planned[1].selection.next(7, &[]), [false, false, true, false, false, false, true]);
    }

    #[test]
    fn other_bytes_with_the_same_rows_are_the_same_push_and_other_rows_are_asked_about() {
        let text = file(&rows(6));
        let first = pushed(&text);
        let german = Mapping { delimiter: Some(";".into()), decimal_comma: true, ..plain() };
        let comma = text.replace(',', ";").replace(".5", ",5");
        let columns: String =
            text.lines().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",") + "\r\n").collect();
        for (text, mapping) in [(comma, german), (columns, plain()), (format!("\u{FEFF}{text}"), plain())] {
            let planned = segments(plan(&text, &mapping, std::slice::from_ref(&first), false));
            assert_eq!(planned.iter().map(|segment| &segment.push.producer).collect::<Vec<_>>(), [&first.producer]);
        }
        let mut lines: Vec<&str> = text.lines().skip(1).collect();
        lines.reverse();
        let reordered = file(&(lines.join("\n") + "\n"));
        let changed = text.replace("4.5", "4.6");
        let scaled = Mapping {
            columns: [("active_energy".to_owned(), crate::ColumnMapping::Field("active_energy".into()))].into(),
            decimal_comma: false,
            ..plain()
        };
        for (text, words) in [(reordered, "another order"), (changed, "its first row is that of \"a.csv\"")] {
            let Plan::Ask(what) = plan(&text, &scaled, std::slice::from_ref(&first), false) else { panic!("{words}") };
            assert!(what.contains(words) && what.contains("--again"), "{what}");
            let again = segments(plan(&text, &plain(), std::slice::from_ref(&first), true));
            assert!(again.len() == 1 && again[0].rows() == 6 && again[0].push.producer != first.producer);
        }
        assert_eq!(segments(plan(&file(""), &plain(), &[], false)).len(), 0, "a file without rows sends nothing");
    }
}
