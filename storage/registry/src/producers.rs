//! Producers: each numbers its own batches, and is known by its name within its gateway.

use std::sync::PoisonError;

use zonelake_schemas::{GatewayId, ProducerId};

use crate::error::RegistryError;
use crate::index::producers::ProducerName;
use crate::names::check_name;
use crate::registration::waiting::Registration;
use crate::registry::Registry;

impl Registry {
    /// The id of a gateway's producer, from memory where it has one; a new producer gets one, durably.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that no producer may have, [`RegistryError::Unknown`] for an unknown gateway,
    /// [`RegistryError::Limit`], and errors of the file.
    pub fn producer(&self, gateway: GatewayId, name: &str) -> Result<ProducerId, RegistryError> {
        check_name("producer", name)?;
        // The usual case: a producer comes back.
        if let Some(id) = self.known_producer(gateway, name) {
            return Ok(id);
        }
        self.register(Registration::Producer { gateway, name: name.to_owned() })?;
        self.known_producer(gateway, name)
            .ok_or_else(|| self.damaged(format!("producer {name} of gateway {gateway} is gone after it was written")))
    }

    /// Gateway and name of the producer with this id.
    pub fn producer_name(&self, id: ProducerId) -> Option<ProducerName> {
        self.producers.read().unwrap_or_else(PoisonError::into_inner).name(id).cloned()
    }

    fn known_producer(&self, gateway: GatewayId, name: &str) -> Option<ProducerId> {
        self.producers.read().unwrap_or_else(PoisonError::into_inner).id(gateway, name)
    }
}
