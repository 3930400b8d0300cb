//! Line protocol over HTTP: requests over real connections on the loopback, and keys of requests through the shards.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod fixture;
mod keys;
mod requests;
