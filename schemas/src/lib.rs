#![doc = include_str!("../README.md")]
//!
//! # Modules
//! In the order in which a reading meets them:
//!
//! - [`wire`]: frames and control messages between gateway and server
//! - [`table`]: tables and fields as they are declared
//! - [`columns`]: the Arrow schemas of a table on the wire, in the WAL, in memory, in files and in SQL
//! - [`decimal`]: exact conversion between doubles and a sensor's resolution
//! - [`tables`], [`mod@reference`]: the tables and the reference data that are built in
//! - `quality`, [`reject`]: the scales of quality and of reasons for rejection
//! - `location`: locations of devices
//! - `ids`: ids and sequence numbers
//! - [`error`]: kinds of errors
//! - [`clock`]: time, injected

pub mod clock;
pub mod columns;
pub mod decimal;
pub mod error;
mod ids;
mod location;
mod quality;
pub mod reference;
pub mod reject;
pub mod table;
pub mod tables;
pub mod wire;

pub use columns::TableSchemas;
pub use error::ErrorKind;
pub use ids::{
    BatchNumber, DeviceKey, Epoch, GatewayId, Lane, Lsn, ProducerId, SchemaVersion, ShardId, StreamKey, TableId, ZoneId,
};
pub use location::{Location, Locations};
pub use quality::Quality;
pub use reject::RejectReason;
pub use table::{FieldDef, FieldKind, StorageType, TableDef, TableError};
