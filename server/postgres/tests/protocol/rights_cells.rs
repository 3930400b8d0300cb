//! Rights over the PostgreSQL protocol: each cell of the declaration, what the catalog tells, and prepared statements.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_postgres::{Client, SimpleQueryMessage};
use zonelake_registry::{Grant, Place, Visibility};

use crate::harness::Harness;
use crate::rights::declared::{TABLES, Wanted, cells};
use crate::rights::world::{ROLES, World, forbidden};
use crate::server::{TestServer, connect, shown, sqlstate, texts};

async fn server(world: &World, harness: &Arc<Harness>) -> TestServer {
    assert_eq!(world.passwords.len(), ROLES.len());
    TestServer::over(Arc::clone(harness), harness.options(), 64).await
}

async fn client_of(server: &TestServer, world: &World, role: &str) -> Client {
    let mut config = server.config();
    config.user(role).password(&world.passwords[role]);
    connect(&config).await.unwrap()
}

/// Rows of a statement as text, or the error.
async fn told(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| shown(&error))?;
    let mut rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).unwrap_or("∅")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect();
    rows.sort_unstable();
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_sees_over_postgresql_what_is_declared() {
    let world = World::new().await;
    let server = server(&world, &world.full).await;
    let mut clients = Vec::new();
    for role in ROLES {
        clients.push((role, client_of(&server, &world, role).await));
    }
    // Thousands of cells: those of one role beside those of another.
    let roles: JoinSet<()> = clients.into_iter().map(|(role, client)| sees_what_is_declared(role, client)).collect();
    roles.join_all().await;
}

async fn sees_what_is_declared(role: &str, client: Client) {
    for cell in TABLES.iter().flat_map(|table| cells(role, table)) {
        let got = told(&client, &cell.sql).await;
        match &cell.wanted {
            Wanted::Refused => assert!(got.is_err(), "{role}: {cell:?}: {got:?}"),
            Wanted::Answered => assert!(got.is_ok(), "{role}: {cell:?}: {got:?}"),
            Wanted::Count(count) => assert_eq!(got, Ok(vec![count.to_string()]), "{role}: {cell:?}"),
        }
    }
}

/// Statements over the catalog and with the forms of this protocol that try to see more.
const CATALOG: &[&str] = &[
    "select relname, reltuples from pg_class order by relname",
    "select c.relname, c.reltuples, c.relpages from pg_catalog.pg_class c where c.relkind = 'r' order by 1",
    "select attname from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relname = 'security' order by 1",
    "select attname, attnum, format_type(atttypid, atttypmod) from pg_attribute where attname like '%hash' order by 1, 2",
    "select * from pg_stats",
    "select * from pg_statistic",
    "select * from pg_stat_user_tables",
    "select usename, application_name, state, query from pg_stat_activity",
    "select rolname from pg_roles order by 1",
    "select usename from pg_user order by 1",
    "select rolname, rolpassword from pg_authid",
    "select description from pg_description order by 1",
    "select obj_description('security'::regclass)",
    "select col_description('security'::regclass, 18)",
    "select 'security'::regclass::oid",
    "select 'environment'::regclass::oid",
    "select to_regclass('rejected')",
    "select to_regclass('gateways'), to_regclass('nothing')",
    "select has_table_privilege('security', 'select')",
    "select has_table_privilege('zone', 'environment', 'select')",
    "select has_column_privilege('security', 'plate_hash', 'select')",
    "select pg_relation_size('environment')",
    "select pg_total_relation_size('environment')",
    "select pg_size_pretty(pg_database_size('zonelake'))",
    "select pg_table_is_visible('security'::regclass)",
    "select pg_get_userbyid(17002), pg_get_userbyid(17003), pg_get_userbyid(17004)",
    "select 'analyst'::regrole",
    "select count(*) from environment; select count(*) from network",
    "select zone, count(*) from environment group by zone order by 1",
    "select count(*) from network where 1 / (pci - 20) > 0",
    "select count(*) from network where pci = 20 and 1 / (pci - 20) = 0",
    "copy environment to stdout",
    "copy (select count(*), max(temperature) from environment) to stdout with (format csv)",
    "copy security (plate_hash) to stdout",
    "copy environment to '/tmp/x'",
    "table environment",
    "explain analyze select count(*) from environment where zone = 'phu-vinh'",
    "begin; declare c cursor for select count(*) from environment; fetch all from c; commit",
    "show data_directory",
    "select setting from pg_settings where name = 'data_directory'",
    "select current_setting('data_directory', true)",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select query_to_xml('select * from environment', true, true, '')",
    "select table_name from information_schema.tables order by 1",
    "select column_name from information_schema.columns where table_name = 'security' order by 1",
    "select grantee, table_name from information_schema.table_privileges",
    "select * from information_schema.role_table_grants",
    "set role admin",
    "set session authorization admin",
    "set search_path to pg_catalog; select count(*) from environment",
    "do $$ begin perform 1; end $$",
];

