//! Time that a client has for what it owes.

use std::time::Duration;

/// Limits on the time of a client, each without progress.
#[derive(Debug, Clone)]
pub struct ClientTimes {
    /// Until the first byte. Default 10 s.
    pub first_byte: Duration,
    /// Until the first request is whole. Default 30 s.
    pub first_request: Duration,
    /// Between two requests, and for a response to be taken up. Default 60 s.
    pub idle: Duration,
    /// For another 64 KiB of a body, or its end. Default 60 s; requests of writes have a limit of their own.
    pub body: Duration,
    /// For the next part of a stream of messages of gRPC. Default 5 min.
    pub stream: Duration,
    /// For the system to take more bytes of a response. Default 30 s.
    pub write: Duration,
    /// Between two pings of HTTP/2, and for their answers. Default 20 s.
    pub ping: Duration,
}

impl Default for ClientTimes {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            first_request: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(60),
            stream: Duration::from_secs(300),
            write: Duration::from_secs(30),
            ping: Duration::from_secs(20),
        }
    }
}

impl ClientTimes {
    /// Time between two looks at a connection: a quarter of the shortest limit.
    pub(crate) fn tick(&self) -> Duration {
        self.first_byte.min(self.first_request).min(self.idle) / 4
    }
}
