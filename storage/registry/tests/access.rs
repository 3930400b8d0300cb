//! Gateways and roles, also as two processes on one file see them.

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{ADMIN_USER, Registry, RegistryError, RoleLimits};
use zonelake_schemas::ErrorKind;
use zonelake_schemas::clock::SystemClock;

fn open(folder: &Path) -> Registry {
    Registry::open(&folder.join("registry.sqlite"), Arc::new(SystemClock::default())).expect("the registry opens")
}

#[test]
fn a_gateway_is_known_by_its_token_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let new = registry.add_gateway("formosa", "vung-ang").unwrap();
    assert!(new.token.starts_with("zl_"));
    assert!(!format!("{new:?}").contains(&new.token));
    let zone = registry.zone_by_code("vung-ang").unwrap();
    for registry in [&registry, &open(folder.path())] {
        let gateway = registry.authenticate_gateway(&new.token).unwrap();
        assert_eq!(gateway, new.gateway);
        assert_eq!((&*gateway.name, gateway.zone, &*gateway.zone_code), ("formosa", zone.id, "vung-ang"));
        assert_eq!((&*gateway.province, gateway.zone_key, gateway.auto_register), ("ha-tinh", zone.key, true));
        let other_last = if new.token.ends_with('a') { "b" } else { "a" };
        let almost = format!("{}{other_last}", &new.token[..new.token.len() - 1]);
        for wrong in ["", "zl_", "formosa", &new.token[3..], &new.token[..54], &format!("{}a", new.token), &almost] {
            assert_eq!(registry.authenticate_gateway(wrong), None, "{wrong:?}");
        }
    }
}

#[test]
fn neither_tokens_nor_passwords_are_in_any_file_and_only_the_owner_reads_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let token = registry.add_gateway("formosa", "vung-ang").unwrap().token;
    let password = registry.ensure_admin().unwrap().unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [&token[3..], &password] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{path:?}");
        }
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o077, 0, "{path:?}");
        }
        files += 1;
    }
    assert_eq!(files, 3, "the file, its journal and the journal's index");
}

#[test]
fn a_revoked_token_is_refused_and_a_gateway_that_comes_back_keeps_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let old = registry.add_gateway("formosa", "vung-ang").unwrap();
    let producer = registry.producer(old.gateway.id, "plc").unwrap();
    registry.revoke_gateway("formosa").unwrap();
    assert_eq!(registry.authenticate_gateway(&old.token), None);
    assert_eq!(registry.gateway(old.gateway.id), None);
    assert!(registry.gateways().unwrap()[0].revoked_us.is_some());
    assert!(matches!(registry.revoke_gateway("formosa"), Err(RegistryError::Unknown { .. })));

    // Not into another zone: what it has numbered there belongs to the first.
    assert!(matches!(registry.add_gateway("formosa", "hoa-phu"), Err(RegistryError::Exists { .. })));
    let new = registry.add_gateway("formosa", "vung-ang").unwrap();
    assert_eq!(new.gateway.id, old.gateway.id);
    assert_ne!(new.token, old.token);
    for registry in [&registry, &open(folder.path())] {
        assert_eq!(registry.authenticate_gateway(&old.token), None);
        assert_eq!(registry.authenticate_gateway(&new.token).unwrap().id, old.gateway.id);
        assert_eq!(registry.producer(new.gateway.id, "plc").unwrap(), producer);
    }
    assert!(matches!(registry.add_gateway("formosa", "vung-ang"), Err(RegistryError::Exists { .. })));
    assert!(matches!(registry.add_gateway("new", "nowhere"), Err(RegistryError::Unknown { .. })));
}

