//! The statements in `tests/postgres_corpus`, each with the answer that PostgreSQL 15 gave:
//!
//! ```text
//! SET TIME ZONE 'UTC';      for the statements below
//! select …;                 a statement, on one line
//! -- differs: why           the next statement is answered otherwise on purpose
//! -- ours: a|b              a row of that answer, or `error`
//! ```
//!
//! The answers are in files beside them: `> ` and the statement, its rows, or `! error`.

use std::path::{Path, PathBuf};

use crate::session::Session;

/// A statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) zone: String,
    /// Our rows, where they differ on purpose.
    pub(crate) ours: Option<Vec<String>>,
}

/// A file of statements.
#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) path: PathBuf,
    pub(crate) statements: Vec<Statement>,
}

impl Corpus {
    /// All files.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres_corpus");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "sql")).collect();
        files.sort();
        files.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Self {
        let (mut zone, mut ours, mut statements) = ("UTC".to_owned(), None, Vec::new());
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(set) = line.strip_prefix("SET TIME ZONE '") {
                zone = set.trim_end_matches("';").to_owned();
            } else if let Some(row) = line.strip_prefix("-- ours: ") {
                ours.get_or_insert_with(Vec::new).push(row.to_owned());
            } else if let Some(sql) = line.strip_suffix(';') {
                statements.push(Statement { sql: sql.to_owned(), zone: zone.clone(), ours: ours.take() });
            } else {
                assert!(line.is_empty() || line.starts_with("--"), "{line}");
            }
        }
        Self { path, statements }
    }

    /// Where the answers are.
    pub(crate) fn answers_path(&self) -> PathBuf {
        self.path.with_extension("answers")
    }

    /// The answers that are recorded, by statement.
    pub(crate) fn answers(&self) -> Vec<Vec<String>> {
        let recorded = std::fs::read_to_string(self.answers_path()).unwrap();
        let mut answers: Vec<(String, Vec<String>)> = Vec::new();
        for line in recorded.lines() {
            match (line.strip_prefix("> "), answers.last_mut()) {
                (Some(sql), _) => answers.push((sql.to_owned(), Vec::new())),
                (None, Some((_, rows))) => rows.push(line.to_owned()),
                (None, None) => panic!("{line} belongs to no statement"),
            }
        }
        let recorded: Vec<&String> = answers.iter().map(|(sql, _)| sql).collect();
        let wanted: Vec<&String> = self.statements.iter().map(|statement| &statement.sql).collect();
        assert_eq!(recorded, wanted, "{}: record the answers again", self.path.display());
        answers.into_iter().map(|(_, rows)| rows).collect()
    }
}

/// Cells are the same text, or the same number.
fn same(found: &[String], wanted: &[String]) -> bool {
    let same_cell = |(found, wanted): (&str, &str)| {
        found == wanted
            || matches!((found.parse::<f64>(), wanted.parse::<f64>()), (Ok(a), Ok(b)) if a == b || a.is_nan() && b.is_nan())
    };
    let same_row = |(found, wanted): (&String, &String)| {
        found.split('|').count() == wanted.split('|').count() && found.split('|').zip(wanted.split('|')).all(same_cell)
    };
    found.len() == wanted.len() && found.iter().zip(wanted).all(same_row)
}

#[tokio::test]
async fn every_statement_of_the_corpus_is_answered_as_postgresql_answered_it() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for corpus in Corpus::all() {
        let mut session = Session::new("UTC");
        let mut zone = "UTC".to_owned();
        for (statement, answer) in corpus.statements.iter().zip(corpus.answers()) {
            if statement.zone != zone {
                (session, zone) = (Session::new(&statement.zone), statement.zone.clone());
            }
            count += 1;
            let found = match session.rows(&statement.sql).await {
                Ok(rows) => rows.into_iter().map(|row| row.join("|")).collect(),
                Err(error) => vec![format!("! error {error}")],
            };
            let failed = found.first().is_some_and(|row| row.starts_with("! error"));
            let wanted = statement.ours.as_ref().unwrap_or(&answer);
            let should_fail = wanted.first().is_some_and(|row| row.starts_with("! error") || row == "error");
            if !(failed && should_fail || same(&found, wanted)) {
                wrong.push(format!("[{zone}] {}\n  wanted {wanted:?}\n  found  {found:?}", statement.sql));
            }
            if statement.ours.is_some() && same(&found, &answer) {
                wrong.push(format!("{}: no longer differs", statement.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 200, "{count} statements");
}
