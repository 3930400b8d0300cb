//! Who may do what.
//!
//! - `gateways`: gateways that write
//! - [`grant`], `grants`: kinds of roles and what may be granted to them; what is granted
//! - `roles`, [`role_template`]: roles that read over SQL, their passwords and limits; grants that a new one begins with
//! - [`write_grant`], `write_grants`: what may be granted to gateways, and what is
//! - `tokens`: tokens of gateways and of roles, several of each

mod gateways;
pub(crate) mod grant;
mod grants;
pub(crate) mod role_template;
mod roles;
mod tokens;
pub(crate) mod write_grant;
mod write_grants;

pub use gateways::NewGateway;
pub use tokens::{NewToken, RoleKeys, TokenInfo, TokenOwner, TokenRequest};
