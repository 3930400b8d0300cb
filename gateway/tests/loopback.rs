//! The client against a small server over real QUIC on the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect, and its numbers are small")]

mod test_server;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_server::{Stored, TestServer, bind, options, serve};
use zonelake_gateway::{
    Acked, BackoffPolicy, BatchStream, ConnectError, Connection, ConnectionOptions, StreamError, StreamObserver,
    StreamOptions, Trust, line_block,
};
use zonelake_schemas::BatchNumber;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::wire::control::RefusedCode;

fn texts(stored: &Stored) -> Vec<String> {
    stored.payloads.iter().map(|payload| String::from_utf8(payload.to_vec()).unwrap()).collect()
}

#[derive(Debug, Default)]
struct Latencies(Mutex<Vec<(BatchNumber, Duration)>>);

impl StreamObserver for Latencies {
    fn handle_acked(&self, acked: &Acked) {
        self.0.lock().unwrap().extend(acked.batches.iter().map(|batch| (batch.number, batch.latency)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_batch_is_acknowledged_with_its_latency() {
    let server = TestServer::start();
    let latencies = Arc::new(Latencies::default());
    let options = StreamOptions { observer: Some(latencies.clone()), ..options("p") };
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options).await.unwrap();
    assert_eq!(stream.first_number(), BatchNumber(1));
    for n in 1..=50 {
        assert_eq!(stream.send(line_block(format!("line {n}"), 1)).await, Ok(BatchNumber(n)));
    }
    let totals = stream.finish().await.unwrap();
    connection.close().await;
    assert_eq!((totals.batches, totals.rows, totals.readings, totals.links), (50, 50, 50, 1));
    let heard = latencies.0.lock().unwrap();
    assert!(heard.iter().map(|(number, _)| number.0).eq(1..=50));
    assert!(heard.iter().all(|(_, latency)| !latency.is_zero() && *latency < Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_link_is_opened_again_and_nothing_is_lost_or_doubled() {
    let server = TestServer::start();
    server.book.cut_after.store(37, Ordering::SeqCst);
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options("p")).await.unwrap();
    for n in 1..=100 {
        stream.send(line_block(format!("line {n}"), 1)).await.unwrap();
        if n == 70 {
            stream.drained().await.unwrap();
            connection.cut().await;
        }
    }
    let totals = stream.finish().await.unwrap();
    let expected: Vec<String> = (1..=100).map(|n| format!("line {n}")).collect();
    assert_eq!(texts(&server.stored("p")), expected);
    assert_eq!((totals.batches, totals.rows_sent), (100, 100));
    assert!(totals.links >= 3, "{} links", totals.links);
    assert!(totals.uncounted_batches >= 1, "the acknowledgement of batch 37 was lost");
    assert_eq!(totals.rows + totals.uncounted_batches, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_is_ridden_out() {
    let mut server = TestServer::start();
    let connection = server.connection();
    let stream = Arc::new(BatchStream::open(&connection, options("p")).await.unwrap());
    let sender = stream.sender();
    let sending = tokio::spawn(async move {
        for n in 1..=40 {
            sender.send(line_block(format!("line {n}"), 1)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.restart().await;
    sending.await.unwrap();
    stream.drained().await.unwrap();
    assert_eq!(stream.durable(), BatchNumber(40));
    assert_eq!(server.stored("p").payloads.len(), 40);
    assert!(stream.totals().links >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_tried_again_and_one_that_does_not_ends_the_stream() {
    let server = TestServer::start();
    server.book.refusals.lock().unwrap().push(RefusedCode::Unavailable);
    let connection = server.connection();
    let stream = BatchStream::open(&connection, options("p")).await.unwrap();
    stream.send(line_block("a", 1)).await.unwrap();
    stream.drained().await.unwrap();
    assert_eq!(stream.totals().links, 2);

    let wrong = StreamOptions { token: "zl_other".into(), ..options("p") };
    let error = BatchStream::open(&connection, wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.to_string().contains("Token by the test"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_trusted_server_is_believed() {
    let (server, other) = (TestServer::start(), TestServer::start());
    let open = async |trust| {
        let connection = Connection::new(ConnectionOptions::new(server.address.to_string(), trust)).unwrap();
        BatchStream::open(&connection, options("p")).await.map(drop)
    };
    let error = open(Trust::CertificateFile(other.certificate())).await.unwrap_err();
    assert!(matches!(error, StreamError::Connect(ConnectError::NotTrusted { .. })), "{error:?}");
    let error = open(Trust::Fingerprint([7; 32])).await.unwrap_err();
    assert!(matches!(error, StreamError::Connect(ConnectError::NotTrusted { .. })), "{error:?}");
    let der = server.certified.cert.der().to_vec();
    let fingerprint = <sha2::Sha256 as sha2::Digest>::digest(&der).into();
    assert_eq!(open(Trust::Fingerprint(fingerprint)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_an_address_at_which_nobody_listens_is_reached_all_the_same() {
    let server = TestServer::start();
    let by_name = ConnectionOptions::new(
        format!("localhost:{}", server.address.port()),
        Trust::CertificateFile(server.certificate()),
    );
    let connection = Connection::new(by_name).unwrap();
    let opened = tokio::time::timeout(Duration::from_secs(2), BatchStream::open(&connection, options("p"))).await;
    assert!(opened.expect("sooner than a dial to nobody ends").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_version_is_told_apart_from_one_that_is_away() {
    let server = TestServer::start();
    let other_version = bind(&server.certified, SocketAddr::from(([127, 0, 0, 1], 0)), b"zonelake/9");
    tokio::spawn(serve(other_version.clone(), server.book.clone()));
    let dial = async |address: SocketAddr| {
        let options = ConnectionOptions {
            idle_timeout: Duration::from_millis(300),
            ..ConnectionOptions::new(address.to_string(), Trust::CertificateFile(server.certificate()))
        };
        let give_up = BackoffPolicy { give_up_after: Some(Duration::ZERO), ..BackoffPolicy::default() };
        let connection = Connection::new(options).unwrap();
        BatchStream::open(&connection, StreamOptions { backoff: give_up, ..self::options("p") }).await.unwrap_err()
    };
    let error = dial(other_version.local_addr().unwrap()).await;
    assert!(matches!(error, StreamError::Connect(ConnectError::Version { .. })), "{error:?}");
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = dial(nobody.local_addr().unwrap()).await;
    assert!(matches!(error, StreamError::GaveUp { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Retry);
}
