//! Zones, sites, devices and producers, over real files that are closed and opened again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zonelake_registry::{
    DEVICES_PER_ZONE_MAX, NewZone, PRODUCERS_PER_GATEWAY_MAX, ProducerName, Registry, RegistryError,
};
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::{DeviceKey, ErrorKind, ZoneId};

fn open(folder: &Path) -> Registry {
    Registry::open(&folder.join("registry.sqlite"), Arc::new(SystemClock::default())).expect("the registry opens")
}

fn vung_ang(registry: &Registry) -> ZoneId {
    registry.zone_by_code("vung-ang").expect("a reference zone").id
}

const NEW_ZONE: NewZone<'_> = NewZone {
    province: "ha-tinh",
    kind: "KCN",
    code: "thu-nghiem",
    name: "Khu thử nghiệm",
    locality: None,
    area_ha: Some(12.5),
    status: "planned",
    source: None,
    auto_register: false,
};

#[test]
fn a_new_registry_has_the_reference_zones_and_a_key_for_each_zone_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let codes: Vec<_> = registry.provinces().iter().map(|province| province.code.to_string()).collect();
    assert_eq!(codes, ["dak-lak", "ha-tinh"]);
    assert_eq!(registry.provinces()[1].name.as_ref(), "Hà Tĩnh");
    let zones = registry.zones();
    assert_eq!(zones.len(), 36);
    assert!(zones.iter().all(|zone| zone.auto_register));
    let keys: HashSet<_> = zones.iter().map(|zone| zone.key).collect();
    assert_eq!(keys, (1..=36).map(DeviceKey).collect());
    for zone in &zones {
        let location = registry.location(zone.key).unwrap();
        assert_eq!(
            (location.province.as_deref(), location.zone.as_deref()),
            (Some(&*zone.province), Some(&*zone.code))
        );
        assert_eq!((location.site.as_deref(), location.device.as_deref()), (None, None));
    }
    let sites: Vec<_> =
        registry.sites().iter().map(|site| (site.zone_code.to_string(), site.code.to_string())).collect();
    assert_eq!(
        sites,
        ["formosa-ha-tinh", "son-duong-port", "vung-ang-1-power", "vung-ang-2-power"]
            .map(|code| ("vung-ang".to_owned(), code.to_owned()))
    );
}

#[test]
fn reference_zones_are_inserted_once_and_what_was_added_or_set_stays() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.add_province("gia-lai", "Gia Lai").unwrap();
    let id = registry.add_zone(&NewZone { province: "gia-lai", ..NEW_ZONE }).unwrap();
    registry.add_site("thu-nghiem", "nha-may-1", "Nhà máy 1").unwrap();
    registry.set_auto_register("vung-ang", false).unwrap();
    drop(registry);

    let registry = open(folder.path());
    assert_eq!((registry.provinces().len(), registry.zones().len(), registry.sites().len()), (3, 37, 5));
    let zone = registry.zone(id).unwrap();
    assert_eq!((&*zone.code, &*zone.province, zone.area_ha), ("thu-nghiem", "gia-lai", Some(12.5)));
    assert!(!zone.auto_register);
    assert_eq!(registry.location(zone.key).unwrap().zone.as_deref(), Some("thu-nghiem"));
    assert!(!registry.zone_by_code("vung-ang").unwrap().auto_register);
}

#[test]
fn a_province_zone_or_site_that_exists_or_cannot_be_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    for (result, words) in [
        (registry.add_province("ha-tinh", "Hà Tĩnh"), "province \"ha-tinh\""),
        (registry.add_province("Hà Tĩnh", "Hà Tĩnh"), "province \"Hà Tĩnh\""),
        (registry.add_zone(&NewZone { code: "vung-ang", ..NEW_ZONE }).map(drop), "zone \"vung-ang\""),
        (registry.add_zone(&NewZone { province: "hue", ..NEW_ZONE }).map(drop), "province \"hue\""),
        (registry.add_zone(&NewZone { area_ha: Some(f64::NAN), ..NEW_ZONE }).map(drop), "area"),
        (registry.add_site("vung-ang", "son-duong-port", "Cảng"), "site \"vung-ang/son-duong-port\""),
        (registry.add_site("nowhere", "a", "A"), "zone \"nowhere\""),
        (registry.set_auto_register("nowhere", true), "zone \"nowhere\""),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input);
    }
    assert_eq!(registry.zones().len(), 36);
    assert!(registry.check().unwrap().is_sound());
}

