//! Careless clients of the HTTP listener: connections that say nothing, bodies that grow, keys that come in crowds, puts that send
//! nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::bystanders::{Bystanders, alone, lasting, runtime};
use crate::installation::Installation;
use crate::quic_offender::offender;

/// Memory that a server may take beside floods of bodies: what its limits add up to, see docs/security.md.
const MEMORY_MAX: u64 = 1_000 << 20;

/// A connection from an offender's address.
async fn connect(number: u8, target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((offender(number), 0)))?;
    socket.connect(target).await
}

fn target(place: &Installation) -> SocketAddr {
    place.url("").trim_start_matches("http://").parse().expect("an address")
}

/// Sends a write and reads the answer; `None` where the connection is over.
async fn write(stream: &mut TcpStream, token: &str, headers: &str, body: &[u8]) -> Option<u16> {
    let head = format!(
        "POST /api/v2/write HTTP/1.1\r\nHost: z\r\nAuthorization: Token {token}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let mut answer = vec![0; 64 << 10];
    let read = stream.read(&mut answer).await.ok().filter(|read| *read > 12)?;
    std::str::from_utf8(&answer[9..12.min(read)]).ok()?.parse().ok()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

/// Writes the same body over and over on so many connections.
fn flood_of_writes(
    target: SocketAddr,
    token: &str,
    connections: usize,
    headers: &(dyn Fn(u64) -> String + Sync),
    body: &[u8],
) -> String {
    let (sent, stored) = (AtomicU64::new(0), AtomicU64::new(0));
    runtime().block_on(async {
        let one = async || {
            let Ok(mut stream) = connect(0, target).await else { return };
            loop {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                match write(&mut stream, token, &headers(number), body).await {
                    Some(204) => _ = stored.fetch_add(1, Ordering::Relaxed),
                    // A refusal may end the connection.
                    Some(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                    None => match connect(0, target).await {
                        Ok(again) => stream = again,
                        Err(_) => return,
                    },
                }
            }
        };
        let all = futures::future::join_all((0..connections).map(|_| one()));
        let _ = tokio::time::timeout(lasting(), all).await;
    });
    format!("{} sent, {} stored", sent.load(Ordering::Relaxed), stored.load(Ordering::Relaxed))
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn silent_connections_shut_nobody_out() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let bystanders = Bystanders::start(&place, &server);
    let target = target(&place);
    bystanders.survive("silent connections", &server, 600 << 20, &|| {
        let held = runtime().block_on(async {
            let mut held = Vec::new();
            for number in 0..4 {
                for count in 0..128 {
                    let Ok(mut stream) = connect(number, target).await else { continue };
                    // Some begin HTTP/2 and then say nothing.
                    if count % 2 == 0 {
                        let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
                    }
                    held.push(stream);
                }
            }
            tokio::time::sleep(lasting()).await;
            held.len()
        });
        format!("{held} held")
    });
    bystanders.finish(&server);
}

/// A flood of one body over HTTP, by one gateway.
struct BodyFlood<'a> {
    name: &'a str,
    /// Most that the server may take.
    memory_max: u64,
    connections: usize,
    /// Headers of a request, by its number.
    headers: &'a (dyn Fn(u64) -> String + Sync),
    body: &'a [u8],
}

impl BodyFlood<'_> {
    /// Asserts that the good clients keep their bounds beside it, and that nothing panics.
    fn is_survived(&self) {
        let _alone = alone();
        let place = Installation::new();
        let server = place.first_start();
        let token = place.add_gateway("offender");
        let bystanders = Bystanders::start(&place, &server);
        let target = target(&place);
        bystanders.survive(self.name, &server, self.memory_max, &|| {
            flood_of_writes(target, &token, self.connections, self.headers, self.body)
        });
        bystanders.finish(&server);
        assert!(!place.log().contains("panicked"), "{}", place.log());
    }
}

/// Floods with a compressed body of lines.
fn survive_lines(name: &str, connections: usize, lines: &str) {
    let body = gzip(lines.as_bytes());
    assert!(body.len() < 2 << 20, "{} bytes", body.len());
    let headers = |_: u64| "Content-Encoding: gzip\r\n".to_owned();
    BodyFlood { name, memory_max: MEMORY_MAX, connections, headers: &headers, body: &body }.is_survived();
}

/// Lines of as many devices as rows.
fn lines_of_devices() -> String {
    (0..131_072).map(|row| format!("environment,device=o{row} temperature=20 1\n")).collect()
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn bodies_of_lines_with_unknown_columns_take_no_more_than_their_share() {
    let lines: String =
        (0..100_000).map(|row| format!("environment,device=o temperatur{}=20 {row}\n", row % 7)).collect();
    survive_lines("lines of unknown columns", 8, &lines);
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn bodies_that_grow_when_they_are_decompressed_stay_within_the_memory_of_the_interface() {
    let line = "environment,device=o temperature=20,humidity=50,pressure=1000,noise=40 1700000000000000000\n";
    survive_lines("bodies that grow to 64 MB", 8, &line.repeat(700_000));
}

#[test]
fn a_body_of_as_many_devices_as_rows_panics_nowhere() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("offender");
    let (status, answer) = server.write(&token, &lines_of_devices());
    assert!((200..500).contains(&status), "{status}: {answer}");
    assert!(!place.log().contains("panicked"), "{}", place.log());
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn a_crowd_of_writers_with_keys_leaves_others_their_latency() {
    // Over all rounds of the flood, which counts its requests from 0 each time.
    let keys = AtomicU64::new(0);
    let key = |_: u64| format!("Idempotency-Key: k-{}\r\n", keys.fetch_add(1, Ordering::Relaxed));
    let body = b"environment,device=o temperature=20 1700000000000000000\n";
    let flood = BodyFlood { name: "writers with keys", memory_max: 600 << 20, connections: 100, headers: &key, body };
    flood.is_survived();
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn bodies_of_as_many_devices_as_rows_leave_others_their_latency() {
    survive_lines("as many devices as rows", 4, &lines_of_devices());
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn puts_that_send_nothing_leave_others_their_latency() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("offender");
    let bystanders = Bystanders::start(&place, &server);
    let target = target(&place);
    bystanders.survive("puts that send nothing", &server, 600 << 20, &|| {
        let held = runtime().block_on(async {
            let mut held = Vec::new();
            for _ in 0..8 {
                let mut sender = h2(target).await;
                for _ in 0..16 {
                    sender.ready().await.expect("it is connected");
                    let put = put(&format!("Bearer {token}"), Body::from_stream(silence()));
                    held.push(tokio::spawn(sender.send_request(put)));
                }
            }
            tokio::time::sleep(lasting()).await;
            held.iter().filter(|call| !call.is_finished()).count()
        });
        format!("{held} open")
    });
    bystanders.finish(&server);
}

/// Asks for the same again and again on so many connections.
fn flood_of_pulls(target: SocketAddr, authorization: &str, path: &str, connections: usize) -> String {
    let (answers, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let head = format!("GET {path} HTTP/1.1\r\nHost: z\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n");
    runtime().block_on(async {
        let one = async || {
            loop {
                let Ok(mut stream) = connect(0, target).await else { return };
                if stream.write_all(head.as_bytes()).await.is_err() {
                    continue;
                }
                let mut answer = Vec::new();
                if stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 200") {
                    answers.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
                }
            }
        };
        let all = futures::future::join_all((0..connections).map(|_| one()));
        let _ = tokio::time::timeout(lasting(), all).await;
    });
    let (answers, bytes) = (answers.into_inner(), bytes.into_inner());
    assert!(answers > 0, "no pull is answered");
    format!("{answers} answers of {} KiB", (bytes / answers) >> 10)
}

/// Pulls of the last values of all devices, which are some thousand.
#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn pulls_of_all_last_values_leave_others_their_latency() {
    let _alone = alone();
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("offender");
    let lines: String =
        (0..9_000).map(|row| format!("environment,device=o{row} temperature=20,humidity=50\n")).collect();
    let (status, answer) = server.write(&token, &lines);
    assert!((200..300).contains(&status), "{status}: {answer}");
    let password = format!("admin:{}", server.password());
    let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, password));
    let bystanders = Bystanders::start(&place, &server);
    let target = target(&place);
    bystanders.survive("pulls of all last values", &server, 600 << 20, &|| {
        flood_of_pulls(target, &basic, "/api/v1/live/environment", 16)
    });
    bystanders.finish(&server);
}

#[test]
fn puts_that_send_nothing_keep_no_writer_waiting() {
    let _alone = alone();
    let place = Installation::new();
    let _server = place.first_start();
    let token = place.add_gateway("good");
    let added = place.run(&["role", "add", "reader"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let password = String::from_utf8_lossy(&added.stdout).split_whitespace().last().expect("a password").to_owned();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("reader:{password}"));
    let target = target(&place);
    runtime().block_on(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut sender = h2(target).await;
            for _ in 0..16 {
                sender.ready().await.expect("it is connected");
                let answer = sender.send_request(put(&format!("Basic {encoded}"), Body::from_stream(silence())));
                held.push(tokio::spawn(answer));
            }
        }
        // Let them arrive.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut writer = h2(target).await;
        let answer = writer.send_request(put(&format!("Bearer {token}"), Body::empty()));
        let answer = tokio::time::timeout(Duration::from_secs(2), answer).await.expect("a writer is answered");
        assert!(answer.is_ok(), "{answer:?}");
        drop(held);
    });
}

async fn h2(target: SocketAddr) -> http2::SendRequest<Body> {
    let stream = connect(0, target).await.expect("it connects");
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

fn put(authorization: &str, body: Body) -> Request<Body> {
    Request::post("http://z/arrow.flight.protocol.FlightService/DoPut")
        .header("authorization", authorization)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .expect("a request")
}

/// A body that never comes.
fn silence() -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    stream::pending()
}
