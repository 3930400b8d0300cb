//! Streams of events, over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use zonelake_registry::{Grant, Place, RoleKind, Visibility};

use crate::fixture::{Folder, Row, basic, get, read_head, send};

/// A client of events, which reads the chunks of HTTP/1.1 itself.
pub(crate) struct Events {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) rows: Vec<Value>,
}

impl Event {
    /// Name, and device with the value of `pm` of each row.
    fn brief(&self) -> (String, Vec<(String, Option<f64>)>) {
        let of_row = |row: &Value| (row["device"].as_str().unwrap_or("?").to_owned(), row["pm"].as_f64());
        (self.name.clone(), self.rows.iter().map(of_row).collect())
    }
}

impl Events {
    pub(crate) async fn open(to: SocketAddr, path: &str, authorization: &str, last: Option<&str>) -> Self {
        let mut headers = vec![("authorization", authorization), ("accept", "text/event-stream")];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let mut stream = send(to, "GET", path, &headers).await;
        let (status, headers) = read_head(&mut stream).await;
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"));
        Self { stream, read: Vec::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        timeout(Duration::from_secs(20), self.read_event()).await.expect("an event comes in time")
    }

    async fn read_event(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let text = String::from_utf8(event).unwrap();
                if text.starts_with(':') {
                    continue;
                }
                let field = |name: &str| -> Vec<String> {
                    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).collect()
                };
                let data = field("data");
                let rows = data.iter().filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap());
                return Some(Event {
                    name: field("event").concat(),
                    id: field("id").into_iter().next(),
                    rows: rows.collect(),
                });
            }
            self.read_chunk().await?;
        }
    }

    async fn read_chunk(&mut self) -> Option<()> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.ok()?);
        }
        let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).await.ok()?;
        self.read.extend_from_slice(&chunk[..length]);
        (length > 0).then_some(())
    }
}

