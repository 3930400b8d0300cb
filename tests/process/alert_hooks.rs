//! Alerts that are sent to other systems: signed, in order, until they are taken, and once more behind a kill under the same key at most.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::installation::{Installation, Server, text, wait_for};

/// A request that a receiver got.
#[derive(Debug, Clone)]
struct Received {
    key: String,
    signature: String,
    body: String,
}

/// A receiver on a port of its own, which answers with what it was told to.
struct Receiver {
    port: u16,
    status: Arc<AtomicU16>,
    /// Milliseconds before an answer.
    delay_ms: Arc<AtomicU64>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let status = Arc::new(AtomicU16::new(200));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (answer, got) = (Arc::clone(&status), Arc::clone(&received));
        let delay_ms = Arc::<AtomicU64>::default();
        let delay = Arc::clone(&delay_ms);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = read(&stream) {
                    std::thread::sleep(Duration::from_millis(delay.load(Ordering::Acquire)));
                    got.lock().expect("nothing panics").push(request);
                    let status = answer.load(Ordering::Acquire);
                    let answer = format!("HTTP/1.1 {status} S\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    (&stream).write_all(answer.as_bytes()).ok();
                }
            }
        });
        Self { port, status, delay_ms, received }
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().expect("nothing panics").clone()
    }

    /// Keys in the order in which they came first.
    fn keys(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        self.all().into_iter().map(|one| one.key).filter(|key| seen.insert(key.clone())).collect()
    }

    fn await_keys(&self, place: &Installation, wanted: &[&str]) {
        let seen = wait_for(|| (self.keys() == wanted).then_some(()));
        assert!(seen.is_some(), "{:?} and not {wanted:?}\n{}", self.keys(), place.log());
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    let mut received = Received { key: String::new(), signature: String::new(), body: String::new() };
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "zonelake-alert" => value.clone_into(&mut received.key),
            "zonelake-signature" => value.clone_into(&mut received.signature),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    received.body = String::from_utf8(body).ok()?;
    Some(received)
}

/// The signature as OpenSSL computes it.
fn openssl(secret: &str, second: &str, body: &str) -> String {
    let mut process = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    let mut input = process.stdin.take().expect("it has one");
    input.write_all(format!("{second}.{body}").as_bytes()).expect("it reads");
    drop(input);
    let said = text(&process.wait_with_output().expect("it ends").stdout);
    said.trim().rsplit(' ').next().expect("a digest").to_owned()
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().expect("it is later than 1970").as_secs()
}

fn place_with_rule() -> Installation {
    let place = Installation::new().with("ZONELAKE_INGEST_FUTURE_SECONDS_MAX", 86_400);
    let rule = "name = \"hot\"\ntable = \"environment\"\n[text]\nen = \"It is hot\"\nvi = \"Nóng\"\n\
                [[condition]]\nfield = \"temperature\"\nabove = 50.0\n";
    std::fs::write(place.root().join("hot.toml"), rule).expect("it can be written");
    place
}

fn send(server: &Server<'_>, token: &str, at: u64, temperature: f64) {
    let (status, body) = server.write(token, &format!("environment,device=kiln temperature={temperature} {at}\n"));
    assert_eq!(status, 204, "{body}");
}

fn run(place: &Installation, arguments: &[&str]) -> String {
    let done = place.run(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout).trim().to_owned()
}

