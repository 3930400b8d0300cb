//! Secrets, and what a secret is verified by.
//!
//! - `secret`: random tokens and passwords, digests, comparison in constant time
//! - `personal_key`: the key under which personal data are hashed
//! - `scram`: the keys that PostgreSQL clients prove their password against

pub(crate) mod personal_key;
pub(crate) mod scram;
pub(crate) mod secret;