fn brief(name: &str, rows: &[(&str, f64)]) -> (String, Vec<(String, Option<f64>)>) {
    (name.to_owned(), rows.iter().map(|(device, pm)| ((*device).to_owned(), Some(*pm))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_chosen_devices_come_as_they_are_acknowledged() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0", "d1", "d2"]);
    running.append(0, &[Row::new(0, keys[0], 10), Row::new(0, keys[1], 20)]);
    let authorization = basic("admin", &running.password);
    let mut events =
        Events::open(running.address(), "/api/v1/live/air?field=pm&device=d0,d2", &authorization, None).await;
    assert_eq!(events.next().await.unwrap().brief(), brief("snapshot", &[("d0", 0.1)]));
    running.append(0, &[Row::new(1, keys[1], 21)]);
    running.append(1, &[Row::new(1, keys[0], 11)]);
    assert_eq!(events.next().await.unwrap().brief(), brief("rows", &[("d0", 0.11)]));
    running.append(1, &[Row::new(5, keys[2], 31)]);
    let event = events.next().await.unwrap();
    assert_eq!(event.brief(), brief("rows", &[("d2", 0.31)]), "a device that is new");
    assert!(event.id.unwrap().contains("0:"));
    running.stop().await;
    assert_eq!(events.next().await.unwrap().name, "end");
    assert_eq!(events.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_gets_what_has_changed_since_also_after_a_kill() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let password = running.password.clone();
    let keys = running.devices("vung-ang", &["d0", "d1", "d2"]);
    running.append(0, &[Row::new(0, keys[0], 10)]);
    running.append(1, &[Row::new(0, keys[1], 20), Row::new(0, keys[2], 30)]);
    let authorization = basic("admin", &password);
    let path = "/api/v1/live/air?field=pm";
    let mut events = Events::open(running.address(), path, &authorization, None).await;
    let snapshot = events.next().await.unwrap();
    assert_eq!(snapshot.rows.len(), 3);
    drop(events);
    running.append(0, &[Row::new(1, keys[0], 11)]);
    running.append(1, &[Row::new(-5, keys[1], 1)]);
    let since = snapshot.id.unwrap();
    let mut events = Events::open(running.address(), path, &authorization, Some(&since)).await;
    let changed = events.next().await.unwrap();
    assert_eq!(changed.brief(), brief("rows", &[("d0", 0.11)]), "the late row of d1 has changed nothing");
    drop(events);

    // Rows of both sides of a flush, and then the process is gone.
    running.append(1, &[Row::new(2, keys[1], 22)]);
    running.store.flush_all().await.unwrap();
    running.append(1, &[Row::new(3, keys[2], 33)]);
    running.stop().await;
    let running = folder.serve().await;
    let since = changed.id.unwrap();
    let mut events = Events::open(running.address(), path, &authorization, Some(&since)).await;
    let after_kill = events.next().await.unwrap();
    assert_eq!(after_kill.brief(), brief("rows", &[("d1", 0.22), ("d2", 0.33)]));
    // The same by the URL, for pages whose first request cannot have the header.
    let since = after_kill.id.unwrap();
    let mut events =
        Events::open(running.address(), &format!("{path}&last_event_id={since}"), &authorization, None).await;
    assert_eq!(events.next().await.unwrap().brief(), brief("rows", &[]));
    for foreign in ["7:1", "0:99999", "nonsense"] {
        let mut events = Events::open(running.address(), path, &authorization, Some(foreign)).await;
        assert_eq!(events.next().await.unwrap().name, "snapshot", "{foreign} is a position of another time line");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_told_what_it_has_missed_and_gets_the_newest() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let names: Vec<String> = (0..2_000).map(|device| format!("device-{device:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = running.devices("vung-ang", &names);
    let rows = |second: i64| -> Vec<Row> {
        let row = |key: &u32| Row {
            note: Some("a note of some length, so that much is on its way".repeat(4)),
            ..Row::new(second, *key, second as i32)
        };
        keys.iter().map(row).collect()
    };
    running.append(0, &rows(0));
    let authorization = basic("admin", &running.password);
    let mut events = Events::open(running.address(), "/api/v1/live/air", &authorization, None).await;
    // States of a megabyte each come while the client reads nothing: the sockets fill, and then the states it may be behind.
    let last = 90;
    for second in 1..=last {
        running.append(0, &rows(second));
        tokio::time::sleep(Duration::from_millis(110)).await;
    }
    let mut names = Vec::new();
    let mut pm = 0.0;
    while pm < last as f64 / 100.0 {
        let event = events.next().await.unwrap();
        if event.name != "skipped" {
            assert_eq!(event.rows.len(), keys.len(), "each device once");
            let now = event.rows[0]["pm"].as_f64().unwrap();
            assert!(now >= pm, "values do not go back");
            pm = now;
        } else {
            assert!(event.rows[0]["states"].as_u64().unwrap() > 0);
        }
        names.push(event.name);
    }
    assert_eq!(names[0], "snapshot");
    assert!(names.contains(&"skipped".to_owned()), "{names:?}");
    assert!(names.len() < last as usize, "{} events of {last} states", names.len());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_role_and_no_more_of_them_are_open_than_may_be() {
    let folder = Folder { waiting_max: 1, ..Folder::new() };
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0"]);
    running.append(0, &[Row::new(0, keys[0], 10)]);
    let everything = Grant::all_tables(Place::Everywhere, Visibility::Shown);
    let registry = running.store.registry();
    let password = registry.add_role_with("watcher", RoleKind::Own, Default::default(), &[everything]).unwrap();
    let authorization = basic("watcher", password.as_str());
    let mut events = Events::open(running.address(), "/api/v1/live/air", &authorization, None).await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    let headers = [("authorization", authorization.as_str()), ("accept", "text/event-stream")];
    let second = get(running.address(), "/api/v1/live/air", &headers).await;
    assert_eq!((second.status, second.headers["retry-after"].as_str()), (503, "1"));
    let pulled = get(running.address(), "/api/v1/live/air", &headers[..1]).await;
    assert_eq!(pulled.status, 200, "a pull waits for nothing");
    running.store.registry().remove_role("watcher").unwrap();
    running.append(0, &[Row::new(1, keys[0], 11)]);
    let end = events.next().await.unwrap();
    assert_eq!((end.name.as_str(), end.rows[0]["code"].as_str()), ("end", Some("forbidden")));
    assert_eq!(events.next().await, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_leaves_a_quarter_of_the_places_to_others_and_its_places_come_free_again() {
    let folder = Folder { waiting_max: 4, ..Folder::new() };
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0"]);
    running.append(0, &[Row::new(0, keys[0], 10)]);
    let everything = Grant::all_tables(Place::Everywhere, Visibility::Shown);
    let registry = running.store.registry();
    let roles = ["crowd", "other"].map(|name| {
        let grants = [everything.clone()];
        let password = registry.add_role_with(name, RoleKind::Own, Default::default(), &grants).unwrap();
        basic(name, password.as_str())
    });
    let open = async |role: usize| Events::open(running.address(), "/api/v1/live/air", &roles[role], None).await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(open(0).await);
    }
    let headers = [("authorization", roles[0].as_str()), ("accept", "text/event-stream")];
    let fourth = get(running.address(), "/api/v1/live/air", &headers).await;
    assert_eq!((fourth.status, fourth.headers["retry-after"].as_str()), (503, "1"));
    // A window is followed from the same places, and so is a pull that waits.
    let window = get(running.address(), "/api/v1/live/air?window=5m", &headers).await;
    assert_eq!(window.status, 503);
    let mut other = open(1).await;
    assert_eq!(other.next().await.unwrap().name, "snapshot");
    drop(crowd.pop());
    let again = async {
        loop {
            if get(
                running.address(),
                "/api/v1/live/air?wait=1",
                &[("authorization", roles[0].as_str()), ("if-none-match", "*")],
            )
            .await
            .status
                == 304
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), again).await.expect("the place of one that has gone comes free");
    running.stop().await;
}
