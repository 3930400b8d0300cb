//! Ids and sequence numbers, each a type of its own so that two of them are never mixed up.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A zone in the registry.
    ZoneId(u32)
);
id!(
    /// A gateway in the registry; 0 is the administrator, who may write for no zone of its own.
    GatewayId(u32)
);
id!(
    /// A named producer of one gateway, by the registry's id. Producer names are scoped by gateway, so that no
    /// gateway can fence another.
    ProducerId(u32)
);
id!(
    /// A table, by the registry's id: names may come from settings, ids are what the WAL stores.
    TableId(u32)
);
id!(
    /// A version of a table's field list; it grows by one with each set of added fields, starting at 1.
    SchemaVersion(u32)
);
id!(
    /// A device at a location. The key is immutable: a device that moves to another site gets a new key, so that a stored
    /// row keeps the location where it was measured. Key 0 does not exist.
    DeviceKey(u32)
);
id!(
    /// One writer thread with a WAL of its own.
    ShardId(u16)
);
id!(
    /// Log sequence number: one per record of a shard's WAL, growing by one, from 1. It never restarts for a shard.
    Lsn(u64)
);
id!(
    /// Number of times that a producer has lost its state. A lower epoch than the highest seen is fenced.
    Epoch(u64)
);
id!(
    /// Position of a batch in its stream: 1, 2, 3 and so on; 0 stands for "none yet".
    BatchNumber(u64)
);

/// Lane of a stream: a producer sends on two of them, so that back-fill never stands in front of live data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Data that is measured now.
    Live = 1,
    /// Data that was measured earlier and could not be sent then.
    Backfill = 2,
}

impl Lane {
    /// The lane of a number on the wire or in the WAL.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Live),
            2 => Some(Self::Backfill),
            _ => None,
        }
    }
}

/// One sequenced stream of batches within a producer and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// Table that the batches go to.
    pub table: TableId,
    /// Live or back-fill.
    pub lane: Lane,
}
