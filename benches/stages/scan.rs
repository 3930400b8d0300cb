//! SQL over live rows, and over the same rows in files.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_benches::workload::FIELDS;
use zonelake_query::{Caller, QueryEngine, QueryOptions};
use zonelake_registry::ADMIN_USER;
use zonelake_schemas::{Lane, Principal};
use zonelake_storage::{Entry, Rows};

use crate::harness::{DECIMALS, Harness, LARGE};
use crate::sort::ROWS;
use crate::stage;

pub(crate) fn measure_hot(criterion: &mut Criterion) {
    measure(criterion, "hot_scan", false);
}

/// Files are in the page cache and their footers known.
pub(crate) fn measure_cold(criterion: &mut Criterion) {
    measure(criterion, "cold_scan", true);
}

fn measure(criterion: &mut Criterion, name: &str, is_flushed: bool) {
    let mut group = stage::long(criterion, name);
    let mut prepared = None;
    for (question, sql, readings) in questions() {
        group.throughput(Throughput::Elements(readings));
        group.bench_function(BenchmarkId::from_parameter(question), |bencher| {
            let (harness, engine) = prepared.get_or_insert_with(|| prepare(is_flushed));
            harness.store.registry().ensure_admin().expect("there is an administrator");
            let caller = Caller { name: ADMIN_USER.into() };
            bencher.iter(|| {
                let answer = async { engine.execute(&sql, &caller).await?.collect().await };
                harness.runtime.block_on(answer).expect("the statement is answered")
            });
        });
    }
    group.finish();
}

/// Name, statement, and readings that it is about.
fn questions() -> [(&'static str, String, u64); 3] {
    let table = DECIMALS.table;
    let sums: Vec<String> = FIELDS.iter().map(|field| format!("sum({})", field.name)).collect();
    let rows = ROWS as u64;
    [
        ("sum_of_every_field", format!("SELECT count(*), {} FROM {table}", sums.join(", ")), 8 * rows),
        ("mean_of_one_field_by_zone", format!("SELECT zone, avg(pm2_5) FROM {table} GROUP BY zone"), rows),
        // A device's rows of all; what is left out is what makes it fast.
        (
            "every_row_of_one_device",
            format!("SELECT time, pm2_5, pm10 FROM {table} WHERE zone = 'zone-07' AND device = 'vung-ang-env-00007'"),
            2 * rows / 1_000,
        ),
    ]
}

fn prepare(is_flushed: bool) -> (Harness, Arc<QueryEngine>) {
    let mut harness = Harness::new();
    let table = harness.table(DECIMALS.table);
    let mut senders: Vec<_> = (0..harness.gateways.len()).map(|zone| harness.sender(zone)).collect();
    for index in 0..ROWS / LARGE {
        let sender = &mut senders[index % harness.gateways.len()];
        let zone = sender.zone;
        let log = harness.log_rows(DECIMALS, sender, LARGE, 1).remove(0);
        let entry = Entry {
            sequenced: None,
            principal: Principal::Gateway(harness.gateways[zone].id),
            lane: Lane::Live,
            table: Arc::clone(&table),
            stored: Some(Rows::new(log).expect("the rows can be encoded")),
            rejected: None,
        };
        harness.shard.append(&[entry]).expect("the WAL can be written");
    }
    if is_flushed {
        harness.runtime.block_on(harness.store.flush(&table)).expect("the rows can be flushed");
    }
    let options = QueryOptions::new(harness.folder.path().join("spill"));
    let engine = QueryEngine::new(Arc::clone(&harness.store), options).expect("the engine starts");
    (harness, Arc::new(engine))
}
