//! What every interface shares: listeners, connection limits, TLS, credentials and authentication, and the table of error codes.

mod gateway_token;

pub use gateway_token::gateway_of;