#[tokio::test]
async fn the_catalog_tells_what_it_tells_where_hidden_rows_do_not_exist() {
    let world = World::new().await;
    let full = server(&world, &world.full).await;
    let mut failures = Vec::new();
    for role in ["zone", "shown", "analyst", "operator", "nobody"] {
        let witness = server(&world, &world.permitted(role).await).await;
        let (client, witness_client) = (client_of(&full, &world, role).await, client_of(&witness, &world, role).await);
        let forbidden = forbidden(role);
        for sql in CATALOG {
            let (seen, wanted) = (told(&client, sql).await, told(&witness_client, sql).await);
            if sql.starts_with("begin") {
                // A statement that failed leaves its transaction open, as PostgreSQL does.
                client.batch_execute("rollback").await.unwrap();
                witness_client.batch_execute("rollback").await.unwrap();
            }
            // Times of plans differ from run to run.
            if seen != wanted && !sql.starts_with("explain") {
                failures.push(format!("{role}: {sql}\n  is told {seen:?}\n  and not {wanted:?}"));
            }
            let text = format!("{seen:?}");
            let mark = forbidden.iter().find(|mark| text.contains(mark.as_str()) && !sql.contains(mark.as_str()));
            if let Some(mark) = mark {
                failures.push(format!("{role}: {sql}\n  shows {mark}: {text}"));
            }
        }
        let roles = told(&client, "select rolname from pg_roles").await.unwrap();
        assert_eq!(roles, ["admin", role], "a role sees no other role");
        let counts = "select count(*) from pg_class where reltuples > 0";
        assert_eq!(texts(&client, counts).await, ["0"], "{role}: no count of rows is told");
        let hidden = "select count(*) from pg_attribute where attname in ('plate_hash', 'person_hash')";
        let wanted = if matches!(role, "shown" | "analyst") { "3" } else { "0" };
        assert_eq!(texts(&client, hidden).await, [wanted], "{role}");
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn a_prepared_statement_has_the_columns_that_rights_leave_when_it_runs() {
    let world = World::new().await;
    let server = server(&world, &world.full).await;
    let client = client_of(&server, &world, "shown").await;
    let all = client.prepare("select * from security order by time, device").await.unwrap();
    let one = client.prepare("select plate_hash from security where zone = $1").await.unwrap();
    assert!(all.columns().iter().any(|column| column.name() == "plate_hash"));
    assert_eq!(client.query(&one, &[&"vung-ang"]).await.unwrap().len(), 24);
    let registry = world.full.registry_arc();
    let listed = "select count(*) from pg_attribute where attname = 'plate_hash'";
    assert_eq!(texts(&client, listed).await, ["2"]);
    registry.grant("shown", &Grant::all_tables(Place::Zone("vung-ang".into()), Visibility::Hidden)).unwrap();
    let error = client.query(&one, &[&"vung-ang"]).await.expect_err("the column is hidden since");
    assert_eq!(sqlstate(&error), "42703");
    assert_eq!(texts(&client, listed).await, ["0"], "the catalog of an open connection follows");
    let error = client.prepare("select plate_hash from security").await.expect_err("it is not described either");
    assert_eq!(sqlstate(&error), "42703");
    registry.remove_role("shown").unwrap();
    let error = client.query(&all, &[]).await.expect_err("the role is gone");
    assert_eq!(sqlstate(&error), "28000");
}
