//! `zonelake sql`: one query, a file of queries, standard input or a prompt.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::client::{Client, ClientOptions};
use super::format::Format;
use super::input::split_queries;
use super::prompt;
use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  export ZONELAKE_PASSWORD=…
  zonelake sql
  zonelake sql -c \"select zone, count(*) from environment group by zone\"
  zonelake sql -f questions.sql --format csv -o answers.csv
  zonelake sql -c \"select * from energy where date = '2026-01-01'\" --format parquet -o energy.parquet

Queries of a file or of standard input end with a semicolon each. SQL is read-only.";

/// Ask a server in SQL: one query, a file of queries, standard input, or a prompt with history
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
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

/// Asks what the options say.
///
/// # Errors
/// Where a query is refused or fails, the server cannot be reached, or a file cannot be read or written.
pub(crate) fn run(options: &SqlOptions) -> Result<(), CliError> {
    let client = Client::new(&options.client)?;
    let text = match (&options.command, &options.file) {
        (Some(command), _) => command.clone(),
        (None, Some(file)) if file.as_os_str() != "-" => read_file(file)?,
        (None, None) if std::io::stdin().is_terminal() => return prompt::run(&client),
        (None, _) => read_input()?,
    };
    let queries = split_queries(&text);
    if queries.is_empty() {
        return Err(CliError::input("there is no query"));
    }
    let binary = matches!(options.format, Format::Arrow | Format::Parquet);
    if binary && queries.len() > 1 {
        return Err(CliError::input(
            "Arrow and Parquet hold the answer of one query; give one, or choose another format",
        ));
    }
    let Some(path) = &options.output else {
        if binary && std::io::stdout().is_terminal() {
            return Err(CliError::input("Arrow and Parquet are not for a terminal: name a file with -o"));
        }
        return ask_all(&client, &queries, options.format, &mut std::io::stdout().lock());
    };
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot write {}: {error}", path.display()));
    let mut out = BufWriter::new(File::create(path).map_err(cannot)?);
    ask_all(&client, &queries, options.format, &mut out)?;
    out.flush().map_err(cannot)
}

fn ask_all(client: &Client, queries: &[&str], format: Format, out: &mut dyn Write) -> Result<(), CliError> {
    queries.iter().try_for_each(|query| client.write_answer(query, format, out))
}

fn read_file(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::input(format!("cannot read {}: {error}", path.display())))
}

fn read_input() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CliError::input(format!("cannot read standard input: {error}")))?;
    Ok(text)
}
