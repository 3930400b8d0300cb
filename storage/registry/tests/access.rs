//! Gateways and the administrator, also as two processes on one file see them.

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{ADMIN_USER, Registry, RegistryError};
use zonelake_schemas::ErrorKind;
use zonelake_schemas::clock::SystemClock;

fn open(folder: &Path) -> Registry {
    Registry::open(&folder.join("registry.sqlite"), Arc::new(SystemClock::default())).unwrap()
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
    assert_eq!(server.place(key).unwrap().site.as_deref(), Some("kho-1"));
    assert!(server.authenticate_admin(ADMIN_USER, &password));

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
    assert!(!registry.authenticate_admin(ADMIN_USER, ""));
    let first = registry.ensure_admin().unwrap().unwrap();
    assert_eq!(registry.ensure_admin().unwrap(), None);
    let other = open(folder.path());
    assert_eq!(other.ensure_admin().unwrap(), None);
    for registry in [&registry, &other] {
        assert!(registry.authenticate_admin(ADMIN_USER, &first));
        assert!(registry.authenticate_admin(ADMIN_USER, &first), "now from memory");
        assert!(!registry.authenticate_admin(ADMIN_USER, &format!("{first}x")));
        assert!(!registry.authenticate_admin("root", &first));
        assert!(!registry.authenticate_admin(ADMIN_USER, &"x".repeat(2_000)));
    }
    registry.set_admin_password("mật khẩu mới").unwrap();
    other.refresh().unwrap();
    for registry in [&registry, &other] {
        assert!(!registry.authenticate_admin(ADMIN_USER, &first), "what memory knew is forgotten");
        assert!(registry.authenticate_admin(ADMIN_USER, "mật khẩu mới"));
    }
    for bad in ["short", &"x".repeat(1_025)] {
        assert_eq!(registry.set_admin_password(bad).unwrap_err().kind(), ErrorKind::Input);
    }
}
