//! Devices as an operator knows them: states, approval, moves, replacements, files of devices, and pages of them.
#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{
    ANNOUNCED_PER_ZONE_MAX, Change, DeviceChanges, DeviceLine, DeviceSelection, DeviceState, ImportedDevices, Registry,
    RegistryError, WritableDevice,
};
use zonelake_schemas::ZoneId;
use zonelake_schemas::clock::SystemClock;

const ZONE: &str = "vung-ang";

fn open(folder: &Path) -> Registry {
    Registry::open(&folder.join("registry.sqlite"), Arc::new(SystemClock::default())).unwrap()
}

fn id(registry: &Registry, code: &str) -> ZoneId {
    registry.zone_by_code(code).unwrap().id
}

fn state(state: DeviceState) -> DeviceChanges {
    DeviceChanges { state: Some(state), ..DeviceChanges::default() }
}

fn line(zone: &str, device: &str, set: DeviceChanges) -> DeviceLine {
    DeviceLine { line: None, zone: zone.into(), device: device.into(), set }
}

/// Names and states of all devices, in pages of two.
fn pages(registry: &Registry, zone: Option<&str>, only: Option<DeviceState>) -> Vec<(String, DeviceState)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let selection = DeviceSelection { zone: zone.map(str::to_owned), state: only, after, limit: 2 };
        let page = registry.device_records(&selection).unwrap();
        assert!(page.len() <= 2);
        all.extend(page.iter().map(|record| (record.name.to_string(), record.details.state)));
        match page.last() {
            Some(last) => after = Some((last.zone_code.to_string(), last.name.to_string())),
            None => return all,
        }
    }
}

#[test]
fn a_device_waits_for_approval_gets_its_key_with_it_and_goes_through_its_life() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let (zone, gateway) = (id(&registry, ZONE), registry.add_gateway("g", ZONE).unwrap().gateway);
    let judged = |name: &str| registry.writable_device(zone, name);
    assert_eq!(judged("stack-1"), WritableDevice::Unknown);
    for _ in 0..2 {
        registry.announce_devices_of(&gateway, zone, &["stack-1", "stack-2"], 10).unwrap();
    }
    assert_eq!(judged("stack-1"), WritableDevice::Waiting);
    assert!(registry.devices().is_empty(), "it has no series yet");
    assert_eq!(registry.device_record(ZONE, "stack-1").unwrap().key, None);

    let record = registry.set_device(ZONE, "stack-1", &state(DeviceState::Approved), "admin").unwrap();
    let key = record.key.unwrap();
    assert_eq!(judged("stack-1"), WritableDevice::Key(key));
    registry.set_device(ZONE, "stack-1", &state(DeviceState::Maintenance), "admin").unwrap();
    assert_eq!(judged("stack-1"), WritableDevice::Key(key));
    let before = registry.device_moves();
    registry.set_device(ZONE, "stack-1", &state(DeviceState::Retired), "admin").unwrap();
    assert_eq!(judged("stack-1"), WritableDevice::Retired);
    assert!(registry.device_moves() > before, "whoever has cached its key looks again");
    let wrong = registry.set_device(ZONE, "stack-1", &state(DeviceState::Maintenance), "admin").unwrap_err();
    assert!(wrong.to_string().contains("it is retired, and may be approved"), "{wrong}");
    registry.set_device(ZONE, "stack-1", &state(DeviceState::Approved), "lan").unwrap();
    assert_eq!(judged("stack-1"), WritableDevice::Key(key), "its series goes on");
    let unknown = registry.set_device(ZONE, "stack-9", &state(DeviceState::Approved), "admin").unwrap_err();
    assert!(matches!(unknown, RegistryError::Unknown { what: "device", .. }), "{unknown}");

    let told: Vec<_> = registry
        .device_history(ZONE, "stack-1")
        .unwrap()
        .into_iter()
        .rev()
        .map(|change| (change.changed_by, change.attribute, change.after.unwrap_or_default()))
        .collect();
    let expected = [
        ("g", "announced"),
        ("admin", "approved"),
        ("admin", "maintenance"),
        ("admin", "retired"),
        ("lan", "approved"),
    ];
    assert_eq!(told, expected.map(|(who, after)| (who.to_owned(), "state".to_owned(), after.to_owned())));

    // Another process, whose changes come at the next look at the file.
    let other = open(folder.path());
    assert_eq!(other.writable_device(zone, "stack-1"), WritableDevice::Key(key));
    assert_eq!(other.writable_device(zone, "stack-2"), WritableDevice::Waiting);
    other.set_device(ZONE, "stack-2", &state(DeviceState::Retired), "other").unwrap();
    registry.refresh().unwrap();
    assert_eq!(judged("stack-2"), WritableDevice::Retired);
    assert!(other.check().unwrap().is_sound());
}

