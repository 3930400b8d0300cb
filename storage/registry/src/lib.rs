#![doc = include_str!("../README.md")]
//!
//! # Modules
//! In the order in which a call meets them:
//!
//! - `open`: a file becomes a [`Registry`]
//! - `access`: gateways and roles, and who a token or password belongs to
//! - `zones`, `devices`, `producers`: provinces, zones, sites; devices and their locations; producers of a gateway
//! - `names`: rules for names and codes
//! - `registration_quota`: devices that a gateway may register within an hour
//! - `registration`, `group_registration`: registrations that wait for the file, many of them in one transaction
//! - `registry`: the handle: memory, the one writer, and how changes of the file reach memory
//! - `index`: what is held in memory, and how it is read from the file
//! - `sqlite`: the file: connection and transactions, SQL schema, reference data
//! - `table_declarations`, `tables`: tables as they are declared, and as they are registered
//! - `node`: the node that the folder belongs to
//! - `check`: whether a file is sound
//! - `credentials`: random secrets, digests, keys of SCRAM
//! - `error`: what can go wrong

mod access;
mod check;
mod credentials;
mod devices;
mod error;
mod group_registration;
mod index;
mod names;
mod node;
mod open;
mod producers;
mod registration;
mod registration_quota;
mod registry;
mod sqlite;
mod table_declarations;
mod tables;
mod zones;

pub use access::NewGateway;
pub use check::{CheckedTable, RegistryReport, check_file, tables_of_file};
pub use credentials::scram::{SCRAM_SALT_BYTES, ScramVerifier, made_up_salt};
pub use devices::Device;
pub use error::RegistryError;
pub use index::devices::DEVICES_PER_ZONE_MAX;
pub use index::gateways::{Gateway, GatewayInfo};
pub use index::producers::{PRODUCERS_PER_GATEWAY_MAX, ProducerName};
pub use index::roles::{ADMIN_USER, Role, RoleLimits};
pub use index::zones::{NewZone, Province, Site, Zone};
pub use names::{NAME_BYTES_MAX, device_name_is_valid};
pub use registry::Registry;
pub use table_declarations::{DeclaredError, declared_tables};
pub use tables::RegisteredTable;
