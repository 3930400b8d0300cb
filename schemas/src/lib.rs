#![doc = include_str!("../README.md")]
//!
//! # Modules
//! In the order in which a reading meets them; a file for each term that all crates share, hence more than fifteen:
//!
//! - [`wire`]: frames and control messages between gateway and server
//! - [`table`]: tables and fields as they are declared
//! - `personal`: kinds of personal data
//! - `on_repeat`: what becomes of rows of one device and time
//! - [`columns`]: the Arrow schemas of a table on the wire, in the WAL, in memory, in files and in SQL
//! - [`decimal`]: exact conversion between doubles and a sensor's resolution
//! - [`tables`], [`mod@reference`], [`reference_tables`]: the tables and the reference data that are built in
//! - [`views`]: the views that are built in
//! - [`polygon`]: areas, and how far a point is from the edge of one
//! - `quality`, [`reject`]: the scales of quality and of reasons for rejection
//! - [`alerts`]: the table of what alert rules have found
//! - [`audit`]: who has done what, and the trail that takes it
//! - `location`: locations of devices
//! - `ids`: ids and sequence numbers
//! - [`identity`]: which row of which record of the WAL a row is, in memory and in files
//! - `principal`: who a stored batch or request belongs to
//! - `registry_marks`: the maximum ids that a registry has given out
//! - `group_clock`: the logical clock of group sequences
//! - `instant`: instants that can be stored
//! - [`error`]: kinds of errors
//! - [`clock`]: time, injected

pub mod alerts;
pub mod audit;
pub mod clock;
pub mod columns;
pub mod decimal;
pub mod error;
mod group_clock;
pub mod identity;
mod ids;
mod instant;
mod location;
mod on_repeat;
mod personal;
pub mod polygon;
mod principal;
mod quality;
pub mod reference;
pub mod reference_tables;
mod registry_marks;
pub mod reject;
pub mod table;
pub mod tables;
pub mod views;
pub mod wire;

pub use columns::TableSchemas;
pub use error::ErrorKind;
pub use group_clock::GroupClock;
pub use identity::RowOrigin;
pub use ids::{
    BatchNumber, DeviceKey, Epoch, GatewayId, GroupSequence, Lane, Lsn, NodeNumber, ProducerId, RoleId, SchemaVersion,
    ShardId, ShardNumber, StreamKey, TableId, ZoneId,
};
pub use instant::INSTANTS_US;
pub use location::{Location, Locations};
pub use on_repeat::OnRepeat;
pub use personal::Personal;
pub use principal::Principal;
pub use quality::{Quality, QualityScale};
pub use registry_marks::RegistryMarks;
pub use reject::RejectReason;
pub use table::{FieldDef, FieldKind, StorageType, TableDef, TableError};
