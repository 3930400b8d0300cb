//! Grants of roles: what may be granted to whom, and what the file keeps.
#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{
    ADMIN_USER, Grant, GrantKey, OnlyRows, Place, Registry, RegistryError, RoleKind, RoleLimits, RoleScope, Visibility,
};
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::{ErrorKind, Personal};

fn open(folder: &Path) -> Registry {
    let registry = Registry::open(&folder.join("registry.sqlite"), Arc::new(SystemClock::default())).unwrap();
    registry.register_tables(&builtin_tables()).unwrap();
    registry
}

fn zone(code: &str) -> Place {
    Place::Zone(code.into())
}

fn operator(table: &str, column: &str, value: &str) -> Grant {
    let only = Some(OnlyRows { column: column.into(), value: value.into() });
    Grant::new(GrantKey { table: Some(table.into()), place: Place::Everywhere, only }, Visibility::Hidden)
}

#[test]
fn a_role_has_the_grants_that_it_was_given_until_they_are_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.ensure_admin().unwrap();
    assert!(registry.role(ADMIN_USER).unwrap().is_admin());
    registry.add_role("r", RoleLimits::default()).unwrap();
    let new = registry.role("r").unwrap();
    assert_eq!((new.kind, new.grants.len(), new.reads_as_before), (RoleKind::Own, 0, false), "the default is nothing");

    let epoch = registry.rights_epoch();
    let all = Grant::all_tables(zone("vung-ang"), Visibility::Hidden);
    let one = Grant { plate: Visibility::Hashed, ..Grant::table("security", zone("phu-vinh"), Visibility::Hidden) };
    let own = operator("network", "operator", "Viettel");
    for grant in [&all, &one, &own] {
        registry.grant("r", grant).unwrap();
    }
    assert_eq!(registry.rights_epoch(), epoch + 3);
    let mut wanted = vec![all.clone(), one.clone(), own.clone()];
    wanted.sort_unstable();
    assert_eq!(*registry.role("r").unwrap().grants, *wanted);
    assert!(!registry.role("r").unwrap().has_rights_of(&new));

    // The same key again changes how personal data are seen, and adds nothing.
    registry.grant("r", &Grant { plate: Visibility::Shown, ..one.clone() }).unwrap();
    let role = registry.role("r").unwrap();
    assert_eq!(role.grants.len(), 3);
    assert!(
        role.grants.iter().any(|grant| grant.key == one.key && grant.visibility(Personal::Plate) == Visibility::Shown)
    );

    registry.revoke("r", &all.key).unwrap();
    assert!(matches!(registry.revoke("r", &all.key), Err(RegistryError::Unknown { .. })));
    drop(registry);
    let registry = open(folder.path());
    assert_eq!(registry.role("r").unwrap().grants.len(), 2, "the file keeps them");
    assert_eq!(registry.rights_epoch(), epoch + 5);
    registry.remove_role("r").unwrap();
    registry.add_role("r", RoleLimits::default()).unwrap();
    assert_eq!(registry.role("r").unwrap().grants.len(), 0, "a role of the same name begins with nothing");
}

#[test]
fn grants_that_cannot_be_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.ensure_admin().unwrap();
    registry.add_role("r", RoleLimits::default()).unwrap();
    let scope = RoleScope { zones: vec!["vung-ang".into()], ..RoleScope::default() };
    let grants = RoleKind::ZoneOperator.first_grants("z", &scope).unwrap();
    registry.add_role_with("z", RoleKind::ZoneOperator, RoleLimits::default(), &grants).unwrap();
    let epoch = registry.rights_epoch();
    let star_with_value = Grant {
        key: GrantKey { table: None, ..operator("network", "operator", "x").key },
        ..operator("network", "operator", "x")
    };
    for (role, grant, words) in [
        ("nobody", Grant::all_tables(Place::Everywhere, Visibility::Hidden), "unknown role"),
        (ADMIN_USER, Grant::all_tables(Place::Everywhere, Visibility::Hidden), "sees everything"),
        ("r", Grant::table("nothing", Place::Everywhere, Visibility::Hidden), "unknown table"),
        ("r", Grant::all_tables(zone("nowhere"), Visibility::Hidden), "unknown zone"),
        ("r", Grant::all_tables(Place::Province("nowhere".into()), Visibility::Hidden), "unknown province"),
        ("r", operator("network", "state", "x"), "rights_by"),
        ("r", operator("environment", "operator", "x"), "rights_by"),
        ("r", operator("devices", "zone", "x"), "rights_by"),
        ("r", operator("network", "operator", &"x".repeat(257)), "256 bytes"),
        ("r", star_with_value, "table by table"),
        ("z", Grant::all_tables(Place::Everywhere, Visibility::Hidden), "zone operator"),
        ("z", Grant::all_tables(Place::Province("ha-tinh".into()), Visibility::Hidden), "zone operator"),
    ] {
        let error = registry.grant(role, &grant).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
    let wrong = [Grant::all_tables(zone("nowhere"), Visibility::Hidden)];
    registry.add_role_with("made", RoleKind::Own, RoleLimits::default(), &wrong).unwrap_err();
    assert_eq!(registry.role("made"), None, "a role is made with all of its grants or not at all");
    assert_eq!(registry.rights_epoch(), epoch);
}

#[test]
fn a_folder_has_one_key_of_personal_data_for_good() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hash = |folder: &Path| open(folder).personal_key().hash(Personal::Plate, "38A-123.45");
    assert_eq!(hash(folder.path()), hash(folder.path()));
    assert_ne!(hash(folder.path()), hash(other.path()));
}
