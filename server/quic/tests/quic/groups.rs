//! What comes together is made durable with one sync, whatever it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use zonelake_ingest::{BatchContext, DecodedBatch, LineDecoder, Precision, WriteSink, Written};
use zonelake_registry::Gateway;
use zonelake_schemas::{Epoch, Lane, Principal};
use zonelake_storage::RequestKey;

use crate::dialogue::{Running, Setting};
use crate::slow_disk::SlowDisk;

fn decoded(server: &Running, gateway: &Gateway) -> DecodedBatch {
    let table = &server.table("environment").registered;
    let limits = zonelake_ingest::DecodeLimits::default();
    let context = BatchContext {
        registry: server.store.registry(),
        gateway,
        producer: "http",
        epoch: Epoch(0),
        number: None,
        lane: Lane::Live,
        now_us: server.store.clock().wall_us(),
        table,
        rejected: &server.store.rejected().registered,
        limits: &limits,
    };
    let lines = b"environment,device=a pm2_5=1 1767225600000000000";
    LineDecoder::new(table, Precision::Nanoseconds).decode(lines, &context).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_a_key_that_come_together_are_made_durable_together_and_hold_up_nobody() {
    let disk = SlowDisk::new(Duration::from_millis(20));
    let mut setting = Setting::new();
    setting.disk = Arc::new(disk.clone());
    let server = Arc::new(setting.start().await);
    let token = server.token("g", "vung-ang");
    let gateway = server.authenticator.gateway(&token, None).await.unwrap();
    // The device is known from the first one on.
    let first = RequestKey { principal: Principal::Gateway(gateway.id), key: 1_000, digest: 7 };
    let table = Arc::clone(&server.table("environment").registered);
    let lines = vec![(Arc::clone(&table), decoded(&server, &gateway))];
    assert_eq!(server.pipeline.write_once(first, lines).await, Ok(Written::Now));

    let before = disk.syncs.load(Ordering::Relaxed);
    let writers: Vec<_> = (0..200u128)
        .map(|number| {
            let (server, gateway, table) = (Arc::clone(&server), Arc::clone(&gateway), Arc::clone(&table));
            tokio::spawn(async move {
                // Each key comes twice.
                let request = RequestKey { principal: Principal::Gateway(gateway.id), key: number / 2, digest: 7 };
                let lines = vec![(table, decoded(&server, &gateway))];
                server.pipeline.write_once(request, lines).await.unwrap()
            })
        })
        .collect();
    let mut now = 0;
    for writer in writers {
        now += usize::from(writer.await.unwrap() == Written::Now);
    }
    assert_eq!((now, server.rows("environment")), (100, 101), "each is stored once");
    let syncs = disk.syncs.load(Ordering::Relaxed) - before;
    assert!(syncs <= 25, "{syncs} syncs for a hundred requests");
    // A key of a group counts with its content, as any other.
    let other = RequestKey { principal: Principal::Gateway(gateway.id), key: 7, digest: 8 };
    let lines = vec![(table, decoded(&server, &gateway))];
    assert!(server.pipeline.write_once(other, lines).await.is_err());
}
