//! What peers cause in the server log.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::dialogue::{Setting, open};

/// Lines of the whole process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writer of the lines.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

fn lines_with(word: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(word)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_a_gateway_is_cut_and_escaped_in_the_server_log() {
    // The only test of this process that sets one.
    tracing::subscriber::set_global_default(Lines).unwrap();
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g-of-the-log", "vung-ang");
    let mut long = open(&token, "producer-of-the-log");
    long.software = format!("\u{1b}[2J\n{}", "x".repeat(60_000));
    server.opened(long).await;
    let lines = lines_with("producer-of-the-log");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].len() < 500 && lines[0].contains("xxx…"), "{} bytes: {}", lines[0].len(), &lines[0][..200]);
    assert!(!lines[0].contains(['\u{1b}', '\n']), "{}", lines[0]);

    let mut unknown = open(&token, "p");
    unknown.table = format!("table-of-the-log{}", "y".repeat(60_000));
    let (_, answer) = server.open(unknown).await;
    assert!(answer.refused().message.len() < 4_200);
    assert!(lines_with("table-of-the-log").iter().all(|line| line.len() < 600));

    for _ in 0..50 {
        let (_, answer) = server.open(open("zl_of-the-log", "p")).await;
        answer.refused();
    }
    let refused = lines_with("unknown or revoked");
    assert!(!refused.is_empty() && refused.len() < 45, "{} lines of fifty refusals", refused.len());
}