#[test]
fn a_replacement_keeps_the_series_and_a_move_gets_a_key_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = id(&registry, ZONE);
    let key = registry.register_devices(zone, &["stack-1"]).unwrap()[0];
    let serial = |serial: &str| DeviceChanges { serial: Change::Set(serial.into()), ..DeviceChanges::default() };
    registry.set_device(ZONE, "stack-1", &serial("A-1"), "admin").unwrap();
    let replaced = registry.set_device(ZONE, "stack-1", &serial("A-2"), "admin").unwrap();
    assert_eq!((replaced.key, replaced.details.serial.as_deref()), (Some(key), Some("A-2")));
    assert_eq!(replaced.details.state, DeviceState::Announced, "nobody has approved it, and its zone stores its rows");

    let at = |site: Change<String>| DeviceChanges { site, ..DeviceChanges::default() };
    let moved = registry.set_device(ZONE, "stack-1", &at(Change::Set("formosa-ha-tinh".into())), "admin").unwrap();
    assert_ne!(moved.key, Some(key));
    assert_eq!(registry.location(key).unwrap().site, None, "rows of before stay where they were measured");
    assert_eq!(moved.site.as_deref(), Some("formosa-ha-tinh"));
    let same = registry.set_device(ZONE, "stack-1", &at(Change::Set("formosa-ha-tinh".into())), "admin").unwrap();
    assert_eq!(same.key, moved.key);
    let back = registry.set_device(ZONE, "stack-1", &at(Change::Clear), "admin").unwrap();
    assert_eq!(back.site, None);
    let nowhere = registry.set_device(ZONE, "stack-1", &at(Change::Set("atlantis".into())), "admin").unwrap_err();
    assert!(nowhere.to_string().contains("atlantis"), "{nowhere}");

    let told: Vec<_> = registry
        .device_history(ZONE, "stack-1")
        .unwrap()
        .into_iter()
        .rev()
        .map(|change| format!("{} {:?} {:?}", change.attribute, change.before, change.after))
        .collect();
    assert_eq!(
        told,
        [
            "serial None Some(\"A-1\")",
            "serial Some(\"A-1\") Some(\"A-2\")",
            "site None Some(\"formosa-ha-tinh\")",
            "site Some(\"formosa-ha-tinh\") None",
        ]
    );
    assert_eq!(registry.devices().len(), 1);
    assert!(registry.check().unwrap().is_sound());
}

