//! `zonelake sql`: questions to a server.
//!
//! - [`client`]: one question over HTTP
//! - [`prompt`]: the interactive prompt

pub(crate) mod client;
mod prompt;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use client::{Client, ClientOptions};

/// Ask a server in SQL: one query, a file of queries, standard input, or a prompt with history
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ZONELAKE_PASSWORD=…
  zonelake sql
  zonelake sql -c \"select zone, count(*) from environment group by zone\"
  zonelake sql -f questions.sql --format csv -o answers.csv
  zonelake sql -c \"select * from energy where date = '2026-01-01'\" --format parquet -o energy.parquet

Queries of a file or of standard input end with a semicolon each. SQL is read-only.")]
pub(crate) struct SqlOptions {
    /// One query
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file")]
    pub command: Option<String>,

    /// File of queries; "-" is standard input
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// How answers are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    /// Where answers are written; without it, standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    pub client: ClientOptions,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables with frames, nulls as NULL
    Table,
    /// Comma-separated values with a header, nulls empty
    Csv,
    /// One JSON object: the columns with their types, and the rows as arrays
    Json,
    /// A JSON object a row, by column name
    Ndjson,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

/// Asks what the options say.
///
/// # Errors
/// Where a query is refused or fails, the server cannot be reached, or a file cannot be read or written.
pub(crate) fn run(options: &SqlOptions) -> Result<(), Failure> {
    let client = Client::new(&options.client)?;
    let text = match (&options.command, &options.file) {
        (Some(command), _) => command.clone(),
        (None, Some(file)) if file.as_os_str() != "-" => read_file(file)?,
        (None, None) if std::io::stdin().is_terminal() => return prompt::run(&client),
        (None, _) => read_input()?,
    };
    let queries = split_queries(&text);
    if queries.is_empty() {
        return Err(Failure::input("there is no query"));
    }
    let binary = matches!(options.format, Format::Arrow | Format::Parquet);
    if binary && queries.len() > 1 {
        return Err(Failure::input(
            "Arrow and Parquet hold the answer of one query; give one, or choose another format",
        ));
    }
    let Some(path) = &options.output else {
        if binary && std::io::stdout().is_terminal() {
            return Err(Failure::input("Arrow and Parquet are not for a terminal: name a file with -o"));
        }
        return ask_all(&client, &queries, options.format, &mut std::io::stdout().lock());
    };
    let cannot = |error: std::io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    let mut out = BufWriter::new(File::create(path).map_err(cannot)?);
    ask_all(&client, &queries, options.format, &mut out)?;
    out.flush().map_err(cannot)
}

fn ask_all(client: &Client, queries: &[&str], format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    queries.iter().try_for_each(|query| client.write_answer(query, format, out))
}

fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))
}

fn read_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::input(format!("cannot read standard input: {error}")))?;
    Ok(text)
}

/// Cuts a text behind each semicolon that ends a query, that is, stands outside of quotes and comments.
pub(crate) fn split_queries(text: &str) -> Vec<&str> {
    let mut queries = Vec::new();
    let mut rest = text;
    while let Some(end) = query_end(rest) {
        queries.push(&rest[..end]);
        rest = &rest[end + 1..];
    }
    queries.push(rest);
    queries.iter().map(|query| query.trim()).filter(|query| !is_blank(query)).collect()
}

/// Where the first query of a text ends: the position of its semicolon.
pub(crate) fn query_end(text: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        at += match rest.as_bytes()[0] {
            b';' => return Some(at),
            quote @ (b'\'' | b'"') => 1 + length_to(&rest[1..], char::from(quote).encode_utf8(&mut [0; 4])),
            b'-' if rest.starts_with("--") => length_to(rest, "\n"),
            b'/' if rest.starts_with("/*") => 2 + length_to(&rest[2..], "*/"),
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    None
}

/// Bytes up to and with the end mark, or all of them where there is none.
fn length_to(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

/// Whether a text has nothing but space and line comments.
fn is_blank(query: &str) -> bool {
    query.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_query_outside_of_quotes_and_comments_only() {
        let text = "select ';', \"a;b\" -- no; not here\n/* ; */ from t; select 'it''s;' ;\n-- the end;\n";
        assert_eq!(split_queries(text), ["select ';', \"a;b\" -- no; not here\n/* ; */ from t", "select 'it''s;'"]);
        assert_eq!(split_queries("select 'Hà Tĩnh'"), ["select 'Hà Tĩnh'"]);
        assert_eq!(query_end("select ';"), None);
        assert!(split_queries(" ;\n; ").is_empty());
    }
}