#[test]
fn what_another_process_changes_is_seen_after_a_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cli) = (open(folder.path()), open(folder.path()));
    let staying = cli.add_gateway("staying", "vung-ang").unwrap();
    let leaving = cli.add_gateway("leaving", "hoa-phu").unwrap();
    assert_eq!(server.authenticate_gateway(&staying.token), None);
    server.refresh().unwrap();
    assert!(server.authenticate_gateway(&leaving.token).is_some());

    cli.revoke_gateway("leaving").unwrap();
    cli.set_auto_register("vung-ang", false).unwrap();
    cli.add_site("vung-ang", "kho-1", "Kho 1").unwrap();
    let zone = cli.zone_by_code("vung-ang").unwrap().id;
    cli.register_devices(zone, &["crane"]).unwrap();
    let key = cli.assign_device_site("vung-ang", "crane", Some("kho-1")).unwrap();
    let password = cli.ensure_admin().unwrap().unwrap();
    server.refresh().unwrap();
    assert_eq!(server.authenticate_gateway(&leaving.token), None);
    assert!(!server.authenticate_gateway(&staying.token).unwrap().auto_register);
    assert_eq!(server.device(zone, "crane"), Some(key));
    assert_eq!(server.location(key).unwrap().site.as_deref(), Some("kho-1"));
    assert!(server.authenticate(ADMIN_USER, &password));

    // A writing call takes over what others have changed before it writes.
    let next = cli.register_devices(zone, &["truck"]).unwrap()[0];
    assert_eq!(server.register_devices(zone, &["ship"]).unwrap()[0].0, next.0 + 1);
    assert_eq!(server.device(zone, "truck"), Some(next));
    let listed: Vec<_> = server.gateways().unwrap().into_iter().map(|gateway| gateway.name).collect();
    assert_eq!(listed, ["leaving", "staying"]);
}

#[test]
fn the_first_password_is_given_once_and_holds_until_another_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    assert!(!registry.authenticate(ADMIN_USER, ""));
    let first = registry.ensure_admin().unwrap().unwrap();
    assert_eq!(registry.ensure_admin().unwrap(), None);
    let other = open(folder.path());
    assert_eq!(other.ensure_admin().unwrap(), None);
    for registry in [&registry, &other] {
        assert!(registry.authenticate(ADMIN_USER, &first));
        assert!(registry.authenticate(ADMIN_USER, &first), "now from memory");
        assert!(!registry.authenticate(ADMIN_USER, &format!("{first}x")));
        assert!(!registry.authenticate("root", &first));
        assert!(!registry.authenticate(ADMIN_USER, &"x".repeat(2_000)));
    }
    registry.set_password(ADMIN_USER, "mật khẩu mới").unwrap();
    other.refresh().unwrap();
    for registry in [&registry, &other] {
        assert!(!registry.authenticate(ADMIN_USER, &first), "what memory knew is forgotten");
        assert!(registry.authenticate(ADMIN_USER, "mật khẩu mới"));
    }
    for bad in ["short", &"x".repeat(1_025)] {
        assert_eq!(registry.set_password(ADMIN_USER, bad).unwrap_err().kind(), ErrorKind::Input);
    }
}

#[test]
fn a_role_has_a_password_and_limits_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cli) = (open(folder.path()), open(folder.path()));
    cli.ensure_admin().unwrap();
    let limits = RoleLimits { statement_seconds_max: Some(10), memory_bytes_max: Some(64 << 20), running_max: Some(2) };
    let password = cli.add_role("grafana_1", limits).unwrap();
    assert!(matches!(cli.add_role("grafana_1", limits), Err(RegistryError::Exists { .. })));

    // The server knows it from its first use on.
    assert_eq!(server.role("grafana_1"), None);
    assert!(server.authenticate("grafana_1", &password));
    assert!(!server.authenticate(ADMIN_USER, &password));
    let role = server.role("grafana_1").unwrap();
    assert_eq!((role.limits, role.is_admin()), (limits, false));
    assert!(server.role_scram("grafana_1").is_some());
    let names: Vec<_> = server.roles().iter().map(|role| role.name.to_string()).collect();
    assert_eq!(names, [ADMIN_USER, "grafana_1"]);

    let wider = RoleLimits { running_max: None, ..limits };
    cli.set_role_limits("grafana_1", wider).unwrap();
    let next = cli.reset_password("grafana_1").unwrap();
    assert_ne!(next, password);
    server.refresh().unwrap();
    assert_eq!(server.role("grafana_1").unwrap().limits, wider);
    assert!(!server.authenticate("grafana_1", &password));
    assert!(server.authenticate("grafana_1", &next));

    cli.remove_role("grafana_1").unwrap();
    server.refresh().unwrap();
    assert!(!server.authenticate("grafana_1", &next));
    assert_eq!((server.role("grafana_1"), server.role_scram("grafana_1")), (None, None));
    let id = role.id;
    cli.add_role("another", limits).unwrap();
    assert_ne!(cli.role("another").unwrap().id, id, "no role gets the number of one that was");
}