#[test]
fn a_file_of_devices_is_taken_as_a_whole_or_not_at_all_and_says_each_wrong_line() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = id(&registry, ZONE);
    registry.register_devices(zone, &["known"]).unwrap();
    let kind = |kind: &str| DeviceChanges { kind: Change::Set(kind.into()), ..DeviceChanges::default() };
    let at_site = DeviceChanges { site: Change::Set("formosa-ha-tinh".into()), ..kind("meter") };
    let good = [
        line(ZONE, "known", kind("meter")),
        line(ZONE, "new", at_site),
        line("hoa-phu", "new", DeviceChanges { state: Some(DeviceState::Announced), ..kind("meter") }),
    ];
    let bad = [
        good[0].clone(),
        line("atlantis", "a", kind("meter")),
        line(ZONE, "known", kind("other")),
        DeviceLine { line: Some(17), ..line(ZONE, "b", kind("tab\t")) },
        line(ZONE, "c\n", DeviceChanges::default()),
        line(ZONE, "known-2", DeviceChanges { site: Change::Set("x".into()), ..DeviceChanges::default() }),
    ];
    for dry_run in [true, false] {
        let error = registry.import_devices(&bad, dry_run, "admin").unwrap_err();
        assert_eq!(error.kind(), zonelake_schemas::ErrorKind::Input);
        let told = error.to_string();
        for words in [
            "row 2: unknown zone",
            "row 3: vung-ang/known stands in it twice",
            "line 17: kind",
            "row 5: device",
            "row 6: unknown site",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(registry.devices().len(), 1, "nothing of it is taken");
    }
    let wanted = ImportedDevices { added: 2, changed: 1, unchanged: 0 };
    assert_eq!(registry.import_devices(&good, true, "admin").unwrap(), wanted);
    assert_eq!(registry.devices().len(), 1, "it was only tried");
    assert_eq!(registry.import_devices(&good, false, "admin").unwrap(), wanted);
    let again = ImportedDevices { added: 0, changed: 0, unchanged: 3 };
    assert_eq!(registry.import_devices(&good, false, "admin").unwrap(), again);
    let new = registry.device_record(ZONE, "new").unwrap();
    assert_eq!((new.details.state, new.site.as_deref()), (DeviceState::Approved, Some("formosa-ha-tinh")));
    assert_eq!(registry.device_record("hoa-phu", "new").unwrap().key, None, "it waits there");
    assert!(registry.check().unwrap().is_sound());
}

#[test]
fn pages_have_each_device_once_in_order_with_those_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = id(&registry, ZONE);
    let gateway = registry.add_gateway("g", ZONE).unwrap().gateway;
    registry.register_devices(zone, &["a", "c", "e"]).unwrap();
    registry.register_devices(id(&registry, "hoa-phu"), &["b/b"]).unwrap();
    registry.announce_devices_of(&gateway, zone, &["b", "d"], 10).unwrap();
    registry.set_device(ZONE, "c", &state(DeviceState::Approved), "admin").unwrap();
    let (announced, approved) = (DeviceState::Announced, DeviceState::Approved);
    let named = |names: &[(&str, DeviceState)]| {
        names.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect::<Vec<_>>()
    };
    let in_zone = named(&[("a", announced), ("b", announced), ("c", approved), ("d", announced), ("e", announced)]);
    assert_eq!(pages(&registry, Some(ZONE), None), in_zone);
    assert_eq!(pages(&registry, Some("hoa-phu"), None), named(&[("b/b", announced)]));
    assert_eq!(pages(&registry, None, Some(approved)), named(&[("c", approved)]));
    let mut all = pages(&registry, None, None);
    all.sort();
    assert_eq!(all.len(), 6);
    assert!(matches!(
        registry.device_records(&DeviceSelection { zone: Some("x".into()), limit: 1, ..DeviceSelection::default() }),
        Err(RegistryError::Unknown { what: "zone", .. })
    ));
}

#[test]
fn a_gateway_announces_as_many_as_its_quota_says_and_a_zone_lets_a_bounded_number_wait() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = id(&registry, ZONE);
    let [one, other] = ["one", "other"].map(|name| registry.add_gateway(name, ZONE).unwrap().gateway);
    registry.announce_devices_of(&one, zone, &["a", "b"], 3).unwrap();
    let over = registry.announce_devices_of(&one, zone, &["a", "c", "d"], 3).unwrap_err();
    assert!(matches!(over, RegistryError::Limit { .. }), "{over}");
    registry.announce_devices_of(&one, zone, &["a", "b", "c"], 3).unwrap();
    let names: Vec<String> = (3..ANNOUNCED_PER_ZONE_MAX).map(|n| format!("made-up-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    registry.announce_devices_of(&other, zone, &names, 100_000).unwrap();
    let full = registry.announce_devices_of(&other, zone, &["one more"], 100_000).unwrap_err();
    assert!(full.to_string().contains("wait for approval"), "{full}");
    assert_eq!(registry.writable_device(zone, "one more"), WritableDevice::Unknown);
    registry.set_device(ZONE, "a", &state(DeviceState::Retired), "admin").unwrap();
    registry.announce_devices_of(&other, zone, &["one more"], 100_000).unwrap();
}
