//! A folder whose password was set before there was SCRAM.

use std::sync::Arc;

use zonelake_registry::{ADMIN_USER, Registry};
use zonelake_schemas::clock::SystemClock;

#[test]
fn keys_of_an_older_password_are_made_when_it_is_used_and_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.sqlite");
    let open = || Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
    let registry = open();
    let password = registry.ensure_admin().unwrap().expect("a first password");
    let first = registry.role_scram(ADMIN_USER).expect("a new password has keys");
    assert_eq!(registry.role_scram("somebody"), None);
    drop(registry);
    let connection = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(connection.execute("UPDATE roles SET scram = NULL", []).unwrap(), 1);

    let registry = open();
    assert_eq!(registry.role_scram(ADMIN_USER), None);
    assert!(!registry.authenticate(ADMIN_USER, "a wrong one"));
    assert_eq!(registry.role_scram(ADMIN_USER), None);
    assert!(registry.authenticate(ADMIN_USER, &password));
    let made = registry.role_scram(ADMIN_USER).expect("they are made");
    assert_ne!(made, first, "the salt is another one");
    drop(registry);
    let registry = open();
    assert_eq!(registry.role_scram(ADMIN_USER), Some(made));
    registry.set_password(ADMIN_USER, "another password").unwrap();
    assert!(registry.role_scram(ADMIN_USER).is_some());
}