#[test]
fn an_alert_is_sent_signed_until_it_is_taken_and_survives_a_kill_between_the_row_and_the_delivery() {
    let place = place_with_rule();
    let receiver = Receiver::new();
    let mut server = place.first_start();
    let password = server.password().to_owned();
    let token = place.add_gateway("g");
    let secret = run(&place, &["hook", "add", "duty", &format!("http://127.0.0.1:{}/alerts", receiver.port)]);
    run(&place, &["rule", "add", "hot.toml"]);
    let begun = now() + 10;
    send(&server, &token, begun, 60.0);
    receiver.await_keys(&place, &["hot/vung-ang/kiln/1/1"]);
    let first = &receiver.all()[0];
    let body: Value = serde_json::from_str(&first.body).expect("it is JSON");
    let words = ["state", "from_state", "rule", "zone", "device", "severity", "message_vi"];
    let words = words.map(|name| body[name].as_str().unwrap_or_default());
    assert_eq!(words, ["firing", "normal", "hot", "vung-ang", "kiln", "warning", "Nóng"], "{body}");
    assert_eq!(body["value"], 60.0);
    let (second, digest) = first.signature.split_once(",v1=").expect("two parts");
    let second = second.strip_prefix("t=").expect("when it was signed");
    assert_eq!(digest, openssl(&secret, second, &first.body));

    // The receiver is not well: the server is killed with the row durable and the delivery not done.
    receiver.status.store(503, Ordering::Release);
    send(&server, &token, begun + 10, 40.0);
    receiver.await_keys(&place, &["hot/vung-ang/kiln/1/1", "hot/vung-ang/kiln/1/2"]);
    server.kill();
    receiver.status.store(200, Ordering::Release);
    let before = receiver.all().len();
    server = place.restart(&password);
    let again = wait_for(|| receiver.all()[before..].iter().any(|one| one.key.ends_with("/2")).then_some(()));
    assert!(again.is_some(), "it is never delivered\n{}", place.log());
    send(&server, &token, begun + 20, 60.0);
    receiver.await_keys(&place, &["hot/vung-ang/kiln/1/1", "hot/vung-ang/kiln/1/2", "hot/vung-ang/kiln/1/3"]);
    let listed = run(&place, &["hook", "list"]);
    assert!(listed.contains("duty") && !listed.contains("not delivered") && !listed.contains(&secret), "{listed}");
    assert!(server.terminate().success());
}

