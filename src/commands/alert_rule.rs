//! `zonelake rule`: alert rules in a running server.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zonelake_http::{AlertRuleItem, AlertRuleList, SetAlertRule, TestAlertRule, TestedAlertRule};

use crate::commands::rules::{instant, time};
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str =
    "The server must be running. A rule is a file of TOML (docs/alerts.md); what it finds is in the table alerts.

Examples:
  zonelake rule test pm25-high.toml --from 2026-01-01 --to 2026-02-01
  zonelake rule add pm25-high.toml
  zonelake rule add pm25-high.toml --author zone-operator
  zonelake rule add pm25-high.toml --disabled
  zonelake rule list
  zonelake rule show pm25-high
  zonelake rule remove pm25-high";

/// Say what is to be found in readings as they come, or would have been in those of before
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum RuleCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a rule, or a further version of one
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List rules
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Print a rule
    Show(NameOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Remove a rule; what it has found stays
    Remove(NameOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Print when a rule would have changed its states over stored rows; nothing is stored
    Test(TestOptions),
}

/// Options of `rule add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// File of the rule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Role with whose rights it looks; without it, with all rights over the data folder, and with yours over the network
    #[arg(long, value_name = "ROLE")]
    pub author: Option<String>,

    /// Store it so that nobody looks yet
    #[arg(long)]
    pub disabled: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `rule show` and `rule remove`.
#[derive(Debug, Args)]
pub(crate) struct NameOptions {
    /// Name of the rule
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `rule test`.
#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// File of the rule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// First instant, as 2026-01-31 (UTC) or 2026-01-31T08:00:00+07:00
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: i64,

    /// Instant that is the first not looked at any more
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: i64,

    /// Role with whose rights it looks
    #[arg(long, value_name = "ROLE")]
    pub author: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Changes, lists or tests rules.
///
/// # Errors
/// Where no server runs, or the rule cannot be.
pub(crate) fn run(command: &RuleCommand) -> Result<(), CliError> {
    match command {
        RuleCommand::Add(options) => add(options),
        RuleCommand::List(control) => list(&Control::open_running(control)?.get(&[RULES])?),
        RuleCommand::Show(NameOptions { name, control }) => {
            let rule: AlertRuleItem = Control::open_running(control)?.get(&[RULES, name])?;
            write!(std::io::stdout(), "{}", rule.declaration).map_err(CliError::failed)
        }
        RuleCommand::Remove(NameOptions { name, control }) => {
            Control::open_running(control)?.delete(&[RULES, name])?;
            eprintln!("The rule {name} is removed. What it has found stays in the table alerts.");
            Ok(())
        }
        RuleCommand::Test(options) => test(options),
    }
}

fn add(options: &AddOptions) -> Result<(), CliError> {
    let AddOptions { file, author, disabled, control } = options;
    let body = SetAlertRule { declaration: read(file)?, author: author.clone(), enabled: !disabled };
    let rule: AlertRuleItem = Control::open_running(control)?.post(&[RULES], &body)?;
    let looks = if rule.enabled { "looks" } else { "is stored and does not look" };
    eprintln!("Version {} of the rule {} {looks} with the rights of {}.", rule.version, rule.name, rule.author);
    Ok(())
}

fn list(rules: &AlertRuleList) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut line = |parts: [&str; 5]| {
        let [name, version, author, looks, changed] = parts;
        writeln!(out, "{name:<32} {version:>7}  {author:<20} {looks:<5}  {changed}").map_err(CliError::failed)
    };
    line(["rule", "version", "author", "looks", "changed"])?;
    for rule in &rules.rules {
        let looks = if rule.enabled { "yes" } else { "no" };
        line([&rule.name, &rule.version.to_string(), &rule.author, looks, &time(rule.changed_us)])?;
    }
    Ok(())
}

fn test(options: &TestOptions) -> Result<(), CliError> {
    let TestOptions { file, from, to, author, control } = options;
    let body = TestAlertRule { declaration: read(file)?, author: author.clone(), from_us: *from, until_us: *to };
    let tested: TestedAlertRule = Control::open_running(control)?.post_slowly(&[RULES, "test"], &body)?;
    let mut out = std::io::stdout().lock();
    for one in &tested.transitions {
        let place = [one.zone.as_deref(), one.device.as_deref()].map(|part| part.unwrap_or("-")).join("/");
        let value = one.value.map_or_else(String::new, |value| format!(" ({value})"));
        let (at, from, to) = (time(one.time_us), &one.from_state, &one.state);
        writeln!(out, "{at} {place} {from} -> {to}{value}").map_err(CliError::failed)?;
    }
    let fired = tested.transitions.iter().filter(|one| one.state == "firing" && one.from_state != "recovering").count();
    eprintln!("It would have fired {fired} times, in {} changes of state.", tested.transitions.len());
    Ok(())
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|error| CliError::input(format!("cannot read {}: {error}", file.display())))
}

const RULES: &str = "alert-rules";
