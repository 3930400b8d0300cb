//! A chain that is read back, from files and WAL in any order.

use std::collections::BTreeMap;

use crate::audit::chain::{ChainEnd, EntryHash, hash_of};
use crate::audit::row::AuditRow;

/// What is kept of an entry: its hashes, if it is what its own hash says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    previous: EntryHash,
    hash: EntryHash,
    time_us: i64,
}

/// Chain under check. About a hundred bytes of each entry are in memory.
#[derive(Debug, Default)]
pub struct ChainCheck {
    links: BTreeMap<i64, Link>,
    /// The first entry that is not what its hash says, or stands twice with other content.
    wrong: Option<(i64, &'static str)>,
}

impl ChainCheck {
    /// Takes an entry. One that stands in a file and in the WAL is the same twice.
    pub fn take(&mut self, row: &AuditRow) {
        let hashes = row.previous.parse::<EntryHash>().ok().zip(row.hash.parse::<EntryHash>().ok());
        let Some((previous, hash)) = hashes.filter(|_| row.sequence > 0) else {
            return self.note_wrong(row.sequence, "it has no number or no hash");
        };
        if hash_of(&previous, row.sequence, row.time_us, &row.texts) != hash {
            return self.note_wrong(row.sequence, "it is not what its hash says: it was changed");
        }
        let link = Link { previous, hash, time_us: row.time_us };
        if self.links.insert(row.sequence, link).is_some_and(|other| other != link) {
            self.note_wrong(row.sequence, "there are two of this number");
        }
    }

    /// Number of entries that are what their hashes say.
    pub fn len(&self) -> u64 {
        self.links.len() as u64
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The end of the chain. Where retention removes entries it may begin later than with the first one.
    ///
    /// # Errors
    /// The first entry that does not fit, in words.
    pub fn finish(&self, may_begin_later: bool) -> Result<ChainEnd, String> {
        let mut end = ChainEnd::default();
        let mut first_wrong = None;
        for (&sequence, link) in &self.links {
            let is_first = end.sequence == 0;
            if sequence != end.sequence + 1 && !(is_first && may_begin_later) {
                first_wrong = Some((end.sequence + 1, "it is missing"));
                break;
            }
            if link.previous != end.hash && !(is_first && sequence > 1) {
                first_wrong = Some((sequence, "it does not follow the entry before it"));
                break;
            }
            end = ChainEnd { sequence, hash: link.hash, time_us: link.time_us };
        }
        // An entry that was changed is missing, too, and says more.
        let named = match (first_wrong, self.wrong) {
            (Some(missing), Some(wrong)) if wrong.0 > missing.0 => Some(missing),
            (missing, wrong) => wrong.or(missing),
        };
        match named {
            Some((sequence, why)) => Err(format!("entry {sequence} does not fit: {why}")),
            None => Ok(end),
        }
    }

    fn note_wrong(&mut self, sequence: i64, why: &'static str) {
        if self.wrong.is_none_or(|(other, _)| sequence < other) {
            self.wrong = Some((sequence, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::audit::{AuditEntry, AuditOutcome};

    use super::*;

    fn chain(entries: i64) -> Vec<AuditRow> {
        let mut end = ChainEnd::default();
        let next = |number: i64| {
            let entry = AuditEntry::new("http", "sign_in", AuditOutcome::Allowed).about(number.to_string());
            let row = end.followed_by(entry, number);
            end = ChainEnd::behind(&row).expect("a row that was made has a hash");
            row
        };
        (1..=entries).map(next).collect()
    }

    fn checked(rows: &[AuditRow], may_begin_later: bool) -> Result<i64, String> {
        let mut check = ChainCheck::default();
        rows.iter().for_each(|row| check.take(row));
        check.finish(may_begin_later).map(|end| end.sequence)
    }

    /// The same entry with another content and the hash of it, as somebody makes it who knows how.
    fn forged(row: &AuditRow) -> AuditRow {
        let mut row = row.clone();
        row.texts[5] = Some("another".to_owned());
        let previous = row.previous.parse().expect("a hash");
        row.hash = hash_of(&previous, row.sequence, row.time_us, &row.texts).to_string();
        row
    }

    #[test]
    fn a_chain_is_sound_in_any_order_and_where_rows_stand_twice() {
        let mut rows = chain(20);
        assert_eq!(checked(&rows, false), Ok(20));
        rows.reverse();
        rows.extend(chain(3));
        assert_eq!(checked(&rows, false), Ok(20));
        assert_eq!(checked(&[], false), Ok(0));
    }

    #[test]
    fn whatever_is_changed_taken_out_or_put_in_is_named_by_the_first_entry_that_does_not_fit() {
        let rows = chain(9);
        for at in 0..9 {
            let number = at as i64 + 1;
            for text in 0..9 {
                let mut changed = rows.clone();
                changed[at].texts[text] = Some("changed".to_owned());
                let said = checked(&changed, false).expect_err("it was changed");
                assert!(said.starts_with(&format!("entry {number} ")) && said.contains("was changed"), "{said}");
            }
            let mut moved = rows.clone();
            moved[at].time_us += 1;
            let said = checked(&moved, false).expect_err("its time was changed");
            assert!(said.starts_with(&format!("entry {number} ")), "{said}");
            let mut forgery = rows.clone();
            forgery[at] = forged(&rows[at]);
            let said = checked(&forgery, false);
            // Nothing follows the last one yet: what an auditor has noted of the end tells.
            match at {
                8 => assert_eq!(said, Ok(9)),
                _ => {
                    let said = said.expect_err("the entry behind it does not follow");
                    assert!(said.starts_with(&format!("entry {} ", number + 1)), "{said}");
                }
            }
            let mut without = rows.clone();
            without.remove(at);
            let said = checked(&without, false);
            match at {
                8 => assert_eq!(said, Ok(8)),
                _ => assert_eq!(said, Err(format!("entry {number} does not fit: it is missing"))),
            }
        }
        let mut twice = rows.clone();
        twice.push(forged(&rows[4]));
        let said = checked(&twice, false).expect_err("there are two of a number");
        assert!(said.starts_with("entry 5 ") && said.contains("two of this number"), "{said}");
    }

    #[test]
    fn a_chain_may_begin_later_where_retention_removes_its_beginning_and_has_no_other_gap() {
        let rows = chain(9);
        assert_eq!(checked(&rows[4..], true), Ok(9));
        assert_eq!(checked(&rows[4..], false), Err("entry 1 does not fit: it is missing".to_owned()));
        let mut gap = rows.clone();
        gap.remove(6);
        assert_eq!(checked(&gap[2..], true), Err("entry 7 does not fit: it is missing".to_owned()));
    }
}
