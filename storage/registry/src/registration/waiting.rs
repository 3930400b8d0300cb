//! Registrations of devices and producers that wait for the file.

use std::sync::{Arc, Mutex};

use zonelake_schemas::{GatewayId, ZoneId};

use crate::error::RegistryError;

/// The names that one call wants registered.
#[derive(Debug)]
pub(crate) enum Registration {
    Devices {
        zone: ZoneId,
        names: Vec<String>,
    },
    /// Devices that wait for approval, by the name of the gateway that sent them.
    Announced {
        gateway: String,
        zone: ZoneId,
        names: Vec<String>,
    },
    Producer {
        gateway: GatewayId,
        name: String,
    },
}

/// A registration that waits for the writer.
#[derive(Debug)]
pub(crate) struct PendingRegistration {
    pub(crate) registration: Registration,
    /// Set by the call whose transaction has written this registration.
    pub(crate) outcome: Mutex<Option<Result<(), RegistryError>>>,
}

/// All registrations that wait for the writer, in the order of their arrival. Each is a call that blocks, so that there
/// are at most as many as threads.
pub(crate) type PendingRegistrations = Mutex<Vec<Arc<PendingRegistration>>>;
