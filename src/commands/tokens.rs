//! `zonelake gateway token` and `zonelake role token`: several tokens of one owner, so that one takes the place of another without
//! an outage.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddToken, AddedToken, TokenItem, TokenList};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str =
    "To replace a token: add one, give it to its client, and revoke the old one; or let all others end after a time.

Examples:
  zonelake gateway token add formosa-1 --expires-days 365 --others-end-hours 24
  zonelake gateway token list formosa-1
  zonelake gateway token revoke formosa-1 first
  zonelake role token add grafana --name dashboard-2";

/// Tokens of a gateway or a role
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum TokenCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a token beside those that there are; it goes to standard output, this once
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the tokens; those that hold no more too
    List(ListOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Revoke a token; what runs under it ends within a second
    Revoke(RevokeOptions),
}

/// Options of `token add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// Name of the gateway or role
    pub of: String,

    /// Name of the token; without one it is called after its number
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Days after which it expires; without them it holds until it is revoked
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    pub expires_days: Option<u64>,

    /// Hours after which the other tokens of the same gateway or role end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=876_000))]
    pub others_end_hours: Option<u64>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `token list`.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Name of the gateway or role
    pub of: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `token revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    /// Name of the gateway or role
    pub of: String,

    /// Name of the token
    pub token: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Changes or lists tokens of owners below a resource, `gateways` or `roles`.
///
/// # Errors
/// Where there is no registry, or no such owner or token.
pub(crate) fn run(resource: &str, command: &TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::Add(options) => {
            let body = AddToken {
                name: options.name.clone(),
                expires_seconds: options.expires_days.map(|days| days * 24 * 60 * 60),
                others_end_seconds: options.others_end_hours.map(|hours| hours * 60 * 60),
            };
            let path = [resource, &options.of, TOKENS];
            let added: AddedToken = Control::open(&options.control)?.post(&path, &body)?;
            let end = added.item.expires_us.map_or(String::new(), |us| format!(", until {} UTC", minute(us)));
            eprintln!("Token {} of {} is added{end}. It is not shown again:", added.item.name, options.of);
            writeln!(std::io::stdout(), "{}", added.token).map_err(CliError::failed)
        }
        TokenCommand::List(options) => {
            let list: TokenList = Control::open(&options.control)?.get(&[resource, &options.of, TOKENS])?;
            print(&list.tokens)
        }
        TokenCommand::Revoke(options) => {
            let path = [resource, &options.of, TOKENS, &options.token];
            Control::open(&options.control)?.delete(&path)?;
            eprintln!("Token {} of {} is revoked; it opens nothing more.", options.token, options.of);
            Ok(())
        }
    }
}

fn print(tokens: &[TokenItem]) -> Result<(), CliError> {
    let width = tokens.iter().map(|token| token.name.chars().count()).max().unwrap_or(0).max(NAME.len());
    let mut out = std::io::stdout().lock();
    let mut line = |cells: [&str; 6]| {
        let [name, state, made, by, expires, used] = cells;
        writeln!(out, "{name:width$}  {state:7}  {made:16}  {by:16}  {expires:16}  {used}").map_err(CliError::failed)
    };
    line([NAME, "state", "added (UTC)", "by", "expires", "last used"])?;
    for token in tokens {
        let time = |us: Option<i64>| us.map_or("-".to_owned(), minute);
        let by = if token.created_by.is_empty() { "-" } else { &token.created_by };
        let times = [Some(token.created_us), token.expires_us, token.last_used_us].map(time);
        line([&token.name, &token.state, &times[0], by, &times[1], &times[2]])?;
    }
    Ok(())
}

/// Resource of the tokens of an owner.
const TOKENS: &str = "tokens";
const NAME: &str = "token";

/// An instant to the minute, UTC.
pub(crate) fn minute(us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(us)
        .map_or_else(|| us.to_string(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}
