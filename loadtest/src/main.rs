#![doc = include_str!("../README.md")]
//!
//! In the order in which a run goes, a file for each part of it, hence more than fifteen:
//!
//! - [`load`]: the loads by name
//! - [`workload`]: what the simulated sensors measure
//! - [`rows`]: batches of it, encoded, and what was put into them
//! - [`server`]: the server, a process of its own
//! - [`sender`]: a gateway and its clock
//! - [`overload`]: gateways that spill to disk, and twice what can be taken
//! - [`freshness`]: from sending until a query sees it
//! - [`queries`]: heavy statements next to a load
//! - [`screens`]: clients that pull and follow live values next to it
//! - [`meter`], [`resources`]: what is measured
//! - [`sql`], [`proof`]: what is found in the end
//! - [`run`]: all of it; [`error`]: reasons why it fails
//! - [`report`], [`page`]: what is told

mod error;
mod freshness;
mod load;
mod meter;
mod overload;
mod page;
mod proof;
mod queries;
mod report;
mod resources;
mod rows;
mod run;
mod screens;
mod sender;
mod server;
mod sql;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::LoadError;
use crate::load::LoadName;
use crate::run::{Found, RunArgs};

/// Put a load on a new server on this machine and prove that nothing is lost
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo build --release && cargo run --release -p zonelake-loadtest -- doubles
  zonelake-loadtest steady --seconds 300 --report ./reports
  zonelake-loadtest doubles --readings-per-second 5e6 --connections 100 --batch-rows 1000

Batches are made while the load runs, on the same machine, at about 2 ns a reading; their cost is part of every figure.
Exit codes: 0 done and proved, 1 a part failed, 3 a reading that was acknowledged is not found exactly once."
)]
struct Options {
    /// Which load
    load: LoadName,

    /// Seconds that are measured, after 5 of warm-up
    #[arg(long)]
    seconds: Option<u64>,

    /// Readings due each second over all streams, in place of the load's own
    #[arg(long, value_name = "N")]
    readings_per_second: Option<f64>,

    /// Connections, in place of the load's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: Option<u32>,

    /// Rows of a batch, in place of the load's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=131_072))]
    batch_rows: Option<u32>,

    /// Devices over all connections, in place of the load's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: Option<u32>,

    /// Clients that ask heavy statements of the load's first table meanwhile, one after another
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000))]
    queries: u32,

    /// Clients that pull a zone's last 5 minutes of the load's first table once a second, in place of the load's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=20_000))]
    screens: Option<u32>,

    /// Clients that follow the device whose freshness is measured as a stream of events, in place of the load's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=20_000))]
    followers: Option<u32>,

    /// Most bytes that wait for their acknowledgement, each stream
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    unacked_bytes_max: usize,

    /// A setting of the server, as its environment variable; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,

    /// The server's program; without it the one beside this program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Folder in which the server's data folder is made, and removed at the end: on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target/loadtest")]
    data: PathBuf,

    /// Leave the server's data folder in place
    #[arg(long)]
    keep_data: bool,

    /// Folder for NAME.json and NAME.html
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,

    /// Do not compare everything at the end
    #[arg(long)]
    no_proof: bool,
}

/// The allocator of the server, so that the gateways cost as little.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start(&Options::parse()) {
        Ok(found) => {
            let words = match &found {
                Found::Load(report) => report.words(),
                Found::Overload(report) => report.words(),
            };
            print!("{words}");
            ExitCode::SUCCESS
        }
        Err(error @ LoadError::Proof(_)) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<Found, LoadError> {
    raise_open_files();
    let mut load = options.load.load();
    load.length = options.seconds.map_or(load.length, Duration::from_secs);
    load.screens = options.screens.map_or(load.screens, |n| n as usize);
    load.followers = options.followers.map_or(load.followers, |n| n as usize);
    load.connections = options.connections.map_or(load.connections, |n| n as usize);
    let readings: f64 = load.streams.iter().map(|plan| (plan.devices * plan.walks.len()) as f64).sum();
    for plan in &mut load.streams {
        plan.batch_rows = options.batch_rows.map_or(plan.batch_rows, |n| n as usize);
        let share = plan.devices as f64 / readings;
        plan.rows_per_second = options.readings_per_second.map(|all| all * share).or(plan.rows_per_second);
        plan.devices = options.devices.map_or(plan.devices, |n| n as usize);
    }
    let folder = run::new_folder(&options.data)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => {
            program_next_to_this().ok_or_else(|| LoadError::Server("no program beside this one; --program".into()))?
        }
    };
    let args = RunArgs {
        name: options.load,
        load,
        program,
        data: std::path::absolute(folder.path()).map_err(|error| LoadError::Server(error.to_string()))?,
        settings: options.settings.clone(),
        proof: !options.no_proof,
        queries: options.queries as usize,
        unacked_bytes_max: options.unacked_bytes_max,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| LoadError::Server(error.to_string()))?;
    let found = runtime.block_on(run::run(args));
    if options.keep_data {
        eprintln!("the server's files are in {}", folder.keep().display());
    }
    let found = found?;
    if let Some(folder) = &options.report {
        write(folder, &found)?;
    }
    Ok(found)
}

fn write(folder: &Path, found: &Found) -> Result<(), LoadError> {
    let failed = |error: String| LoadError::Report(error);
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let (name, json, page) = match found {
        Found::Load(report) => (
            report.load.to_lowercase(),
            serde_json::to_string_pretty(report),
            Some(page::page(report).map_err(failed)?),
        ),
        Found::Overload(report) => ("overload".into(), serde_json::to_string_pretty(report), None),
    };
    let json = json.map_err(|error| failed(error.to_string()))?;
    for (extension, text) in [("json", Some(json)), ("html", page)] {
        let Some(text) = text else { continue };
        let path = folder.join(format!("{name}.{extension}"));
        std::fs::write(&path, text).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// Each gateway has a socket of its own, and the server inherits the limit.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, opening the sockets says so.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}

fn program_next_to_this() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.with_file_name("zonelake");
    program.is_file().then_some(program)
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
