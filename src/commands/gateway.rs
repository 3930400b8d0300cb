//! `zonelake gateway`: credentials of gateways, in a running server or in the folder of a stopped one.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddGateway, AddedGateway, GatewayItem, GatewayList};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "Examples:
  TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake gateway list
  zonelake gateway revoke formosa-1";

/// Add, list and revoke the credentials of gateways
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum GatewayCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a gateway to a zone; its token goes to standard output, this once
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the gateways
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Revoke the token of a gateway; what it has sent stays
    Revoke(RevokeOptions),
}

/// Options of `gateway add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// Name of the gateway, unique on the server
    pub name: String,

    /// Code of the zone that it sends for, as vung-ang; SQL: select code from zones
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `gateway revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    /// Name of the gateway
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Changes or lists credentials.
///
/// # Errors
/// Where there is no registry, the zone or the gateway is not known, or the name is taken.
pub(crate) fn run(command: &GatewayCommand) -> Result<(), CliError> {
    match command {
        GatewayCommand::Add(options) => add(options),
        GatewayCommand::List(control) => {
            let list: GatewayList = Control::open(control)?.get(&[GATEWAYS])?;
            print(&list.gateways)
        }
        GatewayCommand::Revoke(options) => {
            Control::open(&options.control)?.delete(&[GATEWAYS, &options.name])?;
            eprintln!("Gateway {} is revoked; its token opens nothing more.", options.name);
            Ok(())
        }
    }
}

fn add(options: &AddOptions) -> Result<(), CliError> {
    let body = AddGateway { name: options.name.clone(), zone: options.zone.clone() };
    let added: AddedGateway = Control::open(&options.control)?.post(&[GATEWAYS], &body)?;
    eprintln!("Gateway {} of zone {} is added. Its token, which is not shown again:", options.name, options.zone);
    writeln!(std::io::stdout(), "{}", added.token).map_err(CliError::failed)
}

fn print(gateways: &[GatewayItem]) -> Result<(), CliError> {
    let width = gateways.iter().map(|gateway| gateway.name.chars().count()).max().unwrap_or(0).max(NAME.len());
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, zone: &str, added: &str, state: &str| {
        writeln!(out, "{name:width$}  {zone:24}  {added:20}  {state}").map_err(CliError::failed)
    };
    line(NAME, "zone", "added (UTC)", "state")?;
    for gateway in gateways {
        let zone = format!("{}/{}", gateway.province, gateway.zone);
        let state = gateway.revoked_us.map_or("active".to_owned(), |us| format!("revoked {}", minute(us)));
        line(&gateway.name, &zone, &minute(gateway.created_us), &state)?;
    }
    Ok(())
}

/// Resource of the gateways.
const GATEWAYS: &str = "gateways";
const NAME: &str = "gateway";

/// An instant to the minute, UTC.
fn minute(us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(us)
        .map_or_else(|| us.to_string(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}
