//! What every interface shares: listeners, connection limits, TLS, credentials and authentication, and the table of error codes.

mod credentials;

pub use credentials::Credentials;