#[test]
fn a_device_keeps_its_key_and_keys_have_no_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = vung_ang(&registry);
    let first = registry.register_devices(zone, &["pump-1", "pump-2", "pump-1"]).unwrap();
    assert_eq!(first, [DeviceKey(37), DeviceKey(38), DeviceKey(37)]);
    assert_eq!(registry.register_devices(zone, &["pump-3", "pump-2"]).unwrap(), [DeviceKey(39), DeviceKey(38)]);
    // The same name in another zone is another device.
    let other = registry.zone_by_code("hoa-phu").unwrap().id;
    assert_eq!(registry.device(other, "pump-1"), None);
    assert_eq!(registry.register_devices(other, &["pump-1"]).unwrap(), [DeviceKey(40)]);
    drop(registry);

    let registry = open(folder.path());
    assert_eq!(registry.device(zone, "pump-2"), Some(DeviceKey(38)));
    assert_eq!(registry.locations().len(), 40);
    let location = registry.location(DeviceKey(40)).unwrap();
    assert_eq!((location.province.as_deref(), location.zone.as_deref()), (Some("dak-lak"), Some("hoa-phu")));
    assert_eq!((location.site.as_deref(), location.device.as_deref()), (None, Some("pump-1")));
    let devices = registry.devices();
    let names: Vec<_> = devices.iter().map(|device| (&*device.zone_code, &*device.name)).collect();
    assert_eq!(names, [("vung-ang", "pump-1"), ("vung-ang", "pump-2"), ("vung-ang", "pump-3"), ("hoa-phu", "pump-1")]);
    assert!(devices.iter().all(|device| device.registered_us > 1_700_000_000_000_000));
}

#[test]
fn a_bad_device_name_or_zone_refuses_the_call_and_registers_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = vung_ang(&registry);
    assert_eq!(registry.register_devices(zone, &["good", "bad\n"]).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(registry.device(zone, "good"), None);
    let error = registry.register_devices(ZoneId(99), &["good"]).unwrap_err();
    assert!(error.to_string().contains("zone \"99\""), "{error}");
    assert_eq!(registry.locations().len(), 36);
}

#[test]
fn the_same_device_registered_by_many_threads_and_processes_at_once_has_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let registries = [open(folder.path()), open(folder.path())];
    let zone = vung_ang(&registries[0]);
    let all: Vec<Vec<DeviceKey>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let registry = &registries[thread % 2];
                scope.spawn(move || {
                    let mut names: Vec<String> = (0..40).map(|n| format!("device-{n}")).collect();
                    names.rotate_left(thread * 5);
                    let mut keys: Vec<_> = names
                        .chunks(4)
                        .flat_map(|some| {
                            let some: Vec<&str> = some.iter().map(String::as_str).collect();
                            registry.register_devices(zone, &some).unwrap()
                        })
                        .collect();
                    keys.rotate_right(thread * 5);
                    keys
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|keys| *keys == all[0]));
    assert_eq!(all[0].iter().collect::<HashSet<_>>().len(), 40);
    let report = registries[1].check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.devices, report.locations), (40, 76));
}

#[test]
fn a_reader_that_finds_a_device_finds_its_location_while_others_are_being_registered() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = vung_ang(&registry);
    let names: Vec<String> = (0..300).map(|n| format!("device-{n}")).collect();
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                for name in &names {
                    if let Some(key) = registry.device(zone, name) {
                        let location = registry.location(key).unwrap();
                        assert_eq!(location.device.as_deref(), Some(name.as_str()));
                        seen += 1;
                    }
                }
            }
            seen
        });
        for name in &names {
            registry.register_devices(zone, &[name]).unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert!(seen > 0);
    assert_eq!(registry.devices().len(), 300);
}

