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
    /// A role in the registry, a user of SQL.
    RoleId(u32)
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
    /// A shard of one node, by a number that no other shard of any node ever has: the node's number, and in the lowest 16
    /// bits the [`ShardId`]. It is below 2^63, as a signed column of a file holds it; 0 stands for "not known".
    ShardNumber(u64)
);
id!(
    /// A node by the number that its data folder drew when it was made: from 1, below 2^47, and random, so that two nodes
    /// need not know of each other to have different ones.
    NodeNumber(u64)
);
id!(
    /// Sequence of a group of batches: a logical clock, the same for all rows that one write has made durable, later for a
    /// later write whatever the wall clock says. Below 2^63; 0 stands for "written before there were sequences".
    GroupSequence(u64)
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

impl NodeNumber {
    /// A number made of random bits; never 0.
    pub fn from_random(bits: u64) -> Self {
        Self((bits >> (u64::BITS - NODE_BITS)).max(1))
    }

    /// True for a number that [`NodeNumber::from_random`] can give.
    pub fn is_valid(self) -> bool {
        self.0 > 0 && self.0 < 1 << NODE_BITS
    }

    /// Number of a shard of this node.
    pub fn shard_number(self, shard: ShardId) -> ShardNumber {
        assert!(self.is_valid(), "a node has a number of {NODE_BITS} bits");
        ShardNumber(self.0 << ShardId::BITS | u64::from(shard.0))
    }
}

impl ShardId {
    const BITS: u32 = u16::BITS;
}

impl GroupSequence {
    /// The maximum that a signed column of a file holds.
    pub const MAX: Self = Self(i64::MAX.cast_unsigned());
}

/// Bits of a node's number: what a shard number below 2^63 leaves for it.
const NODE_BITS: u32 = 63 - ShardId::BITS;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_number_has_node_and_shard_and_fits_a_signed_column() {
        let number = NodeNumber::from_random(u64::MAX).shard_number(ShardId(u16::MAX));
        assert_eq!(number, ShardNumber(i64::MAX.cast_unsigned()));
        assert_eq!(NodeNumber::from_random(0).shard_number(ShardId(2)), ShardNumber(65_538));
        assert!(!NodeNumber(0).is_valid() && !NodeNumber(1 << 47).is_valid());
    }
}
