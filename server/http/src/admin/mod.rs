//! Administration: gateways and roles, as JSON under `/api/v1`.
//!
//! The same routes serve the control socket of the data folder, a remote administrator, and a command that works on the
//! folder of a stopped server.
//!
//! - [`routes`]: the routes, and who may use them
//! - [`gateways`]: credentials of gateways
//! - [`roles`]: users of SQL and their limits
//! - `json`, `error`: bodies, and what a client is told

mod error;
mod gateways;
mod json;
mod roles;
mod routes;

pub use gateways::{AddGateway, AddedGateway, GatewayItem, GatewayList};
pub use roles::{AddRole, LimitChanges, RoleItem, RoleList, RolePassword};
pub use routes::{admin_routes, admin_routes_for_administrator};
