//! Marks of a registry: the maximum id of each kind that it has given out. Whatever is stored with ids says up to which
//! ones it goes, so that an older copy of the registry beside it is known for one: its next device would take over the
//! number, and with that the rows, of another.

use crate::ids::{DeviceKey, GatewayId, ProducerId, RoleId};

/// The maximum ids that a registry has given out; 0 where there is none, or where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegistryMarks {
    /// Greatest device key.
    pub device_key: DeviceKey,
    /// Greatest producer.
    pub producer: ProducerId,
    /// Greatest gateway, revoked ones included.
    pub gateway: GatewayId,
    /// Greatest role, removed ones included.
    pub role: RoleId,
}

impl RegistryMarks {
    /// Marks that say nothing.
    pub const NONE: Self =
        Self { device_key: DeviceKey(0), producer: ProducerId(0), gateway: GatewayId(0), role: RoleId(0) };

    /// The first id among `needed` that this registry has not given out, in words: kind, id, and the maximum that it
    /// has.
    pub fn first_unknown(&self, needed: &Self) -> Option<String> {
        [
            ("device key", needed.device_key.0, self.device_key.0),
            ("producer", needed.producer.0, self.producer.0),
            ("gateway", needed.gateway.0, self.gateway.0),
            ("role", needed.role.0, self.role.0),
        ]
        .into_iter()
        .find(|(_, needed, known)| needed > known)
        .map(|(kind, needed, known)| format!("{kind} {needed}, and the registry has them up to {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_kind_that_was_never_given_out_is_named() {
        let known =
            RegistryMarks { device_key: DeviceKey(4), producer: ProducerId(3), gateway: GatewayId(2), role: RoleId(1) };
        assert_eq!(known.first_unknown(&known), None);
        assert_eq!(known.first_unknown(&RegistryMarks::default()), None);
        for (needed, word) in [
            (RegistryMarks { device_key: DeviceKey(5), ..known }, "device key 5"),
            (RegistryMarks { producer: ProducerId(4), ..known }, "producer 4"),
            (RegistryMarks { gateway: GatewayId(3), ..known }, "gateway 3"),
            (RegistryMarks { role: RoleId(2), ..known }, "role 2"),
        ] {
            let found = known.first_unknown(&needed).unwrap();
            assert!(found.starts_with(word), "{found}");
        }
    }
}
