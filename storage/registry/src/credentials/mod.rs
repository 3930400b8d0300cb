//! Secrets, and what a secret is verified by.
//!
//! - `secret`: random tokens and passwords, digests, comparison in constant time
//! - `scram`: the keys that PostgreSQL clients prove their password against

pub(crate) mod scram;
pub(crate) mod secret;
