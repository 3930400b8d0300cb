//! What each command of `zonelake device` does.

use std::io::{Read, Write};

use zonelake_http::{
    DeviceItem, DeviceList, DevicePage, DevicePolicy, ImportDevices, ImportedDeviceList, KeptDeviceRows, NewDevices,
    SetDevice,
};
use zonelake_registry::{Change, DeviceChanges, DeviceState};

use super::file::{csv_of, json_of, lines_of_csv, lines_of_json};
use super::options::{
    DeviceCommand, ExportOptions, Format, ImportOptions, ListOptions, NameOptions, NamesOptions, Policy, PolicyOptions,
    SelectionOptions, SetOptions, position,
};
use crate::commands::tokens::minute;
use crate::error::CliError;
use crate::registry_access::Control;

/// Lists, describes, imports or exports devices.
///
/// # Errors
/// Where there is no registry, a zone or device is not known, a state does not follow, or a line is wrong: with the file and the line.
pub(crate) fn run(command: &DeviceCommand) -> Result<(), CliError> {
    match command {
        DeviceCommand::List(ListOptions { selection, control }) => list(&Control::open(control)?, selection),
        DeviceCommand::Show(NameOptions { name, zone, control }) => {
            show(&Control::open(control)?.get(&[DEVICES, zone, name])?)
        }
        DeviceCommand::Set(options) => set(options),
        DeviceCommand::Approve(options) => set_states(options, DeviceState::Approved),
        DeviceCommand::Retire(options) => set_states(options, DeviceState::Retired),
        DeviceCommand::Import(options) => import(options),
        DeviceCommand::Export(ExportOptions { selection, format, control }) => {
            let mut devices = Vec::new();
            each_page(&Control::open(control)?, selection, |page| {
                devices.extend(page);
                Ok(())
            })?;
            let text = match format {
                Format::Csv => csv_of(&devices)?,
                Format::Json => json_of(&devices)?,
            };
            std::io::stdout().lock().write_all(text.as_bytes()).map_err(CliError::failed)
        }
        DeviceCommand::Policy(PolicyOptions { zone, policy, control }) => {
            let new_devices = match policy {
                Policy::Register => NewDevices::Register,
                Policy::Wait => NewDevices::Wait,
            };
            let body = DevicePolicy { new_devices };
            let _: DevicePolicy = Control::open(control)?.post(&["zones", zone, "device-policy"], &body)?;
            match policy {
                Policy::Register => eprintln!("New devices of zone {zone} register themselves."),
                Policy::Wait => eprintln!("New devices of zone {zone} wait for approval; their rows are kept."),
            }
            Ok(())
        }
    }
}

/// Asks for page after page.
fn each_page(
    control: &Control,
    selection: &SelectionOptions,
    mut take: impl FnMut(Vec<DeviceItem>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE_DEVICES)];
        query.extend(selection.zone.as_deref().map(|zone| ("zone", zone)));
        query.extend(selection.state.map(|state| ("state", state.name())));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: DeviceList = control.get_with(&[DEVICES], &query)?;
        take(page.devices)?;
        after = page.after;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn list(control: &Control, selection: &SelectionOptions) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut line = |parts: [&str; 6]| {
        let [device, zone, state, site, kind, since] = parts;
        writeln!(out, "{device:32}  {zone:24}  {state:11}  {site:20}  {kind:20}  {since}").map_err(CliError::failed)
    };
    line(["device", "zone", "state", "site", "kind", "since (UTC)"])?;
    each_page(control, selection, |devices| {
        for device in devices {
            let since = device.registered_us.map_or_else(|| "-".to_owned(), minute);
            let [site, kind] = [&device.site, &device.kind].map(|text| text.as_deref().unwrap_or("-"));
            line([&device.device, &device.zone, device.state.name(), site, kind, &since])?;
        }
        Ok(())
    })
}

fn show(page: &DevicePage) -> Result<(), CliError> {
    let DevicePage { device, history } = page;
    let mut out = std::io::stdout().lock();
    let mut line =
        |name: &str, value: Option<&str>| writeln!(out, "{name:18}{}", value.unwrap_or("-")).map_err(CliError::failed);
    line("device", Some(&device.device))?;
    line("zone", Some(&format!("{}/{}", device.province, device.zone)))?;
    line("state", Some(device.state.name()))?;
    line("site", device.site.as_deref())?;
    line("kind", device.kind.as_deref())?;
    line("model", device.model.as_deref())?;
    line("serial", device.serial.as_deref())?;
    line("owner", device.owner.as_deref())?;
    line("position", device.position.map(|position| position.to_string()).as_deref())?;
    line("tags", (!device.tags.is_empty()).then(|| device.tags.join(", ")).as_deref())?;
    line("interval (s)", device.interval_seconds.map(|seconds| seconds.to_string()).as_deref())?;
    line("since (UTC)", device.registered_us.map(minute).as_deref())?;
    for change in history {
        let [before, after] = [&change.before, &change.after].map(|text| text.as_deref().unwrap_or("-"));
        let at = minute(change.changed_us);
        let (attribute, by) = (&change.attribute, &change.changed_by);
        writeln!(out, "{at}  {attribute}: {before} -> {after}, by {by}").map_err(CliError::failed)?;
    }
    Ok(())
}

