//! Routing of batches to shards.

use zonelake_schemas::{Principal, ProducerId, ShardId};

use crate::shard::record::header::principal_ids;

/// The shard that a producer's streams go to: always the same, so that their order and sequence numbers need no lock.
pub fn shard_for(producer: ProducerId, shards: u16) -> ShardId {
    ShardId(u16::try_from(producer.0 % u32::from(shards)).expect("a remainder of a u16 fits"))
}

/// The producer whose shard takes the unsequenced batches of a principal. One shard takes all of them, one after the
/// other, so a request that is repeated while the first is under way finds it stored.
pub fn shard_key_of(principal: Principal) -> ProducerId {
    let (gateway, role) = principal_ids(principal);
    ProducerId(gateway.max(role))
}
