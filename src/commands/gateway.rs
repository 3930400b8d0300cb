//! `zonelake gateway`: credentials of gateways, in a running server or in the folder of a stopped one.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddGateway, AddedGateway, GatewayItem, GatewayList, WriteGrantItem};

use crate::commands::tokens::{self, TokenCommand, minute};
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "Examples:
  TOKEN=$(zonelake gateway add formosa-1 --zone vung-ang)
  zonelake gateway list
  zonelake gateway grant formosa-1 --zone hoa-phu --table energy --devices 'meter-*'
  zonelake gateway revoke formosa-1 --zone hoa-phu --table energy --devices 'meter-*'
  zonelake gateway show formosa-1
  zonelake gateway token add formosa-1 --others-end-hours 24
  zonelake gateway revoke formosa-1";

/// Add, list and revoke gateways and their tokens
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
    /// Revoke a gateway with all its tokens, or one grant where a zone is named; what it has sent stays
    Revoke(RevokeOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Grant a gateway what it may write besides: a zone, or a table or devices of it
    Grant(GrantOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Show what a gateway may write
    Show(ShowOptions),
    #[command(subcommand)]
    /// Add, list and revoke tokens of a gateway
    Token(TokenCommand),
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

    /// Code of a zone: its grant is taken away, and the gateway stays
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// Table of the grant; without it that of all tables
    #[arg(long, value_name = "NAME", requires = "zone")]
    pub table: Option<String>,

    /// Devices of the grant, as they were granted; without them that of all devices
    #[arg(long, value_name = "NAMES", requires = "zone")]
    pub devices: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `gateway grant`.
#[derive(Debug, Args)]
pub(crate) struct GrantOptions {
    /// Name of the gateway
    pub name: String,

    /// Code of the zone
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    /// Table; without it all tables
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,

    /// Devices: a name, or its beginning with * behind it; without them all devices
    #[arg(long, value_name = "NAMES")]
    pub devices: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `gateway show`.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
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
        GatewayCommand::Grant(options) => {
            let (table, zone, devices) = (options.table.clone(), options.zone.clone(), options.devices.clone());
            let grant = WriteGrantItem { table, zone, devices };
            let path = [GATEWAYS, &options.name, "grants"];
            print_grants(&Control::open(&options.control)?.post(&path, &grant)?)
        }
        GatewayCommand::Revoke(RevokeOptions { name, zone: Some(zone), table, devices, control }) => {
            let grant = WriteGrantItem { table: table.clone(), zone: zone.clone(), devices: devices.clone() };
            print_grants(&Control::open(control)?.post(&[GATEWAYS, name, "revoke"], &grant)?)
        }
        GatewayCommand::Show(options) => {
            print_grants(&Control::open(&options.control)?.get(&[GATEWAYS, &options.name])?)
        }
        GatewayCommand::Revoke(options) => {
            Control::open(&options.control)?.delete(&[GATEWAYS, &options.name])?;
            eprintln!("Gateway {} is revoked; its tokens open nothing more.", options.name);
            Ok(())
        }
        GatewayCommand::Token(command) => tokens::run(GATEWAYS, command),
    }
}

fn add(options: &AddOptions) -> Result<(), CliError> {
    let body = AddGateway { name: options.name.clone(), zone: options.zone.clone() };
    let added: AddedGateway = Control::open(&options.control)?.post(&[GATEWAYS], &body)?;
    eprintln!("Gateway {} of zone {} is added. Its token, which is not shown again:", options.name, options.zone);
    writeln!(std::io::stdout(), "{}", added.token).map_err(CliError::failed)
}

fn print_grants(gateway: &GatewayItem) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut line = |cells: [&str; 3]| {
        let [table, zone, devices] = cells;
        writeln!(out, "{table:20}  {zone:24}  {devices}").map_err(CliError::failed)
    };
    line(["table", "zone", "devices"])?;
    for grant in &gateway.grants {
        line([grant.table.as_deref().unwrap_or("*"), &grant.zone, grant.devices.as_deref().unwrap_or("*")])?;
    }
    Ok(())
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
