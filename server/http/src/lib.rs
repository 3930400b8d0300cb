//! - [`listener`]: the TCP listener
//! - [`peer`]: address of a request's client
//! - [`sql`]: statements and their rows
//! - [`mod@write`]: line protocol
//! - [`admin`]: gateways and roles
//! - `administrator`: requests that only the administrator may make
//! - [`operations`]: health and metrics
//! - [`control`]: the control socket of the data folder

#![doc = include_str!("../README.md")]

mod admin;
mod administrator;
mod control;
mod listener;
mod operations;
mod peer;
mod sql;
mod write;

pub use admin::{
    AddGateway, AddRole, AddedGateway, GatewayItem, GatewayList, LimitChanges, RoleItem, RoleList, RolePassword,
    admin_routes, admin_routes_for_administrator,
};
pub use control::{ControlServer, connect};
pub use listener::{HttpArgs, HttpServer};
pub use operations::{OperationsState, operations_routes};
pub use sql::sql_routes;
pub use write::write_routes;