fn set(options: &SetOptions) -> Result<(), CliError> {
    let text = |value: &Option<String>| match value.as_deref() {
        None => Change::Keep,
        Some("") => Change::Clear,
        Some(text) => Change::Set(text.to_owned()),
    };
    let changes = DeviceChanges {
        state: options.state,
        site: text(&options.site),
        kind: text(&options.kind),
        model: text(&options.model),
        serial: text(&options.serial),
        owner: text(&options.owner),
        position: match options.position.as_deref() {
            None => Change::Keep,
            Some("") => Change::Clear,
            Some(text) => Change::Set(position(text).map_err(CliError::input)?),
        },
        tags: match options.tags.as_slice() {
            [] => Change::Keep,
            [one] if one.is_empty() => Change::Clear,
            tags => Change::Set(tags.to_vec()),
        },
        interval_seconds: match options.interval {
            None => Change::Keep,
            Some(0) => Change::Clear,
            Some(seconds) => Change::Set(seconds),
        },
    };
    if changes == DeviceChanges::default() {
        return Err(CliError::input("say what is to be set, as --kind or --state: see zonelake device set --help"));
    }
    let SetOptions { name, zone, control, .. } = options;
    let done: SetDevice = Control::open(control)?.update(&[DEVICES, zone, name], &changes)?;
    eprintln!("Device {name} of zone {zone} is {}.", done.device.state);
    say_kept(done.kept.as_ref());
    Ok(())
}

fn set_states(options: &NamesOptions, state: DeviceState) -> Result<(), CliError> {
    let NamesOptions { names, zone, control } = options;
    let control = Control::open(control)?;
    let changes = DeviceChanges { state: Some(state), ..DeviceChanges::default() };
    for name in names {
        let done: SetDevice = control.update(&[DEVICES, zone, name], &changes)?;
        eprintln!("Device {name} of zone {zone} is {}.", done.device.state);
        say_kept(done.kept.as_ref());
    }
    if state == DeviceState::Approved && !control.is_running() {
        eprintln!(
            "No server runs: rows that were kept are stored by `zonelake rejected replay --reason unknown_device` once one does."
        );
    }
    Ok(())
}

fn say_kept(kept: Option<&KeptDeviceRows>) {
    let Some(KeptDeviceRows { stored, kept, error }) = kept else { return };
    if *stored > 0 {
        eprintln!("{stored} rows that were kept are stored now.");
    }
    if *kept > 0 {
        eprintln!("{kept} rows stay rejected: see zonelake rejected list.");
    }
    if let Some(error) = error {
        eprintln!(
            "Not all rows that were kept could be looked at: {error}. `zonelake rejected replay --reason unknown_device` does the rest."
        );
    }
}

fn import(options: &ImportOptions) -> Result<(), CliError> {
    let shown = options.file.display();
    let content = read(options).map_err(|error| CliError::input(format!("cannot read {shown}: {error}")))?;
    let is_json = options.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let devices = match options.format.unwrap_or(if is_json { Format::Json } else { Format::Csv }) {
        Format::Csv => lines_of_csv(&content),
        Format::Json => lines_of_json(&content),
    };
    let of_file = |error: CliError| error.prefixed(&format!("{shown}: "));
    let body = ImportDevices { devices: devices.map_err(of_file)?, dry_run: options.dry_run };
    let done: ImportedDeviceList = Control::open(&options.control)?.post_slowly(&[DEVICES], &body).map_err(of_file)?;
    let ImportedDeviceList { added, changed, unchanged, dry_run, kept } = done;
    match dry_run {
        true => eprintln!(
            "{added} devices would be added, {changed} changed, and {unchanged} stay as they are. Nothing is changed."
        ),
        false => eprintln!("{added} devices are added, {changed} are changed, and {unchanged} stay as they were."),
    }
    say_kept(kept.as_ref());
    Ok(())
}

fn read(options: &ImportOptions) -> std::io::Result<String> {
    if options.file.as_os_str() == "-" {
        let mut content = String::new();
        std::io::stdin().read_to_string(&mut content)?;
        return Ok(content);
    }
    std::fs::read_to_string(&options.file)
}

/// Resource of the devices.
const DEVICES: &str = "devices";
/// Devices of a page.
const PAGE_DEVICES: &str = "5000";
