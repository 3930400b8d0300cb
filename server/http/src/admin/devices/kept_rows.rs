//! Rows of devices that were rejected while these waited for approval or were retired: stored once the devices are approved, by the
//! mechanism of `rejected`. Only a server that runs has them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use zonelake_schemas::RejectReason;

use super::json::KeptDeviceRows;
use crate::admin::rejected::forms::RejectedSelection;
use crate::admin::rejected::orders::RejectedState;

/// Way to the rejected rows, where a server runs.
#[derive(Debug, Clone)]
pub(in crate::admin) struct KeptRowsOf(pub(in crate::admin) Option<Arc<RejectedState>>);

impl<S: Send + Sync> FromRequestParts<S> for KeptRowsOf {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

impl KeptRowsOf {
    /// Stores the rows of a device, or those of all where none is named, as far as they are acceptable now. The approval is done: what
    /// goes wrong here is told and undoes nothing.
    pub(super) async fn store(self, device: Option<(String, String)>) -> Option<KeptDeviceRows> {
        let state = self.0?;
        let (zone, device) = device.unzip();
        let reasons = vec![RejectReason::UnknownDevice.name().to_owned()];
        let mut selection = RejectedSelection { reasons, zone, device, ..RejectedSelection::default() };
        let mut all = KeptDeviceRows::default();
        loop {
            match Arc::clone(&state).replayed(selection.clone()).await {
                Ok(page) => {
                    all.stored += page.done;
                    all.kept += page.kept.iter().map(|kept| kept.rows).sum::<u64>();
                    selection.after = page.after;
                }
                Err(error) => {
                    all.error = Some(error.message().to_owned());
                    return Some(all);
                }
            }
            if selection.after.is_none() {
                return Some(all);
            }
        }
    }
}
