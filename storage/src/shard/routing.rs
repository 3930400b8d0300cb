//! The shard of a producer, and the producer that a gateway without batch sequence numbers counts as.

use zonelake_schemas::{GatewayId, ProducerId, ShardId};

/// The shard that a producer's streams go to: always the same, so that their order and numbers need no lock.
pub fn shard_for(producer: ProducerId, shards: u16) -> ShardId {
    ShardId(u16::try_from(producer.0 % u32::from(shards)).expect("a remainder of a u16 fits"))
}

/// The producer whose shard takes what a gateway sends without numbers.
pub fn shard_key_of_gateway(gateway: GatewayId) -> ProducerId {
    ProducerId(gateway.0)
}
