//! Line protocol over HTTP: requests over real connections on the loopback, and keys of requests through the shards. And orders of
//! administration, which are recorded through the shards, too.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod audit;
mod fixture;
mod hostile;
mod keys;
mod requests;
mod retries;
