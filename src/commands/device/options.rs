//! What `zonelake device` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use zonelake_registry::{DeviceState, Position};

use crate::error::long_help;
use crate::registry_access::ControlOptions;

const EXAMPLES: &str =
    "A device is the measuring point of its name in a zone: another serial number says that the device there was replaced, and its
series goes on. In an import a column that is absent leaves what is said, and an empty cell takes it away.

Examples:
  zonelake device list --zone vung-ang --state announced
  zonelake device policy vung-ang wait
  zonelake device approve stack-1 stack-2 --zone vung-ang
  zonelake device set stack-1 --zone vung-ang --kind 'stack analyser' --serial A-17 --interval 60 --tag boiler
  zonelake device set stack-1 --zone vung-ang --state maintenance
  zonelake device show stack-1 --zone vung-ang
  zonelake device retire stack-2 --zone vung-ang
  zonelake device export --zone vung-ang > devices.csv
  zonelake device import devices.csv --dry-run";

/// List, describe, approve and retire devices, and import and export them
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum DeviceCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List devices with their states, those that wait for approval among them
    List(ListOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Show what is said of a device, and what has changed
    Show(NameOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Say something of a device; what is not given stays, and an empty value takes away
    Set(SetOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Approve devices: their rows are stored from then on, and those that were kept are stored now where a server runs
    Approve(NamesOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Retire devices: further rows of them are rejected and kept, and those of before stay
    Retire(NamesOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Take devices and what is said of them from a file: all of them or none
    Import(ImportOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Write devices to standard output, as import takes them
    Export(ExportOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Say what becomes of devices of a zone that nobody knows
    Policy(PolicyOptions),
}

/// Devices that a command is about.
#[derive(Debug, Args)]
pub(crate) struct SelectionOptions {
    /// Code of the zone; not given: all zones
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// State of the devices; not given: all of them
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<DeviceState>,
}

/// Options of `device list`.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub selection: SelectionOptions,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device show`.
#[derive(Debug, Args)]
pub(crate) struct NameOptions {
    /// Name of the device
    pub name: String,

    /// Code of its zone
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device approve` and `device retire`.
#[derive(Debug, Args)]
pub(crate) struct NamesOptions {
    /// Names of the devices
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,

    /// Code of their zone
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device set`.
#[derive(Debug, Args)]
pub(crate) struct SetOptions {
    /// Name of the device
    pub name: String,

    /// Code of its zone
    #[arg(long, value_name = "CODE")]
    pub zone: String,

    /// State: approved, maintenance or retired
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<DeviceState>,

    /// Code of its site; rows of before stay where they were measured
    #[arg(long, value_name = "CODE")]
    pub site: Option<String>,

    /// What it is, as 'stack analyser'
    #[arg(long)]
    pub kind: Option<String>,

    /// Maker and type
    #[arg(long)]
    pub model: Option<String>,

    /// Serial number; another one says that the device was replaced
    #[arg(long)]
    pub serial: Option<String>,

    /// Who it belongs to
    #[arg(long)]
    pub owner: Option<String>,

    /// Where it stands: degrees north and east, as 18.0912,106.3841
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    pub position: Option<String>,

    /// A tag; may be given several times, and all of them are the tags from then on
    #[arg(long = "tag", value_name = "TAG", id = "tags")]
    pub tags: Vec<String>,

    /// Seconds between two of its rows; 0 takes it away
    #[arg(long, value_name = "SECONDS")]
    pub interval: Option<u32>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device import`.
#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// File with the devices, or - for standard input
    pub file: PathBuf,

    /// Format of the file; without it its name says so: .json, else CSV
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Check the devices and say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device export`.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    #[command(flatten)]
    pub selection: SelectionOptions,

    /// Format of the output
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `device policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyOptions {
    /// Code of the zone
    pub zone: String,

    /// What becomes of devices that nobody knows
    #[arg(value_enum)]
    pub policy: Policy,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// What becomes of devices that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// They register themselves, and their rows are stored at once
    Register,
    /// They wait for approval, and their rows are rejected and kept until then
    Wait,
}

/// Format of devices in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated cells, with a header; tags have a semicolon between them
    Csv,
    /// A list of objects, one a device
    Json,
}

fn state(name: &str) -> Result<DeviceState, String> {
    DeviceState::from_name(name).ok_or_else(|| {
        let names: Vec<_> = DeviceState::ALL.into_iter().map(DeviceState::name).collect();
        format!("a state is {}", names.join(", "))
    })
}

/// The position of a text, as `18.0912,106.3841`.
pub(super) fn position(text: &str) -> Result<Position, String> {
    let numbers = text.split_once(',').and_then(|(latitude, longitude)| {
        Some(Position { latitude: latitude.trim().parse().ok()?, longitude: longitude.trim().parse().ok()? })
    });
    numbers.ok_or_else(|| format!("{text:?} is no position: degrees north and east, as 18.0912,106.3841"))
}
