//! Bodies that are made to cost: many devices, many faults, many bytes out of few.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use zonelake_ingest::DecodeLimits;

use crate::requests::{Server, gzip};

#[test]
fn a_body_of_more_devices_than_a_batch_may_have_is_stored_in_several() {
    let limits = DecodeLimits { new_devices_per_hour_max: 1_000_000, ..DecodeLimits::default() };
    let (devices, of_batch) = (limits.dictionary_values_max, limits.batch_devices_max);
    let server = Server::new(limits);
    let mut lines = String::new();
    for n in 0..devices + 10 {
        writeln!(lines, "t,device=d{n} count={n}i").unwrap();
    }
    let answer = server.write("/api/v2/write", &lines);
    assert_eq!(answer.status, 204, "{}", answer.body);
    let batches = server.kept.take();
    let rows: Vec<usize> = batches.iter().map(|(_, batch)| usize::try_from(batch.rows).unwrap()).collect();
    assert_eq!(rows, [of_batch, of_batch, 10]);
    let counts: Vec<String> = batches.iter().flat_map(|(_, batch)| server.fixture.stored(batch, "count")).collect();
    assert!(counts.iter().enumerate().all(|(n, count)| *count == n.to_string()), "each row has its own value");
    // A key makes one step of it, which is as large.
    let answer = server.write("/api/v2/write", "t,device=d0 count=1i\n");
    assert_eq!(answer.status, 204, "{}", answer.body);
}

#[test]
fn a_small_body_that_becomes_large_as_rows_is_refused_and_holds_nothing_afterwards() {
    let server = Server::bounded(DecodeLimits { line_errors_max: 2, ..DecodeLimits::default() }, 24 << 20);
    let authorization = format!("Token {}", server.fixture.token);
    let headers = [("Authorization", &*authorization), ("Content-Encoding", "gzip")];
    // Every column has a value in the first row of each batch, so each has a place in all of its rows.
    let wide = "t,device=a pm=1,wide=1,raw=1,ratio=1,count=1i,on=t,note=\"x\",at=1i 1735689600000000000\n".to_owned();
    let batch = wide + &"t,device=a pm=1 1735689600000000000\n".repeat(131_071);
    let body = gzip(batch.repeat(4).as_bytes());
    assert!(body.len() < 300_000, "{}", body.len());
    let answer = server.request("POST", "/write", &headers, &body);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("send fewer lines"), "{}", answer.body);
    assert!(server.kept.take().is_empty());
    assert_eq!(server.state.body_budget.available_permits(), 24 << 10, "everything is given back");
    // One of those batches fits.
    let answer = server.request("POST", "/write", &headers, &gzip(batch.as_bytes()));
    assert_eq!(answer.status, 204, "{}", answer.body);
}

#[test]
fn bytes_that_grow_out_of_gzip_are_charged_to_all_who_write_and_to_their_gateway() {
    let server = Server::bounded(DecodeLimits::default(), 24 << 20);
    let authorization = format!("Token {}", server.fixture.token);
    let headers = [("Authorization", &*authorization), ("Content-Encoding", "gzip")];
    let body = gzip("# a comment, and nothing else\n".repeat(500_000).as_bytes());
    let held = server.state.body_budget.clone().try_acquire_many_owned(12 << 10).unwrap();
    let answer = server.request("POST", "/write", &headers, &body);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.headers.contains("retry-after: "), "{}", answer.headers);
    drop(held);
    let answer = server.request("POST", "/write", &headers, &body);
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(server.state.body_budget.available_permits(), 24 << 10);
}

#[test]
fn a_client_that_goes_gives_its_memory_back_and_has_nothing_stored() {
    let server = Server::new(DecodeLimits::default());
    let mut stream = TcpStream::connect(server.address).unwrap();
    let body = gzip("t,device=a pm=1,raw=1 1\nt,device=a pm=oops 1\n".repeat(300_000).as_bytes());
    let head = format!(
        "POST /write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        server.fixture.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let all = 64 << 10;
    let is_held = |permits: usize| permits < all - 2_048;
    let wait = |until: &dyn Fn(usize) -> bool| {
        (0..2_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            until(server.state.body_budget.available_permits())
        })
    };
    assert!(wait(&is_held), "it is being decoded");
    drop(stream);
    assert!(wait(&|permits| permits == all), "its memory is given back");
    assert!(server.kept.take().is_empty(), "nobody waits for these rows, which the client sends again");
}
