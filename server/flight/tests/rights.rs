//! Rights over Flight SQL: each cell of the declaration, the catalog's calls, and prepared statements.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test stops at what it does not expect")]

#[path = "../../../query/tests/sql/harness.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod harness;
#[path = "../../../query/tests/sql/rights/shared.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod rights;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow_flight::FlightInfo;
use arrow_flight::sql::CommandGetTables;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use zonelake_ingest::DecodeLimits;
use zonelake_registry::{Grant, Place, TokenOwner, TokenRequest, Visibility};

use crate::harness::lines;
use crate::rights::declared::{TABLES, Wanted, cells};
use crate::rights::world::{ROLES, World, declared};

/// Server over a world, whose appends go to a store of their own.
struct Server {
    _folder: TempDir,
    address: SocketAddr,
}

impl Server {
    async fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (_, write) = server::open(folder.path(), declared(), DecodeLimits::default()).await;
        let registry = Arc::clone(world.full.registry_arc());
        let address = server::serve(world.full.engine(), Arc::new(write), registry).await;
        Self { _folder: folder, address }
    }

    async fn client(&self, world: &World, role: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new(server::channel(self.address).await);
        client.handshake(role, &world.passwords[role]).await.unwrap();
        client
    }
}

async fn rows_of(client: &mut FlightSqlServiceClient<Channel>, info: FlightInfo) -> Result<Vec<RecordBatch>, String> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let stream = client.do_get(ticket).await.map_err(|error| error.to_string())?;
    stream.try_collect().await.map_err(|error| error.to_string())
}

async fn told(client: &mut FlightSqlServiceClient<Channel>, sql: &str) -> Result<Vec<String>, String> {
    let info = client.execute(sql.to_owned(), None).await.map_err(|error| error.to_string())?;
    let batches = rows_of(client, info).await?;
    Ok(batches.iter().flat_map(lines).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_sees_over_flight_what_is_declared() {
    let world = World::new().await;
    let server = Server::start(&world).await;
    let mut clients = Vec::new();
    for role in ROLES {
        clients.push((role, server.client(&world, role).await));
    }
    // Thousands of cells: those of one role beside those of another.
    let roles: JoinSet<()> = clients.into_iter().map(|(role, client)| sees_what_is_declared(role, client)).collect();
    roles.join_all().await;
}

async fn sees_what_is_declared(role: &str, mut client: FlightSqlServiceClient<Channel>) {
    for cell in TABLES.iter().flat_map(|table| cells(role, table)) {
        let got = told(&mut client, &cell.sql).await;
        match &cell.wanted {
            Wanted::Refused => assert!(got.is_err(), "{role}: {cell:?}: {got:?}"),
            Wanted::Answered => assert!(got.is_ok(), "{role}: {cell:?}: {got:?}"),
            Wanted::Count(count) => assert_eq!(got, Ok(vec![count.to_string()]), "{role}: {cell:?}"),
        }
    }
    let command = CommandGetTables {
        include_schema: true,
        db_schema_filter_pattern: Some("public".into()),
        ..Default::default()
    };
    let info = client.get_tables(command).await.unwrap();
    let batches = rows_of(&mut client, info).await.unwrap();
    let names = batches.iter().flat_map(|batch| {
        let names = batch.column_by_name("table_name").unwrap();
        let names = names.as_any().downcast_ref::<StringArray>().unwrap();
        names.iter().flatten().map(|name| format!("public.{name}")).collect::<Vec<_>>()
    });
    let exists = |table: &&&str| !matches!(cells(role, table)[0].wanted, Wanted::Refused);
    let wanted: Vec<&str> = TABLES.iter().filter(exists).copied().filter(|table| table.starts_with("public")).collect();
    assert_eq!(names.collect::<Vec<_>>(), wanted, "{role}: the catalog's call");
}

#[tokio::test]
async fn a_prepared_statement_of_other_rights_is_prepared_again() {
    let world = World::new().await;
    let server = Server::start(&world).await;
    let mut client = server.client(&world, "shown").await;
    let mut prepared = client.prepare("select plate_hash from security".to_owned(), None).await.unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(rows_of(&mut client, info.clone()).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 24);
    let hidden = Grant::all_tables(Place::Zone("vung-ang".into()), Visibility::Hidden);
    world.full.registry_arc().grant("shown", &hidden).unwrap();
    let error = rows_of(&mut client, info).await.expect_err("its columns were those of other rights");
    assert!(error.contains("prepare the statement again"), "{error}");
    assert!(client.prepare("select plate_hash from security".to_owned(), None).await.is_err());
}

#[tokio::test]
async fn a_token_of_a_role_is_a_bearer_token_until_it_is_revoked() {
    let world = World::new().await;
    let server = Server::start(&world).await;
    let registry = world.full.registry_arc();
    let owner = TokenOwner::Role("shown".into());
    let token = registry.add_token(&owner, &TokenRequest::default()).unwrap();
    let channel = server::channel(server.address).await;
    let mut client = FlightSqlServiceClient::new(channel.clone());
    client.set_token(token.token.clone());
    let sql = "select count(*) from security";
    let by_password = told(&mut server.client(&world, "shown").await, sql).await.unwrap();
    assert_eq!(told(&mut client, sql).await.unwrap(), by_password);
    // As a password of its role, and of no other.
    let mut shaken = FlightSqlServiceClient::new(channel.clone());
    shaken.handshake("shown", &token.token).await.unwrap();
    assert_eq!(told(&mut shaken, sql).await.unwrap(), by_password);
    let mut foreign = FlightSqlServiceClient::new(channel);
    foreign.handshake("analyst", &token.token).await.expect_err("it is another role's");
    registry.revoke_token(&owner, &token.info.name).unwrap();
    for client in [&mut client, &mut shaken] {
        let error = told(client, sql).await.expect_err("it is revoked");
        assert!(error.contains("revoked"), "{error}");
    }
}
