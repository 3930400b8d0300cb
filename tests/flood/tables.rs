//! One table that has no room, since it cannot be flushed, and senders that fill it all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::Encoding;

use crate::bystanders::{Bystanders, alone, lasting, runtime};
use crate::installation::Installation;
use crate::quic_offender::{Sender, batch_frame, config, endpoint};

/// More than the 132 connections from which on the other tables of a connection once stopped too.
const CONNECTIONS: u64 = 150;

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn senders_of_a_table_that_is_full_stop_neither_their_other_tables_nor_anybody_else() {
    let _alone = alone();
    let place = Installation::new()
        .with("ZONELAKE_FLUSH_AGE_SECONDS", 1)
        .with("ZONELAKE_FLUSH_BYTES_MAX", 1 << 20)
        .with("ZONELAKE_FLUSH_LIVE_BYTES_MAX", 2 << 20)
        .with("ZONELAKE_QUIC_CONNECTIONS_PER_ADDRESS_MAX", 256)
        .with("ZONELAKE_QUIC_HANDSHAKES_PER_SECOND_MAX", 1_000);
    let server = place.first_start();
    let token = place.add_gateway("offender");
    // A file stands where the table's folder should be, so that nothing can be written below it.
    let table = place.data().join("tables/environment");
    std::fs::rename(&table, place.data().join("away")).expect("a folder can be renamed");
    std::fs::write(&table, "").expect("a file can be written");
    let bystanders = Bystanders::start(&place, &server);
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), ALPN);
    let generation = AtomicU64::new(0);
    bystanders.survive("senders of a full table", &server, 800 << 20, &|| {
        let round = generation.fetch_add(1, Ordering::Relaxed);
        let answered = Arc::new(AtomicU64::new(0));
        runtime().block_on(async {
            let (endpoint, mut tasks) = (endpoint(0), Vec::new());
            for connection in 0..CONNECTIONS {
                let connecting = endpoint.connect_with(client.clone(), target, "localhost").expect("an address");
                let link = connecting.await.expect("it connects");
                let sender = |table: &'static str| Sender {
                    token: token.clone(),
                    producer: format!("o-{round}-{connection}"),
                    table,
                    encoding: Encoding::Line,
                };
                tasks.push(tokio::spawn(fill(sender("environment"), link.clone())));
                let answered = Arc::clone(&answered);
                tasks.push(tokio::spawn(send_one(sender("production"), link, connection, answered)));
            }
            tokio::time::sleep(lasting()).await;
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
        });
        let answered = answered.load(Ordering::Relaxed);
        assert_eq!(answered, CONNECTIONS, "each connection's other table goes on");
        format!("{answered} connections were answered on their other table")
    });
    let stored = server.sql_value("select count(distinct device) from production where device like 'o%'");
    assert_eq!(stored, CONNECTIONS, "what was answered is stored");
    bystanders.finish(&server);
}

/// Sends to the table that is full, as fast as the server lets it.
async fn fill(sender: Sender, link: quinn::Connection) {
    let Some((mut up, mut down)) = sender.open(&link).await else { return };
    tokio::spawn(async move { while let Ok(Some(_)) = down.read_chunk(1 << 16, true).await {} });
    let line = "environment,device=o temperature=20 1700000000000000000\n";
    let lines = line.repeat(100);
    for number in 1.. {
        if up.write_all(&batch_frame(number, lines.as_bytes())).await.is_err() {
            return;
        }
    }
}

/// Sends one batch to another table of the same connection, and counts its acknowledgement.
async fn send_one(sender: Sender, link: quinn::Connection, connection: u64, answered: Arc<AtomicU64>) {
    let Some((mut up, mut down)) = sender.open(&link).await else { return };
    let line = format!("production,device=o{connection} pressure=1 1700000000000000000");
    if up.write_all(&batch_frame(1, line.as_bytes())).await.is_err() || up.finish().is_err() {
        return;
    }
    // The server ends its side when all is acknowledged.
    if down.read_to_end(1 << 20).await.is_ok() {
        answered.fetch_add(1, Ordering::Relaxed);
    }
}
