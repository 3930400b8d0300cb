#![doc = include_str!("../README.md")]
//!
//! # Modules
//! In the order in which a call meets them:
//!
//! - `open`: a file becomes a [`Registry`]
//! - `access`: gateways and roles, what is granted to them, and who a token or password belongs to
//! - `zones`, `devices`, `producers`: provinces, zones, sites; devices and their locations; producers of a gateway
//! - `lifecycle`: what is said of a device, its state, and its history
//! - `pushes`: the ledger of what gateways have pushed
//! - `names`: rules for names and codes
//! - `registration`: registrations of devices and producers, many of them in one transaction
//! - `registry`: the handle: memory, the one writer, and how changes of the file reach memory
//! - `index`: what is held in memory, and how it is read from the file
//! - `reference`: reference data as dated rows
//! - `alerts`: alert rules with their versions and authors, and whom alerts are sent to
//! - `report_schedules`: reports that are due at times, and what was made
//! - `sqlite`: the file: connection and transactions, SQL schema, reference data
//! - `table_declarations`, `tables`: tables as they are declared, and as they are registered
//! - `earliest`: the earliest time that a row of a table may have
//! - `node`: the node that the folder belongs to
//! - `marks`: the maximum id of each kind, which the WAL must not be beyond
//! - `copy`: a copy of a file that is in use
//! - `check`: whether a file is sound
//! - `credentials`: random secrets, digests, keys of SCRAM
//! - `error`: what can go wrong

mod access;
mod alerts;
mod check;
mod copy;
mod credentials;
mod devices;
mod earliest;
mod error;
mod index;
mod lifecycle;
mod marks;
mod names;
mod node;
mod open;
mod producers;
mod pushes;
mod reference;
mod registration;
mod registry;
mod report_schedules;
mod sqlite;
mod table_declarations;
mod tables;
mod zones;

pub use access::grant::{Grant, GrantKey, OnlyRows, Place, RoleKind, Visibility};
pub use access::role_template::RoleScope;
pub use access::write_grant::{Devices, WritableZone, WriteGrant, WriteRights};
pub use access::{NewGateway, NewToken, RoleKeys, TokenInfo, TokenOwner, TokenRequest};
pub use alerts::hooks::{AlertHook, DeadLetter, HookPlace};
pub use alerts::rules::ALERT_RULES_MAX;
pub use check::{CheckedTable, RegistryReport, check_file, marks_of_file, tables_of_file};
pub use copy::copy_file;
pub use credentials::personal_key::PersonalKey;
pub use credentials::scram::{SCRAM_SALT_BYTES, ScramVerifier, made_up_salt};
pub use devices::Device;
pub use earliest::EarliestTimes;
pub use error::RegistryError;
pub use index::alert_rules::AlertRule;
pub use index::device_details::ANNOUNCED_PER_ZONE_MAX;
pub use index::devices::DEVICES_PER_ZONE_MAX;
pub use index::gateways::{Gateway, GatewayInfo};
pub use index::producers::{PRODUCERS_PER_GATEWAY_MAX, ProducerName};
pub use index::roles::{ADMIN_USER, Role, RoleLimits};
pub use index::tokens::TokenId;
pub use index::zones::{NewZone, Province, Site, Zone};
pub use lifecycle::{
    Change, DeviceChange, DeviceChanges, DeviceDetails, DeviceLine, DeviceRecord, DeviceSelection, DeviceState,
    ImportedDevices, Position, WritableDevice,
};
pub use names::{NAME_BYTES_MAX, device_name_is_valid};
pub use pushes::{LentProducer, NotedPush, PUSHES_KEPT_MAX, PUSHES_UNDER_WAY_MAX, PushDigests, PushEntry, entry_name};
pub use reference::{
    ReferenceChange, ReferenceContent, ReferenceError, ReferenceRow, ReferenceSummary, reference_rows,
};
pub use registry::Registry;
pub use report_schedules::runs::{ReportFile, ReportOutcome, ReportRun, ReportRunFilter};
pub use report_schedules::schedules::{REPORT_SCHEDULES_MAX, ReportSchedule};
pub use table_declarations::{DeclaredError, declared_tables};
pub use tables::RegisteredTable;
