//! Limits of the HTTP listener, exceeded by one address; others go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::installation::{Installation, agent, lines, wait_for};

#[test]
fn connections_over_the_limit_of_an_address_are_told_to_come_again_and_places_come_free() {
    let place = Installation::new().with("ZONELAKE_HTTP_CONNECTIONS_PER_ADDRESS_MAX", 3);
    let server = place.first_start();
    let token = place.add_gateway("g");
    let address = place.url("").trim_start_matches("http://").to_owned();
    let connect = || {
        let stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
        stream
    };
    let ask = |path: &str| {
        let mut stream = connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is answered");
        answer
    };
    // A connection of the start that is closing still has a place: one of the silent ones is beyond the limit then, and its place comes free.
    let full = wait_for(|| {
        let silent: Vec<TcpStream> = (0..3).map(|_| connect()).collect();
        let answer = ask("/api/v1/sql?q=select+1");
        answer.starts_with("HTTP/1.1 503").then_some((silent, answer))
    });
    let (silent, answer) = full.expect("the limit is reached");
    assert!(answer.contains("too many connections"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    // Whoever watches the server sees it all the same.
    assert!(ask("/health").starts_with("HTTP/1.1 200"));
    assert!(ask("/ready").contains("\"ready\""));
    assert!(ask("/metrics").starts_with("HTTP/1.1 401"));
    drop(silent);
    let again = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        agent().get(place.url("/health")).call().ok().filter(|answer| answer.status().is_success())
    });
    assert!(again.is_some(), "places come free");
    server.write_rows(&token, "d", 1_700_000_000, 3);
}

#[test]
fn a_write_that_is_slow_is_refused_in_time_and_a_repeated_one_under_its_key_is_stored_once() {
    let place = Installation::new().with("ZONELAKE_HTTP_BODY_SECONDS_MAX", 1);
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let mut slow = TcpStream::connect(place.url("").trim_start_matches("http://")).expect("it listens");
    slow.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    let head =
        format!("POST /write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\nContent-Length: 99\r\n\r\nenv");
    slow.write_all(head.as_bytes()).expect("it is sent");
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).expect("it is answered");
    assert_eq!(&answer, b"HTTP/1.1 408");

    let write = |rows: u64| {
        let request = agent()
            .post(place.url("/api/v2/write?precision=s"))
            .header("Authorization", format!("Token {token}"))
            .header("Idempotency-Key", "\"flush-17\"");
        let answer = request.send(lines("d", 1_700_000_000, rows)).expect("the server answers");
        (answer.status().as_u16(), answer.headers().contains_key("idempotency-replayed"))
    };
    assert_eq!(write(5), (204, false));
    assert_eq!(write(5), (204, true));
    server.kill();
    let server = place.restart(&password);
    assert_eq!(write(5), (204, true), "a crash does not make it forget");
    assert_eq!(server.sql_value("select count(*) from environment"), 5);
    assert_eq!(write(6), (204, false), "another content is another request");
    assert_eq!(server.sql_value("select count(*) from environment"), 11);
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let place = Installation::new();
    let server = place.first_start();
    let metrics = |accept: &str| {
        let credentials = format!("Basic {}", base64(&format!("admin:{}", server.password())));
        let request = agent().get(place.url("/metrics")).header("Authorization", credentials).header("Accept", accept);
        let mut answer = request.call().expect("the server answers");
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        (kind, answer.body_mut().read_to_string().expect("text"))
    };
    let (kind, text) = metrics("*/*");
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    for line in [
        "# TYPE zonelake_rows_stored_total counter\n",
        "# TYPE process_cpu_seconds_total counter\n",
        concat!("zonelake_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let (kind, open) = metrics("application/openmetrics-text; version=1.0.0");
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE zonelake_rows_stored counter\n"), "{open}");
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(text)
}
