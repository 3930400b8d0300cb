//! The file itself: opened by many, copied while in use, damaged; and the tables in it.

use std::path::Path;
use std::sync::Arc;

use zonelake_registry::{Registry, RegistryError, RoleLimits, check_file, declared_tables};
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::reject::rejected_table;
use zonelake_schemas::{ErrorKind, GatewayId, NodeNumber, ProducerId, SchemaVersion, TableDef, TableId};

fn open_at(path: &Path) -> Result<Registry, RegistryError> {
    Registry::open(path, Arc::new(SystemClock::default()))
}

fn open(folder: &Path) -> Registry {
    open_at(&folder.join("registry.sqlite")).expect("the registry opens")
}

fn table(name: &str, fields: &[&str]) -> TableDef {
    let fields: String = fields.iter().map(|field| format!("[[field]]\n{field}\n")).collect();
    TableDef::from_toml(&format!("name = \"{name}\"\n{fields}")).expect("a declaration")
}

const A: &str = "name = \"a\"\ntype = \"double\"\nunit = \"mg/l\"\nmin = 0.1\nmax = 1e5\ndecimals = 2";
const B: &str = "name = \"b\"\ntype = \"text\"";
const C: &str = "name = \"c\"\ntype = \"bigint\"";

#[test]
fn a_new_file_opened_by_many_at_once_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(open(folder.path()).zones().len(), 36));
        }
    });
    assert!(check_file(&folder.path().join("registry.sqlite")).unwrap().is_sound());
}

#[test]
fn what_a_call_has_returned_is_in_the_files_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let zone = registry.zone_by_code("vung-ang").unwrap().id;
    let token = registry.add_gateway("formosa", "vung-ang").unwrap().token;
    let keys = registry.register_devices(zone, &["pump-1", "pump-2"]).unwrap();
    let tables = registry.register_tables(&[table("t", &[A])]).unwrap();
    // What a process that is killed here leaves behind: the file and its journal, without a tidy close.
    let left = tempfile::tempdir().unwrap();
    for name in ["registry.sqlite", "registry.sqlite-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let after = open(left.path());
    assert!(after.authenticate_gateway(&token).is_some());
    assert_eq!(after.register_devices(zone, &["pump-1", "pump-2"]).unwrap(), keys);
    assert_eq!(after.stored_tables().unwrap()[0].def, tables[0].def);
}

#[test]
fn declared_tables_are_registered_with_ids_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut declared = declared_tables(folder.path()).unwrap();
    declared.push(rejected_table());
    let registry = open(folder.path());
    let first = registry.register_tables(&declared).unwrap();
    assert_eq!(first.len(), 7);
    for (registered, def) in first.iter().zip(&declared) {
        assert_eq!(*registered.def, *def);
        assert_eq!(registered.version, SchemaVersion(1));
        assert_eq!(registered.field_counts, [def.fields.len()]);
        assert_eq!(registered.schemas.wire.fields().len(), def.fields.len() + 3);
    }
    declared.reverse();
    let again = open(folder.path()).register_tables(&declared).unwrap();
    let numbered = |tables: &[Arc<zonelake_registry::RegisteredTable>]| -> Vec<(TableId, String)> {
        tables.iter().map(|table| (table.id, table.def.name.clone())).collect()
    };
    assert_eq!(numbered(&again), numbered(&first));
}

#[test]
fn an_added_field_makes_the_next_version_and_other_words_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let adopt = |def: &TableDef| open(folder.path()).register_tables(std::slice::from_ref(def)).unwrap().remove(0);
    assert_eq!(adopt(&table("t", &[A, B])).field_counts, [2]);
    let wider = A.replace("1e5", "2e5");
    let reworded = adopt(&table("t", &[&wider, B]));
    assert_eq!((reworded.version, reworded.def.fields[0].max), (SchemaVersion(1), Some(2e5)));
    // Declared in front, it still comes behind what is stored.
    let added = adopt(&table("t", &[C, &wider, B]));
    assert_eq!((added.version, &added.field_counts), (SchemaVersion(2), &vec![2, 3]));
    let names: Vec<_> = added.def.fields.iter().map(|field| &*field.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(adopt(&table("t", &[C, &wider, B])).field_counts, [2, 3]);
}

#[test]
fn a_change_that_would_misread_stored_data_is_refused_by_name_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.register_tables(&[table("t", &[A, B])]).unwrap();
    let refused = [
        (vec![B], "field a"),
        (vec![A, "name = \"b\"\ntype = \"bigint\""], "field b"),
        (vec![&*A.replace("decimals = 2", "decimals = 3"), B], "field a"),
        (vec![&*A.replace("mg/l", "µg/l"), B], "field a"),
    ]
    .map(|(fields, words)| (table("t", &fields), words));
    for (def, words) in refused {
        let error = registry.register_tables(&[table("other", &[C]), def]).unwrap_err();
        assert!(error.to_string().contains("table t") && error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(open(folder.path()).stored_tables().unwrap().len(), 1, "the other table is not there either");
    }
}

#[test]
fn a_table_that_is_no_longer_declared_stays_as_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    registry.register_tables(&[table("old", &[A, B])]).unwrap();
    let tables = registry.register_tables(&[table("new", &[C])]).unwrap();
    let names: Vec<_> = tables.iter().map(|table| (table.id, &*table.def.name, table.def.fields.len())).collect();
    assert_eq!(names, [(TableId(1), "old", 2), (TableId(2), "new", 1)]);
}