#[test]
fn a_device_that_moves_gets_a_new_key_and_its_old_key_keeps_the_old_location() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = vung_ang(&registry);
    let old = registry.register_devices(zone, &["stack-1"]).unwrap()[0];
    assert_eq!(registry.device_moves(), 0);
    let new = registry.assign_device_site("vung-ang", "stack-1", Some("formosa-ha-tinh")).unwrap();
    assert_ne!(new, old);
    assert_eq!(registry.device_moves(), 1);
    assert_eq!(registry.assign_device_site("vung-ang", "stack-1", Some("formosa-ha-tinh")).unwrap(), new);
    assert_eq!(registry.register_devices(zone, &["stack-1"]).unwrap(), [new]);

    let reopened = open(folder.path());
    for registry in [&registry, &reopened] {
        assert_eq!(registry.device(zone, "stack-1"), Some(new));
        assert_eq!(registry.location(old).unwrap().site, None);
        assert_eq!(registry.location(new).unwrap().site.as_deref(), Some("formosa-ha-tinh"));
        assert_eq!(registry.devices().len(), 1);
        assert!(registry.check().unwrap().is_sound());
    }
    let out = reopened.assign_device_site("vung-ang", "stack-1", None).unwrap();
    assert_eq!(reopened.location(out).unwrap().site, None);
    for (zone, device, site) in [("vung-ang", "x", None), ("vung-ang", "stack-1", Some("x")), ("x", "stack-1", None)] {
        assert!(matches!(reopened.assign_device_site(zone, device, site), Err(RegistryError::Unknown { .. })));
    }
}

#[test]
fn a_zone_full_of_devices_refuses_more_and_still_finds_those_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = vung_ang(&registry);
    // Another process that fills the zone up to one, faster than one call for each would.
    rusqlite::Connection::open(folder.path().join("registry.sqlite"))
        .unwrap()
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO places (key, zone, device, registered_us) SELECT 36 + i, ?1, 'device-' || i, 0 FROM n",
            rusqlite::params![zone.0, i64::try_from(DEVICES_PER_ZONE_MAX - 1).unwrap()],
        )
        .unwrap();
    let last = registry.register_devices(zone, &["last"]).unwrap();
    assert_eq!(last, [DeviceKey(36 + u32::try_from(DEVICES_PER_ZONE_MAX).unwrap())]);
    let error = registry.register_devices(zone, &["one too many"]).unwrap_err();
    assert!(matches!(&error, RegistryError::Limit { limit, .. } if *limit == DEVICES_PER_ZONE_MAX), "{error}");
    assert_eq!(registry.device(zone, "device-500000"), Some(DeviceKey(500_036)));
    let other = registry.zone_by_code("hoa-phu").unwrap().id;
    assert!(registry.register_devices(other, &["one too many"]).is_ok());
}

#[test]
fn a_producer_has_one_number_within_its_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let one = registry.add_gateway("one", "vung-ang").unwrap().gateway.id;
    let other = registry.add_gateway("other", "vung-ang").unwrap().gateway.id;
    let numbers: HashSet<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| registry.producer(one, "plc").unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(numbers.len(), 1);
    let id = *numbers.iter().next().unwrap();
    let others = registry.producer(other, "plc").unwrap();
    assert_ne!(others, id);
    assert!(matches!(registry.producer(zonelake_schemas::GatewayId(99), "plc"), Err(RegistryError::Unknown { .. })));
    assert_eq!(registry.producer(one, "").unwrap_err().kind(), ErrorKind::Input);
    drop(registry);

    let registry = open(folder.path());
    assert_eq!(registry.producer(one, "plc").unwrap(), id);
    assert_eq!(registry.producer_name(others), Some(ProducerName { gateway: other, name: "plc".into() }));
    assert_eq!(registry.producer_name(zonelake_schemas::ProducerId(99)), None);
}

#[test]
fn a_gateway_with_too_many_producers_gets_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let gateway = registry.add_gateway("busy", "vung-ang").unwrap().gateway.id;
    rusqlite::Connection::open(folder.path().join("registry.sqlite"))
        .unwrap()
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO producers (gateway, name, created_us) SELECT ?1, 'file-' || i, 0 FROM n",
            rusqlite::params![gateway.0, i64::try_from(PRODUCERS_PER_GATEWAY_MAX).unwrap()],
        )
        .unwrap();
    assert!(matches!(registry.producer(gateway, "one more"), Err(RegistryError::Limit { .. })));
    assert!(registry.producer(gateway, "file-1").is_ok());
}
