//! Each cell of the declaration through the engine, over the interfaces that it knows.

use std::collections::BTreeSet;

use zonelake_query::{Caller, Interface, QueryEngine, SqlSession};

use crate::harness::lines;
use crate::rights::declared::{PERSONAL, TABLES, Wanted, cells, tested_by};
use crate::rights::world::{ROLES, World, declared};

async fn ask(engine: &QueryEngine, role: &str, interface: Interface, sql: &str) -> Result<Vec<String>, String> {
    let session = SqlSession::new(Caller { name: role.into() }, interface);
    let answer = async { engine.execute_in(sql, &session).await?.collect().await };
    let batches = answer.await.map_err(|error| error.message)?;
    Ok(batches.iter().flat_map(lines).collect())
}

#[tokio::test]
async fn every_role_sees_of_every_table_zone_and_column_what_is_declared() {
    let world = World::new().await;
    let engine = world.full.engine();
    let mut failures = Vec::new();
    for role in ROLES.into_iter().chain(["admin"]) {
        for cell in TABLES.iter().flat_map(|table| cells(role, table)) {
            for interface in [Interface::Http, Interface::Flight, Interface::Postgres] {
                // A view takes long to plan, and each interface asks it in its own test.
                if interface != Interface::Http && cell.is_of_view {
                    continue;
                }
                let got = ask(&engine, role, interface, &cell.sql).await;
                let is_as_declared = match (&cell.wanted, &got) {
                    (Wanted::Refused, got) => got.is_err(),
                    (Wanted::Answered, got) => got.is_ok(),
                    (Wanted::Count(count), Ok(rows)) => *rows == [count.to_string()],
                    (Wanted::Count(_), Err(_)) => false,
                };
                if !is_as_declared {
                    failures.push(format!("{role} over {interface:?}: {cell:?}\n  got {got:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} cells\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn every_table_and_personal_column_has_an_entry_and_every_interface_a_test() {
    let world = World::new().await;
    let engine = world.full.engine();
    let sql = "select table_schema || '.' || table_name from information_schema.tables order by 1";
    let all = ask(&engine, "admin", Interface::Http, sql).await.unwrap();
    let all: Vec<&str> =
        all.iter().map(String::as_str).filter(|name| !name.starts_with("information_schema")).collect();
    assert_eq!(all, TABLES);
    let personal: BTreeSet<(String, String)> = declared()
        .iter()
        .flat_map(|table| table.fields.iter().map(move |field| (table, field)))
        .filter(|(_, field)| field.personal.is_some())
        .map(|(table, field)| (format!("public.{}", table.name), field.name.clone()))
        .collect();
    let entered = PERSONAL.map(|(table, column)| (table.to_owned(), column.to_owned()));
    assert_eq!(personal, BTreeSet::from(entered));
    for interface in [Interface::Http, Interface::Postgres, Interface::Flight] {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let test = std::path::Path::new(root).join(tested_by(interface));
        let text = std::fs::read_to_string(&test).unwrap_or_default();
        assert!(text.contains("what_is_declared"), "{} goes through no cells", test.display());
    }
}

#[tokio::test]
async fn lists_of_tables_and_columns_have_what_exists_for_a_role_and_no_more() {
    let world = World::new().await;
    let engine = world.full.engine();
    for role in ROLES {
        let listed = "select table_schema || '.' || table_name from information_schema.tables order by 1";
        let listed = ask(&engine, role, Interface::Http, listed).await.unwrap();
        let exists = |table: &&str| !matches!(cells(role, table)[0].wanted, Wanted::Refused);
        let wanted: Vec<&str> = TABLES.iter().copied().filter(|table| exists(table)).collect();
        assert_eq!(listed, wanted, "{role}");
        let columns = "select table_schema || '.' || table_name || '.' || column_name from information_schema.columns";
        let columns = ask(&engine, role, Interface::Http, columns).await.unwrap();
        for (table, column) in PERSONAL {
            let sql = format!("select {column} from {table} limit 1");
            let is_visible = ask(&engine, role, Interface::Http, &sql).await.is_ok();
            assert_eq!(columns.contains(&format!("{table}.{column}")), is_visible, "{role}: {table}.{column}");
        }
    }
}