#[test]
fn a_check_counts_what_is_there_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.sqlite");
    assert!(check_file(&path).is_err());
    assert!(!path.exists());
    let registry = open(folder.path());
    registry.add_gateway("formosa", "vung-ang").unwrap();
    registry.register_tables(&[table("t", &[A, B])]).unwrap();
    let report = registry.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.provinces, report.zones, report.sites, report.devices), (2, 36, 4, 0));
    assert_eq!((report.locations, report.gateways, report.producers), (36, 1, 0));
    assert_eq!((&*report.tables[0].name, report.tables[0].fields), ("t", 2));
    assert_eq!(check_file(&path).unwrap(), report, "while it is open");
    drop(registry);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(check_file(&path).unwrap(), report);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_check_finds_what_cannot_be() {
    for (damage, words) in [
        ("DELETE FROM zones WHERE code = 'hoa-phu'", "refers to a row of zones"),
        ("DELETE FROM places WHERE key = 5", "keys of places are missing"),
        ("DELETE FROM places WHERE key = 36", "no place for the zone"),
        ("DELETE FROM table_versions", "table t has no version"),
        ("UPDATE table_versions SET version = 2", "versions of table t"),
        ("UPDATE table_versions SET declaration = 'name = '", "does not read"),
        ("UPDATE table_versions SET fields = 7", "number of fields"),
        ("UPDATE places SET current = 0 WHERE device = 'pump'", "no current place"),
        (
            "INSERT INTO devices (zone, name, version, state, changed_us) VALUES (1, 'ghost', 1, 'approved', 0)",
            "in operation and have no place",
        ),
        ("UPDATE places SET site = 1 WHERE device = 'pump'", "a site of another zone"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let registry = open(folder.path());
        registry.register_tables(&[table("t", &[A, B])]).unwrap();
        let zone = registry.zone_by_code("hoa-phu").unwrap().id;
        registry.register_devices(zone, &["pump"]).unwrap();
        drop(registry);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        assert!(connection.execute(damage, []).unwrap() > 0, "{damage}");
        drop(connection);
        let report = check_file(&path).unwrap();
        assert!(report.problems.iter().any(|problem| problem.contains(words)), "{damage}: {report:?}");
    }
}

#[test]
fn a_damaged_or_foreign_file_is_refused_as_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.sqlite");
    std::fs::write(&path, "this is no database, whatever its name says; it is only long enough to be looked at")
        .unwrap();
    assert_eq!(open_at(&path).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(check_file(&path).unwrap_err().kind(), ErrorKind::Corrupt);

    let other = folder.path().join("other.sqlite");
    drop(open_at(&other).unwrap());
    let mut bytes = std::fs::read(&other).unwrap();
    let pages = bytes.len() / 4_096;
    bytes[4_096..(pages - 1) * 4_096].fill(0xa5);
    std::fs::write(&other, &bytes).unwrap();
    assert_eq!(open_at(&other).unwrap_err().kind(), ErrorKind::Corrupt);
    let found = check_file(&other);
    assert!(found.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) || !found.unwrap().is_sound());
}

#[test]
fn a_missing_location_is_refused_at_the_next_open_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("registry.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("DELETE FROM places WHERE key = 5", []).unwrap();
    drop(connection);
    let error = open_at(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("place 5"), "{error}");
}

#[test]
fn a_file_of_a_newer_version_or_in_no_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("registry.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 1_000).unwrap();
    let error = open_at(&path).unwrap_err();
    assert!(matches!(error, RegistryError::Migrate { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input);
    let error = open_at(&folder.path().join("none/registry.sqlite")).unwrap_err();
    assert!(matches!(error, RegistryError::Open { .. }), "{error}");
}

#[test]
fn marks_are_the_maximum_ids_that_were_ever_given_out_in_memory_and_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let new = registry.marks();
    assert_eq!((new.producer, new.gateway), (ProducerId(0), GatewayId(0)));
    let gateway = registry.add_gateway("north", "vung-ang").unwrap().gateway;
    let producer = registry.producer(gateway.id, "p").unwrap();
    let keys = registry.register_devices(gateway.zone, &["a", "b"]).unwrap();
    registry.add_role("reader", RoleLimits::default()).unwrap();
    let marks = registry.marks();
    assert_eq!((marks.producer, marks.gateway), (producer, gateway.id));
    assert_eq!(Some(&marks.device_key), keys.iter().max());
    assert!(marks.role > new.role);
    registry.remove_role("reader").unwrap();
    registry.revoke_gateway("north").unwrap();
    assert_eq!(registry.marks(), marks, "what is gone was given out all the same");
    drop(registry);
    assert_eq!(open(folder.path()).marks(), marks);
    assert_eq!(check_file(&folder.path().join("registry.sqlite")).unwrap().marks, marks);
}

#[test]
fn a_registry_belongs_to_the_first_node_number_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    assert_eq!(registry.node_number().unwrap(), None);
    let number = NodeNumber::from_random(u64::MAX);
    registry.bind_node_number(number).unwrap();
    registry.bind_node_number(number).unwrap();
    let refused = registry.bind_node_number(NodeNumber(7)).unwrap_err();
    assert!(refused.to_string().contains(&number.to_string()) && refused.to_string().contains("number 7"), "{refused}");
    drop(registry);
    assert_eq!(open(folder.path()).node_number().unwrap(), Some(number));
    assert_eq!(check_file(&folder.path().join("registry.sqlite")).unwrap().node_number, Some(number));
}
