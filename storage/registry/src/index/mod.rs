//! What the registry keeps in memory, and how each part is read from SQLite. Nothing here knows the registry itself.
//!
//! Parts that refer to others are read after them: zones first, then the rest.
//!
//! - `zones`: provinces, zones and sites
//! - `devices`: devices by zone and name
//! - `device_details`: what is said of devices
//! - `locations`: rows of the table `places`, the location behind each device key
//! - `gateways`: gateways by id
//! - `producers`: named producers of each gateway
//! - `roles`: roles, with what their passwords are verified by
//! - `tokens`: tokens of gateways and of roles by their digest
//! - `alert_rules`: alert rules by name

pub(crate) mod alert_rules;
pub(crate) mod device_details;
pub(crate) mod devices;
pub(crate) mod gateways;
pub(crate) mod locations;
pub(crate) mod producers;
pub(crate) mod roles;
pub(crate) mod tokens;
pub(crate) mod zones;