#[test]
fn what_a_receiver_refuses_is_put_aside_and_holds_up_nothing_behind_it() {
    let place = place_with_rule();
    let receiver = Receiver::new();
    receiver.status.store(410, Ordering::Release);
    let server = place.first_start();
    let token = place.add_gateway("g");
    run(&place, &["hook", "add", "duty", &format!("http://127.0.0.1:{}/", receiver.port)]);
    run(&place, &["rule", "add", "hot.toml"]);
    let begun = now() + 10;
    send(&server, &token, begun, 60.0);
    let aside = wait_for(|| {
        run(&place, &["hook", "list"]).contains("not delivered to duty: hot/vung-ang/kiln/1/1").then_some(())
    });
    assert!(aside.is_some(), "{}\n{}", run(&place, &["hook", "list"]), place.log());
    receiver.status.store(200, Ordering::Release);
    send(&server, &token, begun + 10, 40.0);
    receiver.await_keys(&place, &["hot/vung-ang/kiln/1/1", "hot/vung-ang/kiln/1/2"]);
    for (arguments, words) in [
        (&["hook", "add", "duty", "http://127.0.0.1:1/"][..], "duty"),
        (&["hook", "add", "Duty", "http://127.0.0.1:1/"], "a to z"),
        (&["hook", "add", "file", "file:///etc/passwd"], "no address"),
        (&["hook", "remove", "nobody"], "nobody"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
    run(&place, &["hook", "remove", "duty"]);
    assert!(run(&place, &["hook", "list"]).is_empty());
    assert!(server.terminate().success());
}

/// A receiver that answers, a second late each time, with so many alerts before it that they would take it two minutes.
#[test]
fn a_receiver_that_answers_slowly_holds_up_no_other_one() {
    const ALERTS: u64 = 120;
    let place = place_with_rule();
    let (slow, quick) = (Receiver::new(), Receiver::new());
    slow.delay_ms.store(1_000, Ordering::Release);
    let server = place.first_start();
    let token = place.add_gateway("g");
    for (name, receiver) in [("slow", &slow), ("quick", &quick)] {
        run(&place, &["hook", "add", name, &format!("http://127.0.0.1:{}/", receiver.port)]);
    }
    run(&place, &["rule", "add", "hot.toml"]);
    let at = now() + 10;
    let lines: String =
        (0..ALERTS).map(|device| format!("environment,device=d{device} temperature=60 {at}\n")).collect();
    let (status, body) = server.write(&token, &lines);
    assert_eq!(status, 204, "{body}");
    let all = wait_for(|| (quick.keys().len() as u64 == ALERTS).then_some(()));
    assert!(all.is_some(), "{} of {ALERTS}\n{}", quick.keys().len(), place.log());
    send(&server, &token, at + 10, 60.0);
    let next = wait_for(|| quick.keys().contains(&"hot/vung-ang/kiln/1/1".to_owned()).then_some(()));
    assert!(next.is_some(), "{}", place.log());
    assert!((slow.keys().len() as u64) < ALERTS, "the slow one has all of them already, so that this says nothing");
    // What the slow one has not taken yet is not lost.
    slow.delay_ms.store(0, Ordering::Release);
    let rest = wait_for(|| (slow.keys().len() as u64 == ALERTS + 1).then_some(()));
    assert!(rest.is_some(), "{} of {}\n{}", slow.keys().len(), ALERTS + 1, place.log());
    assert!(server.terminate().success());
}

/// A receiver that reads each request and then does something else than to answer it; gives its port and how many requests came.
fn careless(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> (u16, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    let came = Arc::new(AtomicU16::new(0));
    let (count, answer) = (Arc::clone(&came), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
            std::thread::spawn(move || {
                if read(&stream).is_some() {
                    count.fetch_add(1, Ordering::AcqRel);
                    answer(stream);
                }
            });
        }
    });
    (port, came)
}

#[test]
fn receivers_that_never_answer_answer_without_end_or_send_elsewhere_hold_up_no_other_one_and_take_no_memory() {
    let place = place_with_rule();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let good = Receiver::new();
    let elsewhere = Receiver::new();
    let (silent, silent_came) = careless(|stream| {
        // Until the sender gives up.
        (&stream).read_exact(&mut [0]).ok();
    });
    let (slow, slow_came) = careless(|mut stream| {
        // An answer in time, but only just: what is behind it must not wait at other hooks.
        std::thread::sleep(Duration::from_secs(2));
        stream.write_all(b"HTTP/1.1 200 S\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
    });
    let (endless, endless_came) = careless(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 S\r\nContent-Length: 10000000000\r\n\r\n").ok();
        while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
    });
    let (heads, heads_came) = careless(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 S\r\n").ok();
        while stream.write_all(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").is_ok() {}
    });
    let to = elsewhere.port;
    let (away, away_came) = careless(move |mut stream| {
        let answer = format!("HTTP/1.1 307 S\r\nLocation: http://127.0.0.1:{to}/\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).ok();
    });
    run(&place, &["hook", "add", "good", &format!("http://127.0.0.1:{}/", good.port)]);
    run(&place, &["rule", "add", "hot.toml"]);
    let begun = now() + 10;
    let send_in_turn = |numbers: Range<u64>| {
        for number in numbers {
            send(&server, &token, begun + 10 * number, if number % 2 == 0 { 60.0 } else { 40.0 });
        }
    };
    let keys = |to: u64| (1..=to).map(|number| format!("hot/vung-ang/kiln/1/{number}")).collect::<Vec<_>>();
    let await_good = |to: u64| good.await_keys(&place, &keys(to).iter().map(String::as_str).collect::<Vec<_>>());
    // What rules, rows and deliveries take by themselves is taken before it is measured.
    send_in_turn(0..10);
    await_good(10);
    let before = server.peak_memory_bytes();
    for (name, port) in
        [("a-silent", silent), ("b-slow", slow), ("c-endless", endless), ("d-heads", heads), ("e-away", away)]
    {
        run(&place, &["hook", "add", name, &format!("http://127.0.0.1:{port}/")]);
    }
    // Ten alerts: the slow receiver needs twenty seconds for them.
    send_in_turn(10..20);
    await_good(20);
    assert!(slow_came.load(Ordering::Acquire) < 10, "the good one has waited for the slow one");
    for came in [&silent_came, &endless_came, &heads_came, &away_came] {
        let asked = wait_for(|| (came.load(Ordering::Acquire) > 0).then_some(()));
        assert!(asked.is_some(), "a hook was never tried\n{}", place.log());
    }
    let aside = wait_for(|| run(&place, &["hook", "list"]).contains("not delivered to e-away").then_some(()));
    assert!(aside.is_some(), "{}\n{}", run(&place, &["hook", "list"]), place.log());
    assert!(elsewhere.all().is_empty(), "an alert goes to the address that was set, and to no other one");
    let taken = server.peak_memory_bytes().saturating_sub(before);
    // The rest of the server takes up to 60 MB more meanwhile; an answer that is read to its end, ten times that within its five seconds.
    assert!(taken < 128 << 20, "the answers of receivers take {taken} bytes");
    assert!(server.terminate().success());
}
