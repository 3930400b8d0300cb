//! Writers without sequence numbers that go on through every kill, and what they may expect of their batches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption};
use tonic::transport::Endpoint;

use crate::installation::{Installation, agent, lines};

/// Second of the first row of each device.
pub(crate) const START: u64 = 1_700_000_000;
/// Rows of a batch, one a second.
pub(crate) const BATCH_ROWS: u64 = 100;

/// Sends requests with a key, each until it is acknowledged. Returns how many: all of them are stored, once.
pub(crate) fn write_over_http(place: &Installation, token: &str, writer: usize, ending: &AtomicBool) -> u64 {
    let (url, agent) = (place.url("/api/v2/write?precision=s"), agent());
    let mut batches = 0;
    while !ending.load(Ordering::Acquire) {
        let body = lines(&format!("h{writer}"), START + batches * BATCH_ROWS, BATCH_ROWS);
        let is_stored = || {
            let request = agent.post(&url).header("Authorization", format!("Token {token}"));
            // An error says that the server has gone, before or after it has stored the request.
            let Ok(mut answer) = request.header("Idempotency-Key", format!("h{writer}-{batches}")).send(&body) else {
                return false;
            };
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            match answer.status().as_u16() {
                204 => true,
                429 | 503 => false,
                other => panic!("{other}: {text}\n{}", place.log()),
            }
        };
        while !is_stored() {
            sleep(PAUSE);
        }
        batches += 1;
        sleep(PAUSE);
    }
    batches
}

/// Batches that were sent over Flight, each in one call and once.
#[derive(Debug, Default)]
pub(crate) struct FlightBatches {
    /// The call has said that they are stored.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// The call has failed: they may be stored, whole.
    pub(crate) unclear: BTreeSet<u64>,
}

/// Appends batch after batch. Flight has no numbers, so that none is sent twice.
pub(crate) fn write_over_flight(
    place: &Installation,
    token: &str,
    writer: usize,
    ending: &AtomicBool,
) -> FlightBatches {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let endpoint = Endpoint::from_shared(place.url("")).expect("a URL").timeout(Duration::from_secs(30));
    let mut batches = FlightBatches::default();
    runtime.block_on(async {
        let mut client = None;
        for number in 0.. {
            if ending.load(Ordering::Acquire) {
                return;
            }
            if client.is_none() {
                client = endpoint.connect().await.ok().map(|channel| {
                    let mut client = FlightSqlServiceClient::new(channel);
                    client.set_token(token.to_owned());
                    client
                });
            }
            let Some(open) = &mut client else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let rows = futures::stream::iter([Ok(batch(writer, number))]);
            match open.execute_ingest(command(), rows).await {
                Ok(rows) => {
                    assert_eq!(rows.cast_unsigned(), BATCH_ROWS);
                    batches.acknowledged.insert(number);
                }
                Err(_) => {
                    batches.unclear.insert(number);
                    client = None;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    batches
}

fn batch(writer: usize, number: u64) -> RecordBatch {
    let first = START + number * BATCH_ROWS;
    let times = (first..first + BATCH_ROWS).map(|second| Some(second.cast_signed() * 1_000_000));
    let rows = usize::try_from(BATCH_ROWS).expect("few");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("device", Arc::new(StringArray::from(vec![format!("f{writer}"); rows]))),
        ("temperature", Arc::new(Float64Array::from(vec![20.5; rows]))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
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
        options: std::collections::HashMap::default(),
    }
}

/// Pause between two attempts, and behind a batch: the load comes from the gateways.
const PAUSE: Duration = Duration::from_millis(10);
