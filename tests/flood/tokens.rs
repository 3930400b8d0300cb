//! Connections without a valid token: many attempts on one, and many that make none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zonelake_gateway::{BatchStream, Connection, ConnectionOptions, StreamOptions, Trust, line_block};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::Encoding;

use crate::bystanders::{Bystanders, alone, lasting, runtime};
use crate::installation::Installation;
use crate::quic_offender::{Sender, config, endpoint};

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn wrong_tokens_on_one_connection_cost_nobody_anything_and_fill_no_log() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let bystanders = Bystanders::start(&place, &server);
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), ALPN);
    let log_before = place.log().len();
    bystanders.survive("wrong tokens", &server, 600 << 20, &|| {
        let tried = AtomicU64::new(0);
        runtime().block_on(async {
            let (endpoint, clock) = (endpoint(0), SystemClock::default());
            let began = clock.monotonic();
            while clock.monotonic() - began < lasting() {
                let connecting = endpoint.connect_with(client.clone(), target, "localhost").expect("an address");
                // The server may refuse an address that comes too often.
                let Ok(link) = connecting.await else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let sender = Sender {
                    token: "zl_wrong".into(),
                    producer: "p".repeat(128),
                    table: "environment",
                    encoding: Encoding::Line,
                };
                while clock.monotonic() - began < lasting() && sender.open(&link).await.is_some() {
                    tried.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        format!("{} tried", tried.load(Ordering::Relaxed))
    });
    bystanders.finish(&server);
    let grown = place.log().len() - log_before;
    assert!(grown < 1 << 20, "the log grew by {grown} bytes");
}

#[test]
fn connections_without_a_token_that_take_all_places_keep_no_gateway_out() {
    let _alone = alone();
    let place = Installation::new()
        .with("ZONELAKE_QUIC_CONNECTIONS_MAX", 64)
        .with("ZONELAKE_QUIC_CONNECTIONS_PER_ADDRESS_MAX", 32)
        .with("ZONELAKE_QUIC_HANDSHAKES_PER_SECOND_MAX", 1_000);
    let server = place.first_start();
    let token = place.add_gateway("good");
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), ALPN);
    runtime().block_on(async {
        let mut held = Vec::new();
        for number in 0..2 {
            let endpoint = endpoint(number);
            for _ in 0..32 {
                let connecting = endpoint.connect_with(client.clone(), target, "localhost").expect("an address");
                held.push(connecting.await.expect("there is a place"));
            }
        }
        let trust = Trust::CertificateFile(place.data().join("tls/cert.pem"));
        let connection = Connection::new(ConnectionOptions::new(place.quic_address(), trust)).expect("a certificate");
        let options = StreamOptions { encoding: Encoding::Line, ..StreamOptions::new(&token, "good", "environment") };
        let sending = async {
            let stream = BatchStream::open(&connection, options).await.expect("it opens");
            let line = "environment,device=d temperature=20 1700000000000000000".to_owned();
            stream.send(line_block(line, 1)).await.expect("it goes");
            stream.finish().await.expect("it is stored");
        };
        // The unauthenticated may stay for a minute; a gateway must not wait for that.
        tokio::time::timeout(Duration::from_secs(5), sending).await.expect("a good gateway gets in");
        assert!(held.iter().any(|link| link.close_reason().is_none()), "and not all others had to go");
    });
    assert_eq!(server.sql_value("select count(*) from environment").as_u64(), Some(1));
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn connections_without_a_token_that_take_all_places_leave_good_clients_their_latency() {
    let _alone = alone();
    let place = Installation::new()
        .with("ZONELAKE_QUIC_CONNECTIONS_MAX", 512)
        .with("ZONELAKE_QUIC_CONNECTIONS_PER_ADDRESS_MAX", 64)
        .with("ZONELAKE_QUIC_HANDSHAKES_PER_SECOND_MAX", 1_000);
    let server = place.first_start();
    let bystanders = Bystanders::start(&place, &server);
    let target = place.quic_address().parse().expect("an address");
    let client = config(&place.data().join("tls/cert.pem"), ALPN);
    bystanders.survive("connections without a token", &server, 600 << 20, &|| {
        let made = AtomicU64::new(0);
        runtime().block_on(async {
            let (clock, mut held) = (SystemClock::default(), Vec::new());
            let (began, endpoints) = (clock.monotonic(), (0..16).map(endpoint).collect::<Vec<_>>());
            // Whoever is put out comes again.
            for endpoint in endpoints.iter().cycle() {
                if clock.monotonic() - began >= lasting() {
                    break;
                }
                let connecting = endpoint.connect_with(client.clone(), target, "localhost").expect("an address");
                match tokio::time::timeout(Duration::from_millis(200), connecting).await {
                    Ok(Ok(link)) => {
                        made.fetch_add(1, Ordering::Relaxed);
                        held.push(link);
                    }
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        format!("{} made", made.load(Ordering::Relaxed))
    });
    bystanders.finish(&server);
}
