//! Careless and hostile peers of the HTTP listener: silent, slow, too many, and gone without a word.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures::stream;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use zonelake_http::{ClientTimes, HttpArgs, HttpServer};
use zonelake_net::{Authenticator, ConnectionCounts, ConnectionLimits, Listener};
use zonelake_registry::Registry;
use zonelake_schemas::clock::SystemClock;

/// Limits that a test can wait for.
const LIMIT: Duration = Duration::from_millis(400);
/// Time after which something that should have ended within [`LIMIT`] has not.
const LATE: Duration = Duration::from_secs(8);

fn times() -> ClientTimes {
    ClientTimes {
        first_byte: LIMIT,
        first_request: LIMIT,
        idle: LIMIT,
        body: LIMIT,
        stream: LIMIT,
        write: LIMIT,
        ping: LIMIT / 2,
    }
}

/// Tells when a value that a handler holds has been dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn routes(rows_dropped: &Arc<AtomicBool>) -> Router {
    let dropped = Arc::clone(rows_dropped);
    let endless = move || async move {
        let held = Dropped(dropped);
        Body::from_stream(stream::unfold(held, async |held| {
            Some((Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536])), held))
        }))
    };
    let slow = || async {
        sleep(4 * LIMIT).await;
        "at last"
    };
    Router::new()
        .route("/quick", get(|| async { "quick" }))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
        .route("/echo", post(|body: Bytes| async move { body.len().to_string() }))
}

async fn start(limits: ConnectionLimits) -> (HttpServer, Arc<AtomicBool>) {
    let listener = Listener::bind("the test", "127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let rows_dropped = Arc::<AtomicBool>::default();
    let operations = Router::new().route("/health", get(|| async { "pass" }));
    let routes = routes(&rows_dropped).merge(operations.clone());
    (HttpServer::start(HttpArgs { listener, tls: None, routes, operations, times: times() }), rows_dropped)
}

async fn started() -> (HttpServer, Arc<AtomicBool>) {
    start(ConnectionLimits::new(64, 64)).await
}

async fn connect_from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// The answer to a request on a connection of its own.
async fn answer(to: SocketAddr, source: &str, request: &str) -> String {
    let mut stream = connect_from(source, to).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LATE, stream.read_to_string(&mut answer)).await.unwrap().ok();
    answer
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// Waits for the end of a connection.
async fn ends(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    timeout(LATE, stream.read_to_end(&mut rest)).await.expect("it is ended in time").ok();
    rest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_owes_a_request_is_ended_in_time_whatever_it_has_sent() {
    let (server, _) = started().await;
    for sent in ["", "G", "GET /quick HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        ends(stream).await;
    }
    // Behind an answer the next request is owed.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(ends(stream).await.ends_with(b"quick"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_of_http2_is_ended_although_it_answers_pings() {
    let (server, _) = started().await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/quick").body(String::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    timeout(LATE, connection).await.expect("it is ended in time").unwrap().ok();
    drop(sender);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_of_http2_is_found_by_pings_while_its_request_is_being_answered() {
    let (server, rows_dropped) = started().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    // Preface, empty settings, and a request for /endless on stream 1 (RFC 7541: method GET, scheme http, a path).
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let path = b"/endless";
    let block = [&[0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()][..], path, &[0x41, 1, b'x']].concat();
    bytes.extend([0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    bytes.extend(block);
    stream.write_all(&bytes).await.unwrap();
    // It reads nothing and answers no ping.
    for _ in 0..800 {
        if rows_dropped.load(Ordering::Relaxed) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the rows are still being sent to a peer that is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_on_ends_its_request_and_a_slow_one_does_not() {
    let (server, _) = started().await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n";
    let mut stalled = TcpStream::connect(server.address()).await.unwrap();
    stalled.write_all(head.as_bytes()).await.unwrap();
    stalled.write_all(b"abc").await.unwrap();
    let answer = String::from_utf8(ends(stalled).await).unwrap();
    assert!(!answer.contains("200 OK"), "{answer}");

    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    // Takes more than the limit in all, and comes on within each.
    for _ in 0..8 {
        slow.write_all(&[b'x'; 50_000]).await.unwrap();
        sleep(LIMIT / 4).await;
    }
    let answer = String::from_utf8(ends(slow).await).unwrap();
    assert!(answer.ends_with("400000"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_takes_are_given_up_and_rows_that_are_taken_slowly_are_not() {
    let (server, rows_dropped) = started().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(get_request("/endless").as_bytes()).await.unwrap();
    let mut part = vec![0; 1 << 20];
    for _ in 0..12 {
        sleep(LIMIT / 4).await;
        timeout(LATE, stream.read_exact(&mut part)).await.unwrap().unwrap();
    }
    assert!(!rows_dropped.load(Ordering::Relaxed));
    for _ in 0..800 {
        if rows_dropped.load(Ordering::Relaxed) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the rows wait for a client that takes none");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_long_to_make_is_waited_for() {
    let (server, _) = started().await;
    assert!(answer(server.address(), "127.0.0.1", &get_request("/slow")).await.ends_with("at last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_answers_while_silent_connections_hold_every_place_and_all_else_is_told_to_come_again() {
    let (server, _) = start(ConnectionLimits::new(8, 6)).await;
    // More than there are places and places of the reserve together.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(connect_from("127.0.0.2", server.address()).await);
        silent.push(connect_from("127.0.0.3", server.address()).await);
    }
    let health = answer(server.address(), "127.0.0.4", &get_request("/health")).await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("pass"), "{health}");
    let other = answer(server.address(), "127.0.0.4", &get_request("/quick")).await;
    assert!(other.starts_with("HTTP/1.1 503") && other.contains("retry-after: 1"), "{other}");
    assert!(other.contains("too many connections are open"), "{other}");
    // The silent ones lose their places by themselves.
    for _ in 0..800 {
        if answer(server.address(), "127.0.0.4", &get_request("/quick")).await.ends_with("quick") {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the places do not come free");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_proven_who_they_are_finds_a_place_beside_strangers() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(SystemClock::default())).unwrap();
    let token = registry.add_gateway("g", "vung-ang").unwrap().token;
    let authenticator = Authenticator::new(Arc::new(registry));
    let counts = ConnectionCounts::new(8, 8).keeping_for(Arc::clone(authenticator.known_peers()));
    let (server, _) = start(ConnectionLimits::of(counts)).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect_from("127.0.0.2", server.address()).await);
    }
    let stranger = answer(server.address(), "127.0.0.1", &get_request("/quick")).await;
    assert!(stranger.starts_with("HTTP/1.1 503"), "{stranger}");
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    authenticator.gateway(&token, Some(here)).await.unwrap();
    // Well before the silent ones are ended.
    let known = answer(server.address(), "127.0.0.1", &get_request("/quick")).await;
    assert!(known.ends_with("quick"), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_requests_in_flight_and_not_for_silent_connections() {
    let (server, _) = started().await;
    let address = server.address();
    let in_flight = tokio::spawn(async move { answer(address, "127.0.0.1", &get_request("/slow")).await });
    let _silent = TcpStream::connect(address).await.unwrap();
    sleep(LIMIT / 2).await;
    timeout(LATE, server.stop(LATE)).await.unwrap();
    assert!(in_flight.await.unwrap().ends_with("at last"));
}
