//! The interactive prompt: lines are gathered until a semicolon ends a query; answers are tables.

use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::client::Client;
use super::format::Format;
use super::input::query_end;
use crate::error::CliError;

/// Asks until the end of input or `\q`. A query that fails says so and harms nothing.
///
/// # Errors
/// Where the terminal cannot be used.
pub(crate) fn run(client: &Client) -> Result<(), CliError> {
    let mut editor = DefaultEditor::new().map_err(CliError::failed)?;
    let history = history_file();
    if let Some(path) = &history {
        // A missing history is an empty one.
        drop(editor.load_history(path));
    }
    println!("A semicolon ends a query; \\? tells more; \\q leaves.");
    let mut typed = String::new();
    loop {
        match editor.readline(if typed.is_empty() { "zonelake> " } else { "     ...> " }) {
            Ok(line) if typed.is_empty() && line.trim_start().starts_with('\\') => {
                remember(&mut editor, line.trim());
                match Shorthand::read(line.trim()) {
                    Shorthand::Leave => break,
                    Shorthand::Say(words) => println!("{words}"),
                    Shorthand::Ask(query) => ask(client, &query),
                }
            }
            Ok(line) => {
                typed.push_str(&line);
                typed.push('\n');
                while let Some(end) = query_end(&typed) {
                    let query: String = typed.drain(..=end).collect();
                    remember(&mut editor, query.trim());
                    ask(client, query.trim_end_matches(';').trim());
                }
                if typed.trim().is_empty() {
                    typed.clear();
                }
            }
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(CliError::failed(error)),
        }
    }
    match history.map(|path| editor.save_history(&path)) {
        Some(Err(error)) => Err(CliError::failed(format!("cannot keep the history: {error}"))),
        _ => Ok(()),
    }
}

fn ask(client: &Client, query: &str) {
    if query.is_empty() {
        return;
    }
    if let Err(failure) = client.write_answer(query, Format::Table, &mut std::io::stdout()) {
        eprintln!("{failure}");
    }
}

fn remember(editor: &mut DefaultEditor, entry: &str) {
    // The history in memory cannot fail to take an entry.
    drop(editor.add_history_entry(entry));
}

/// Where the history is kept: `ZONELAKE_HISTORY`, or a file in the home folder; an empty name keeps none.
fn history_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ZONELAKE_HISTORY") {
        return (!path.is_empty()).then(|| path.into());
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".zonelake_history"))
}

/// What a line with a backslash stands for.
#[derive(Debug, PartialEq)]
enum Shorthand {
    Leave,
    Say(&'static str),
    Ask(String),
}

impl Shorthand {
    fn read(line: &str) -> Self {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("\\q"), None) => Self::Leave,
            (Some("\\d" | "\\dt"), None) => Self::Ask("show tables".into()),
            (Some("\\d"), Some(table)) => Self::Ask(columns_of(table.trim_end_matches(';'))),
            (Some("\\?" | "\\h"), None) => Self::Say(HELP),
            _ => Self::Say("There is no such shorthand; \\? lists them."),
        }
    }
}

fn columns_of(table: &str) -> String {
    format!(
        "select c.column_name, c.data_type, f.unit, f.description from information_schema.columns c \
         left join fields f on f.table_name = c.table_name and f.field = c.column_name \
         where c.table_name = '{}' order by c.ordinal_position",
        table.replace('\'', "''")
    )
}

const HELP: &str = "  \\d        the tables
  \\d TABLE  the columns of a table
  \\q        leave
  Ctrl-C    forget what is typed
Queries end with a semicolon and may have several lines. The history is kept in ~/.zonelake_history (or ZONELAKE_HISTORY).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_stand_for_queries() {
        assert_eq!(Shorthand::read("\\q"), Shorthand::Leave);
        assert_eq!(Shorthand::read("\\dt"), Shorthand::Ask("show tables".into()));
        let Shorthand::Ask(query) = Shorthand::read("\\d o'clock;") else { panic!("it is a question") };
        assert!(query.contains("c.table_name = 'o''clock' order"), "{query}");
        assert!(matches!(Shorthand::read("\\x"), Shorthand::Say(words) if words.contains("no such")));
    }
}
