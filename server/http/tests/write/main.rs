//! Line protocol over HTTP: requests over real connections on the loopback, and keys of requests through the shards.

mod fixture;
mod keys;
mod requests;
