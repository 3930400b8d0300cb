//! The registry: what the system knows before a reading arrives, durable in one SQLite file.
//!
//! In the order in which a gateway and its readings meet it:
//!
//! - [`gateways`]: gateways, their tokens, and who one is by its token
//! - [`roles`]: who may read, their passwords and what their statements may take
//! - [`scram`]: what PostgreSQL's clients prove that they know the password with
//! - [`producers`]: named producers of a gateway, by number
//! - [`zones`]: provinces, zones, sites
//! - [`devices`]: devices by name, and the place behind each [`zonelake_schemas::DeviceKey`]
//! - [`tables`]: tables as they are stored, and how a declaration may change them
//! - [`declared`]: declarations that are built in and in the operator's settings folder
//! - [`check`]: whether a file is sound
//!
//! Below them: `joined` (registrations at the same time in one transaction), `new_devices` (how many of them a gateway may register within an hour), `store` (the file, its one writer and
//! what other processes change in it), `migrations` (the SQL schema), `seed` (reference data of a new file), `secret` (tokens
//! and digests), `names` (what a name may be), `node` (whose folder it is), [`error`].
//!
//! Reads come from memory and never wait for a writer. A writing call returns when its transaction is synced
//! (`synchronous=FULL`), so whatever id it gives out survives a power loss. Several processes may have one file open:
//! each writing call first takes over what others have changed, and [`Registry::refresh`] does so for readers.

pub mod check;
pub mod declared;
pub mod devices;
pub mod error;
pub mod gateways;
mod joined;
mod migrations;
mod names;
mod new_devices;
mod node;
pub mod producers;
pub mod roles;
pub mod scram;
mod secret;
mod seed;
mod store;
pub mod tables;
pub mod zones;

pub use check::{RegistryReport, check_file, tables_of_file};
pub use declared::{DeclaredError, declared_tables};
pub use devices::{DEVICES_PER_ZONE_MAX, Device};
pub use error::RegistryError;
pub use gateways::{Gateway, GatewayInfo, NewGateway};
pub use names::{NAME_BYTES_MAX, device_name_is_valid};
pub use producers::{PRODUCERS_PER_GATEWAY_MAX, ProducerName};
pub use roles::{ADMIN_USER, Role, RoleLimits};
pub use scram::ScramVerifier;
pub use store::Registry;
pub use tables::RegisteredTable;
pub use zones::{NewZone, Province, Site, Zone};
