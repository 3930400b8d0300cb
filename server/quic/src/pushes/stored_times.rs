//! Which of the rows of a push a table may have already, by device and time. The ledger knows files; a file that it has forgotten, that was cut differently, or
//! whose rows came by another way is known by this alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use futures::future::BoxFuture;
use zonelake_ingest::Refusal;
use zonelake_registry::{Gateway, device_name_is_valid};
use zonelake_schemas::wire::control::{PushTimes, RefusedCode};
use zonelake_storage::Table;

/// Times of devices that a table is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTimes {
    /// Name of the table.
    pub table: String,
    /// Codes of the zones whose rows count.
    pub zones: Vec<String>,
    /// Fields of which a row must have one; none: any row counts.
    pub fields: Vec<String>,
    /// Microseconds since 1970, UTC, of each device.
    pub devices: BTreeMap<String, BTreeSet<i64>>,
}

/// Whatever can read the rows of tables.
pub trait StoredTimes: Debug + Send + Sync {
    /// Number of the times that the table has rows of; an error in words where it cannot be counted now.
    fn count(&self, asked: AskedTimes) -> BoxFuture<'_, Result<u64, String>>;
}

impl AskedTimes {
    /// What a frame asks about a table; `None` where it asks nothing, or where rows of one device and time are one row anyway.
    pub(crate) fn of(
        times: &[PushTimes],
        fields: &[String],
        gateway: &Gateway,
        table: &Table,
    ) -> Result<Option<Self>, Refusal> {
        let def = &table.registered.def;
        if times.is_empty() || !def.on_repeat.keeps_all() {
            return Ok(None);
        }
        let mut devices: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        let made = times.iter().flat_map(|of_device| &of_device.repeats).map(|repeats| u64::from(*repeats));
        if made.sum::<u64>() > TIMES_MAX {
            return Err(Refusal::new(RefusedCode::Protocol, format!("times: {TIMES_MAX} at most")));
        }
        for PushTimes { device, steps_us, repeats } in times {
            if !device_name_is_valid(device) {
                let what = "times: a device has 1 to 128 bytes of UTF-8 without control characters";
                return Err(Refusal::new(RefusedCode::Protocol, what.to_owned()));
            }
            let steps = steps_us.iter().zip(repeats).flat_map(|(step, repeats)| (0..*repeats).map(move |_| *step));
            let ascending = steps.scan(0_i64, |at, step| {
                *at = at.saturating_add(step);
                Some(*at)
            });
            devices.entry(device.clone()).or_default().extend(ascending);
        }
        devices.retain(|_, times| !times.is_empty());
        let is_field = |name: &&String| def.fields.iter().any(|field| field.name == **name);
        Ok(Some(Self {
            table: table.name().to_owned(),
            zones: gateway.rights.zones(table.name()).iter().map(|zone| zone.code.to_string()).collect(),
            fields: fields.iter().filter(is_field).cloned().collect(),
            devices,
        }))
    }
}

/// Times of a question.
const TIMES_MAX: u64 = 65_536;
