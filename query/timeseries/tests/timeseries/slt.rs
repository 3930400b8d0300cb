//! Runs the files in `tests/slt`. Each record is a statement and what it answers, records divided by an empty line:
//!
//! ```text
//! zone Europe/Berlin the zone of the session for the records below
//! query              the lines below ---- are the rows, in their order, cells joined by ` | `
//! error words        the statement fails, and its message has these words
//! # a comment
//! ```

use std::path::Path;

use crate::bed::Session;

#[tokio::test]
async fn every_statement_of_the_slt_files_answers_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut records, mut wrong) = (0, Vec::new());
    for file in files {
        let mut session = Session::new("UTC");
        for record in std::fs::read_to_string(&file).unwrap().split("\n\n") {
            let lines: Vec<&str> = record.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
            match lines.split_first() {
                None => {}
                Some((head, _)) if head.starts_with("zone ") => session = Session::new(&head[5..]),
                Some((head, body)) => {
                    records += 1;
                    if let Err(difference) = check(&session, head, body).await {
                        wrong.push(format!("{}: {difference}", file.file_name().unwrap().display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(records > 40, "{records} records were found");
}

async fn check(session: &Session, head: &str, body: &[&str]) -> Result<(), String> {
    let end = body.iter().position(|line| *line == "----").unwrap_or(body.len());
    let sql = body[..end].join("\n");
    let found = session.rows(&sql).await;
    let wanted: Vec<&str> = body.iter().skip(end + 1).copied().collect();
    match (head.split_once(' ').unwrap_or((head, "")), found) {
        (("query", _), Ok(found)) => {
            let found: Vec<String> = found.iter().map(|row| row.join(" | ")).collect();
            if found == wanted { Ok(()) } else { Err(format!("{sql}\n---- found\n{}", found.join("\n"))) }
        }
        (("error", words), Err(error)) if error.to_string().contains(words) => Ok(()),
        (_, Ok(found)) => Err(format!("{sql}\n---- found, where an error was expected\n{found:?}")),
        (_, Err(error)) => Err(format!("{sql}\n---- error\n{error}")),
    }
}
