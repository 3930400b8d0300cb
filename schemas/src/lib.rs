//! Vocabulary of Zonelake, in the order in which a reading meets it:
//!
//! - [`wire`]: frames and control messages between gateway and server
//! - [`table`]: tables and fields as they are declared
//! - [`columns`]: the Arrow schemas of a table on the wire, in memory, in files and in SQL
//! - [`decimal`]: exact conversion between doubles and a sensor's resolution
//! - [`tables`], [`mod@reference`]: the tables and the reference data that are built in
//! - [`quality`], [`reject`]: the scales of quality and of reasons for rejection
//! - [`location`]: where a device is
//! - [`ids`]: ids and sequence numbers
//! - [`error`]: what to do about an error
//! - [`clock`]: time, injected

pub mod clock;
pub mod columns;
pub mod decimal;
pub mod error;
pub mod ids;
pub mod location;
pub mod quality;
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
