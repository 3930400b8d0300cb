//! Calls over real connections: those that say nothing hold up nobody, and headers set the session of a call.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    CommandStatementIngest, ProstMessageExt, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_flight::{FlightData, FlightDescriptor};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use prost::Message;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request};
use zonelake_ingest::{DecodeLimits, WriteState};
use zonelake_query::{QueryEngine, QueryOptions};
use zonelake_schemas::tables::builtin_tables;
use zonelake_storage::Store;

use crate::server::BUDGET_KIB;

struct Server {
    _folder: TempDir,
    store: Arc<Store>,
    write: Arc<WriteState>,
    address: SocketAddr,
    password: String,
    token: String,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = DecodeLimits { body_timeout: Duration::from_secs(2), ..DecodeLimits::default() };
        let (store, write) = server::open(folder.path(), builtin_tables(), limits).await;
        let password = store.registry().ensure_admin().unwrap().unwrap();
        let token = store.registry().add_gateway("g", "vung-ang").unwrap().token;
        let engine = QueryEngine::new(Arc::clone(&store), QueryOptions::new(folder.path().join("spill"))).unwrap();
        let write = Arc::new(write);
        let address = server::serve(Arc::new(engine), Arc::clone(&write), Arc::clone(store.registry())).await;
        Self { _folder: folder, store, write, address, password, token }
    }

    async fn channel(&self) -> Channel {
        server::channel(self.address).await
    }

    /// Calls of DoPut that send these messages and then nothing more; they are open as long as the values live.
    async fn silent_puts(
        &self,
        count: usize,
        authorization: &str,
        messages: &[FlightData],
    ) -> Vec<tokio::task::AbortHandle> {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut client = FlightServiceClient::new(self.channel().await);
            let stream = futures::stream::iter(messages.to_vec()).chain(futures::stream::pending());
            let mut request = Request::new(stream);
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
            let call = tokio::spawn(async move { drop(client.do_put(request).await) });
            open.push(call.abort_handle());
        }
        open
    }

    /// Appends rows as a gateway does; gives back their count.
    async fn append(&self, rows: usize) -> i64 {
        let mut client = FlightSqlServiceClient::new(self.channel().await);
        client.set_token(self.token.clone());
        let appended = client.execute_ingest(command(), futures::stream::iter([Ok(batch(rows))]));
        timeout(Duration::from_secs(20), appended).await.expect("nobody holds it up").unwrap()
    }
}

fn command() -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Fail.into(),
            if_exists: TableExistsOption::Append.into(),
        }),
        table: "environment".into(),
        schema: None,
        catalog: None,
        temporary: false,
        transaction_id: None,
        options: Default::default(),
    }
}

fn batch(rows: usize) -> RecordBatch {
    let times = (0..rows).map(|row| Some(1_735_689_600_000_000 + i64::try_from(row).unwrap()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("device", Arc::new(StringArray::from(vec!["d"; rows]))),
        ("temperature", Arc::new(Float64Array::from(vec![20.5; rows]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn descriptor() -> FlightData {
    let descriptor = FlightDescriptor::new_cmd(command().as_any().encode_to_vec());
    FlightData { flight_descriptor: Some(descriptor), ..FlightData::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_calls_hold_up_no_bulk_ingest_whoever_makes_them() {
    let server = Server::start().await;
    let role = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{}", server.password)));
    let gateway = format!("Bearer {}", server.token);
    let mut silent = server.silent_puts(24, &role, &[]).await;
    silent.extend(server.silent_puts(24, &gateway, &[]).await);
    silent.extend(server.silent_puts(24, &gateway, &[descriptor()]).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.append(100).await, 100);
    assert_eq!(server.store.tables()["environment"].view().live_rows(), 100);
    assert!(silent.iter().all(|call| !call.is_finished()), "they are still open");
    assert_eq!(server.write.body_budget.available_permits(), BUDGET_KIB, "what says nothing holds nothing");
    silent.iter().for_each(tokio::task::AbortHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_not_append_and_is_told_so_by_the_first_message() {
    let server = Server::start().await;
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    client
        .set_header("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{}", server.password))));
    let refused = client.execute_ingest(command(), futures::stream::iter([Ok(batch(3))])).await.unwrap_err();
    assert!(refused.to_string().contains("token of a gateway"), "{refused}");
    // Statements and their rows go on as before.
    let info = client.execute("select 1 as one".into(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows: Vec<_> = client.do_get(ticket).await.unwrap().collect().await;
    assert_eq!(rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_room_and_is_refused_with_a_status_after_which_clients_send_again() {
    let server = Server::start().await;
    let held =
        Arc::clone(&server.write.body_budget).try_acquire_many_owned(u32::try_from(BUDGET_KIB).unwrap()).unwrap();
    let mut client = FlightServiceClient::new(server.channel().await);
    let mut request = Request::new(futures::stream::iter([descriptor()]));
    request.metadata_mut().insert("authorization", format!("Bearer {}", server.token).parse().unwrap());
    let refused = match timeout(Duration::from_secs(20), client.do_put(request)).await.unwrap() {
        Err(refused) => refused,
        Ok(answer) => answer.into_inner().message().await.unwrap_err(),
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    drop(held);
    assert_eq!(server.append(5).await, 5);
    assert_eq!(server.write.body_budget.available_permits(), BUDGET_KIB, "everything is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_set_the_session_of_a_call() {
    let server = Server::start().await;
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    client
        .set_header("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{}", server.password))));
    client.set_header("zonelake-time-zone", "Asia/Ho_Chi_Minh");
    client.set_header("zonelake-search-path", "system");
    let sql = "select timestamptz '2026-07-01 12:00', count(*), current_schema, 1 as a, 2 as a from queries";
    let info = client.execute(sql.into(), None).await.unwrap();
    let rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let rows: Vec<RecordBatch> = rows.map(Result::unwrap).collect().await;
    let names: Vec<_> = rows[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["timestamptz", "count", "current_schema", "a", "a"]);
    let times = rows[0].column(0).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.timezone(), Some("Asia/Ho_Chi_Minh"));
    // 05:00 in UTC.
    assert_eq!(times.value(0), 1_782_882_000_000_000);
    assert_eq!(rows[0].column(2).as_string::<i32>().value(0), "system");
    // The same over a prepared statement.
    let prepared = client.prepare("select timestamptz '2026-07-01 12:00' as t".into(), None).await.unwrap();
    assert!(prepared.dataset_schema().unwrap().field(0).data_type().to_string().contains("Ho_Chi_Minh"));
    prepared.close().await.unwrap();
    client.set_header("zonelake-time-zone", "Mars/Olympus");
    let refused = client.execute("select 1".into(), None).await.unwrap_err();
    assert!(refused.to_string().contains("TimeZone"), "{refused}");
}