#[test]
fn names_and_limits_that_a_role_cannot_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.ensure_admin().unwrap();
    let none = RoleLimits::default();
    for name in ["", "1st", "_a", "Grafana", "a b", "a\"b", &"x".repeat(64)] {
        assert_eq!(registry.add_role(name, none).unwrap_err().kind(), ErrorKind::Input, "{name:?}");
    }
    registry.add_role(&"x".repeat(63), none).unwrap();
    for limits in [
        RoleLimits { statement_seconds_max: Some(0), ..none },
        RoleLimits { memory_bytes_max: Some(1_000), ..none },
        RoleLimits { memory_bytes_max: Some(u64::MAX), ..none },
        RoleLimits { running_max: Some(0), ..none },
    ] {
        assert_eq!(registry.add_role("a", limits).unwrap_err().kind(), ErrorKind::Input, "{limits:?}");
        assert_eq!(registry.set_role_limits(ADMIN_USER, limits).unwrap_err().kind(), ErrorKind::Input);
    }
    for error in [
        registry.remove_role(ADMIN_USER).unwrap_err(),
        registry.remove_role("nobody").unwrap_err(),
        registry.set_role_limits("nobody", none).unwrap_err(),
        registry.reset_password("nobody").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
}

#[test]
fn changes_of_limits_at_the_same_time_lose_none_in_one_process_or_two() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cli) = (open(folder.path()), open(folder.path()));
    let none = RoleLimits { statement_seconds_max: None, memory_bytes_max: None, running_max: None };
    server.add_role("both", none).unwrap();
    cli.refresh().unwrap();
    const LAST: u32 = 40;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for seconds in 1..=LAST {
                let change = |before| RoleLimits { statement_seconds_max: Some(seconds), ..before };
                server.change_role_limits("both", change).unwrap();
            }
        });
        scope.spawn(|| {
            for bytes in 1..=LAST {
                let change = |before| RoleLimits { memory_bytes_max: Some(u64::from(bytes) << 20), ..before };
                server.change_role_limits("both", change).unwrap();
            }
        });
        scope.spawn(|| {
            for running in 1..=LAST {
                let change = |before| RoleLimits { running_max: Some(running), ..before };
                cli.change_role_limits("both", change).unwrap();
            }
        });
    });
    server.refresh().unwrap();
    let wanted = RoleLimits {
        statement_seconds_max: Some(LAST),
        memory_bytes_max: Some(u64::from(LAST) << 20),
        running_max: Some(LAST),
    };
    assert_eq!(server.role("both").unwrap().limits, wanted);
}

#[test]
fn calls_of_one_gateway_at_the_same_time_stay_within_its_quota_of_new_devices() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let token = registry.add_gateway("formosa", "vung-ang").unwrap().token;
    let gateway = registry.authenticate_gateway(&token).unwrap();
    const QUOTA: usize = 25;
    let accepted: usize = std::thread::scope(|scope| {
        let call = |caller: usize| {
            let (registry, gateway) = (&registry, &gateway);
            scope.spawn(move || {
                let names: Vec<String> = (0..10).map(|n| format!("d{caller}-{n}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                match registry.register_devices_of(gateway, gateway.zone, &names, QUOTA) {
                    Ok(keys) => keys.len(),
                    Err(error) => {
                        assert!(matches!(error, RegistryError::Limit { limit: QUOTA, .. }), "{error}");
                        0
                    }
                }
            })
        };
        let calls: Vec<_> = (0..8).map(call).collect();
        calls.into_iter().map(|call| call.join().unwrap()).sum()
    });
    assert_eq!(accepted, 20, "two calls are within the quota and no third one is");
    // What is known counts for nothing, a name that is sent twice counts once, and five are left.
    let known = registry.devices().iter().map(|device| device.name.to_string()).next().unwrap();
    let names = [known.as_str(), "n1", "n1", "n2", "n3", "n4", "n5"];
    assert_eq!(registry.register_devices_of(&gateway, gateway.zone, &names, QUOTA).unwrap().len(), names.len());
    assert!(registry.register_devices_of(&gateway, gateway.zone, &["n6"], QUOTA).is_err());
}
