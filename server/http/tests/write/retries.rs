//! Refusals after which clients send again, and those after which they drop what they have: Telegraf and the clients of
//! InfluxDB repeat after 429 and 503, by `Retry-After`, and give up after other statuses of 400 to 499.

use std::time::Duration;

use zonelake_ingest::DecodeLimits;

use crate::requests::{Answer, Server, gzip};

fn assert_comes_again(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.headers.contains("retry-after: "), "{}", answer.headers);
}

#[test]
fn a_wait_for_our_own_room_is_no_fault_of_the_client() {
    let limits = DecodeLimits { body_timeout: Duration::from_millis(200), ..DecodeLimits::default() };
    let server = Server::bounded(limits, 1 << 20);
    let held = server.state.body_budget.clone().try_acquire_many_owned(1 << 10).unwrap();
    assert_comes_again(&server.write("/api/v2/write", "t,device=a pm=1\n"), 503);
    drop(held);
    assert_eq!(server.write("/api/v2/write", "t,device=a pm=1\n").status, 204);
}

#[test]
fn a_device_over_the_limit_holds_up_no_known_one_and_its_rows_are_rejected() {
    let server = Server::new(DecodeLimits { new_devices_per_hour_max: 2, ..DecodeLimits::default() });
    assert_eq!(server.write("/api/v2/write", "t,device=a pm=1\nt,device=b pm=1\n").status, 204);
    let answer = server.write("/api/v2/write", "t,device=a pm=2\nt,device=c pm=1\nt,device=b pm=2\n");
    // A status that makes the client send all of it again would store the known ones twice, where lines have no times.
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert!(
        answer.headers.contains("x-zonelake-rejected: 1") && !answer.headers.contains("retry-after"),
        "{}",
        answer.headers
    );
    assert_eq!(server.write("/api/v2/write", "t,device=a pm=2\n").status, 204, "known devices go on");
}

#[test]
fn a_token_that_cannot_be_looked_up_may_be_right() {
    let server = Server::new(DecodeLimits::default());
    let unknown = [("Authorization", "Token zl_0000000000000000000000000000000000000000")];
    assert_eq!(server.request("POST", "/write", &unknown, b"t,device=a pm=1\n").status, 401);
    let file = rusqlite::Connection::open(server.fixture.registry_file()).unwrap();
    file.execute_batch("ALTER TABLE gateways RENAME TO lost").unwrap();
    assert_comes_again(&server.request("POST", "/write", &unknown, b"t,device=a pm=1\n"), 503);
    file.execute_batch("ALTER TABLE lost RENAME TO gateways").unwrap();
    assert_eq!(server.request("POST", "/write", &unknown, b"t,device=a pm=1\n").status, 401);
    assert_eq!(server.write("/write", "t,device=a pm=1\n").status, 204);
}

#[test]
fn what_clients_of_influxdb_send_is_taken() {
    let server = Server::new(DecodeLimits::default());
    let authorization = format!("Token {}", server.fixture.token);
    for path in ["/api/v2/write?precision=", "/write?precision=&db=x"] {
        let answer = server.write(path, "t,device=a pm=1 1735689600000000000\n");
        assert_eq!(answer.status, 204, "{path}: {}", answer.body);
    }
    for encoding in ["GZIP", "X-Gzip", " gzip "] {
        let headers = [("Authorization", &*authorization), ("Content-Encoding", encoding)];
        let answer = server.request("POST", "/write", &headers, &gzip(b"t,device=a pm=1\n"));
        assert_eq!(answer.status, 204, "{encoding}: {}", answer.body);
    }
    for (method, path) in [("POST", "/query?q=CREATE+DATABASE+x"), ("GET", "/query"), ("POST", "/api/v2/query")] {
        let answer = server.request(method, path, &[("Authorization", &*authorization)], b"");
        assert_eq!(answer.status, 501, "{path}");
        assert!(answer.body.contains("/api/v1/sql") && !answer.headers.contains("retry-after"), "{}", answer.body);
    }
    let answer = server.write("/write", "t,device=a,device=b pm=1\n");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("device stands twice"), "{}", answer.body);
}

#[test]
fn a_request_without_a_key_is_stored_once_where_its_lines_have_times_of_their_own() {
    let server = Server::new(DecodeLimits::default());
    let timed = "t,device=a pm=1 1735689600000000000\nother,device=a v=1 1735689600000000000\n";
    let first = server.write("/api/v2/write", timed);
    assert!(first.status == 204 && !first.headers.contains("idempotency-replayed"), "{}", first.headers);
    let again = server.write("/write?db=x", timed);
    assert!(again.status == 204 && again.headers.contains("idempotency-replayed: true"), "{}", again.headers);
    assert_eq!(server.kept.take().len(), 2);
    // The server's time is another one each time.
    for _ in 0..2 {
        assert_eq!(server.write("/api/v2/write", &format!("{timed}t,device=a pm=2\n")).status, 204);
        assert_eq!(server.kept.take().len(), 2);
    }
    // What is too large for one step is stored as it was before there were keys; who asks for one step is told.
    server.kept.is_step_small.store(true, std::sync::atomic::Ordering::Relaxed);
    let other = timed.replace("pm=1", "pm=3");
    assert_eq!((server.write("/api/v2/write", &other).status, server.kept.take().len()), (204, 2));
    let headers = [("Authorization", &*format!("Token {}", server.fixture.token)), ("Idempotency-Key", "k")];
    assert_eq!(server.request("POST", "/api/v2/write", &headers, timed.as_bytes()).status, 413);
    assert!(server.kept.take().is_empty());
}

#[test]
fn the_host_of_telegraf_is_the_device_or_nothing_and_other_tags_are_what_a_header_says() {
    let server = Server::new(DecodeLimits::default());
    let authorization = format!("Token {}", server.fixture.token);
    let write = |headers: &[(&str, &str)], line: &str| {
        let all: Vec<_> = [("Authorization", &*authorization)].into_iter().chain(headers.iter().copied()).collect();
        let answer = server.request("POST", "/api/v2/write", &all, line.as_bytes());
        (answer.status, answer.body, server.kept.take())
    };
    let (status, body, kept) = write(&[], "t,device=a,host=edge-1 pm=1\nt,host=edge-1 pm=2\n");
    assert_eq!((status, kept[0].1.rows), (204, 2), "{body}");
    assert_eq!((server.fixture.key("a").is_some(), server.fixture.key("edge-1").is_some()), (true, true));

    let (status, body, kept) = write(&[], "t,device=a,rack=7 pm=1\n");
    assert_eq!((status, kept.len()), (400, 0), "{body}");
    assert!(body.contains("rack"), "{body}");
    let rules = [("X-Zonelake-Ignore-Tags", "rack, row"), ("X-Zonelake-Map-Tags", "pump=device,remark=note")];
    let (status, body, kept) = write(&rules, "t,pump=p-1,rack=7,host=edge-1,remark=hot,row=1 pm=NaN,raw=1\n");
    assert_eq!((status, kept[0].1.rows), (204, 1), "{body}");
    assert!(server.fixture.key("p-1").is_some());
    assert_eq!(server.fixture.stored(&kept[0].1, "note"), ["hot"]);
    let content = crate::fixture::column_text(kept[0].1.rejected.as_ref().unwrap(), "content");
    assert!(content[0].contains("\"device\":\"p-1\"") && !content[0].contains("pump"), "{content:?}");
    let (status, body, _) = write(&[("X-Zonelake-Map-Tags", "pump")], "t,device=a pm=1\n");
    assert!(status == 400 && body.contains("x-zonelake-map-tags"), "{body}");
}
