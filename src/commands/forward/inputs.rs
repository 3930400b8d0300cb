//! Standard input and sockets that programs write lines to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use zonelake_push::LineScan;

use crate::error::CliError;

/// A line as it came, with where it came from.
#[derive(Debug)]
pub(super) struct Line {
    /// Sender, for messages.
    pub(super) from: String,
    /// The whole line; a text value in it may contain line feeds.
    pub(super) text: Vec<u8>,
}

/// Reads standard input to its end.
pub(super) fn read_stdin(lines: mpsc::Sender<Line>) {
    tokio::spawn(read_all("standard input".into(), tokio::io::stdin(), lines));
}

/// Listens on a TCP address.
pub(super) async fn listen_tcp(address: &str, lines: mpsc::Sender<Line>) -> Result<(), CliError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| CliError::input(format!("cannot listen on {address}: {error}")))?;
    let bound = listener.local_addr().map_err(CliError::failed)?;
    tracing::info!("listening for lines on {bound}");
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => drop(tokio::spawn(read_all(peer.to_string(), stream, lines.clone()))),
                Err(error) => pause_after(&error).await,
            }
        }
    });
    Ok(())
}

/// Socket file that goes when the command ends.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Where it is gone already, nothing is left to do.
        std::fs::remove_file(&self.0).ok();
    }
}

/// Listens on a Unix socket. A socket of a process that has ended is replaced; one that answers is in use.
pub(super) async fn listen_unix(path: &Path, lines: mpsc::Sender<Line>) -> Result<SocketFile, CliError> {
    let wrong =
        |error: &dyn std::fmt::Display| CliError::input(format!("cannot listen on {}: {error}", path.display()));
    if path.exists() {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(wrong(&"another process listens there"));
        }
        std::fs::remove_file(path).map_err(|error| wrong(&error))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| wrong(&error))?;
    tracing::info!("listening for lines on {}", path.display());
    let from = path.display().to_string();
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(read_all(from.clone(), stream, lines.clone()))),
                Err(error) => pause_after(&error).await,
            }
        }
    });
    Ok(SocketFile(path.to_owned()))
}

/// Waits where the system has no more file descriptors: accepting would fail again at once.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!("a connection is not accepted: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn read_all(from: String, source: impl AsyncRead + Unpin, lines: mpsc::Sender<Line>) {
    let mut source = BufReader::with_capacity(64 << 10, source);
    loop {
        match next_line(&mut source).await {
            Ok(Some(text)) => {
                // Where nobody takes lines any more, the command ends.
                if lines.send(Line { from: from.clone(), text }).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!("{from}: {error}; the connection is closed"),
        }
    }
}

/// The next line with its end, and those behind it that belong to a text value of it; `None` at the end.
async fn next_line(source: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut scan = LineScan::default();
    loop {
        let available = source.fill_buf().await?;
        let end = available.iter().position(|byte| *byte == b'\n').map(|position| position + 1);
        let taken = end.unwrap_or(available.len());
        line.extend_from_slice(&available[..taken]);
        scan.take(&available[..taken]);
        source.consume(taken);
        if line.len() > LINE_BYTES_MAX {
            let message = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
        }
        if taken == 0 {
            return Ok((!line.is_empty()).then_some(line));
        }
        if end.is_some() && !scan.goes_on() {
            return Ok(Some(line));
        }
    }
}

/// Longest line, as the server takes it in one frame with others.
const LINE_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_though_they_come_in_pieces_and_have_line_feeds_in_texts() {
        let text = b"t,device=a v=\"one\ntwo\" 7\n# a \"comment\nt,device=a v=1 8".as_slice();
        for capacity in 1..text.len() {
            let mut source = BufReader::with_capacity(capacity, text);
            let mut lines = Vec::new();
            while let Some(line) = next_line(&mut source).await.unwrap() {
                lines.push(String::from_utf8(line).unwrap());
            }
            assert_eq!(lines, ["t,device=a v=\"one\ntwo\" 7\n", "# a \"comment\n", "t,device=a v=1 8"]);
        }
    }

    /// Where each line feed had the line looked at from its beginning, this took 10^11 steps.
    #[test]
    fn an_open_quote_with_a_line_feed_in_each_byte_costs_one_look_at_each_and_is_refused_at_the_longest_line() {
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut text = b"t,device=a v=\"".to_vec();
            text.resize(LINE_BYTES_MAX + 2, b'\n');
            let mut source = BufReader::with_capacity(64 << 10, text.as_slice());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            ended.send(runtime.block_on(next_line(&mut source)).is_err()).unwrap();
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(true), "it is refused, and before a minute is over");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_refused_before_it_takes_all_memory() {
        let text = vec![b'x'; LINE_BYTES_MAX + 1];
        assert!(next_line(&mut BufReader::new(text.as_slice())).await.is_err());
    }
}
