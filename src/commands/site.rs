//! `zonelake site`: places within zones, in a running server or in the folder of a stopped one.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddSite, SiteItem, SiteList};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "Examples:
  zonelake site add steel-works --zone vung-ang --name 'Steel works, north gate'
  zonelake site list
  zonelake site add harbour --zone vung-ang --server https://zonelake.example:7421";

/// Add and list the sites of zones: plants and ports, where devices are
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum SiteCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a site to a zone; rows that name it are stored from that moment on
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the sites
    List(ControlOptions),
}

/// Options of `site add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// Code of the site, unique in its zone, as steel-works
    pub code: String,

    /// Code of the zone, as vung-ang; SQL: select code from zones
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    /// Name for people; without it the code
    #[arg(long)]
    pub name: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Adds or lists.
///
/// # Errors
/// Where there is no registry, the zone is not known, or it has the site already.
pub(crate) fn run(command: &SiteCommand) -> Result<(), CliError> {
    match command {
        SiteCommand::Add(options) => {
            let (zone, code) = (options.zone.clone(), options.code.clone());
            let site = AddSite { name: options.name.clone().unwrap_or_else(|| code.clone()), zone, code };
            let added: AddSite = Control::open(&options.control)?.post(&[SITES], &site)?;
            eprintln!("Site {} of zone {} is added.", added.code, added.zone);
            Ok(())
        }
        SiteCommand::List(control) => {
            let list: SiteList = Control::open(control)?.get(&[SITES])?;
            print(&list.sites)
        }
    }
}

fn print(sites: &[SiteItem]) -> Result<(), CliError> {
    let width = sites.iter().map(|site| site.code.chars().count()).max().unwrap_or(0).max(CODE.len());
    let mut out = std::io::stdout().lock();
    let mut line = |code: &str, zone: &str, name: &str| {
        writeln!(out, "{code:width$}  {zone:24}  {name}").map_err(CliError::failed)
    };
    line(CODE, "zone", "name")?;
    for site in sites {
        line(&site.code, &format!("{}/{}", site.province, site.zone), &site.name)?;
    }
    Ok(())
}

/// Resource of the sites.
const SITES: &str = "sites";
const CODE: &str = "site";
