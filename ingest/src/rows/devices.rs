//! Device names to registry keys: each name is looked up once per stream, unknown ones are registered in one durable
//! step per batch, before anything of the batch goes into the WAL.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::buffer::NullBuffer;
use tokio::runtime::{Handle, RuntimeFlavor};
use zonelake_registry::{NAME_BYTES_MAX, RegistryError, WritableDevice, WriteRights, device_name_is_valid};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{DeviceKey, RejectReason, ZoneId};

use super::faults::RowFaults;
use super::zones::{RowZone, RowZones};
use crate::batch::BatchContext;
use crate::refusal::Refusal;

/// Keys of the names in a list that only grows, by position; resolved when a row first needs them. A name may be that of a device
/// of each zone.
#[derive(Debug, Default)]
pub(crate) struct DeviceSlots {
    own: ZoneSlots,
    /// Keys in other zones than the gateway's own.
    others: BTreeMap<ZoneId, ZoneSlots>,
}

/// Keys of names in one zone.
#[derive(Debug, Default)]
struct ZoneSlots {
    keys: Vec<u32>,
    zone: ZoneId,
    /// Moves of devices that the registry had seen when the keys were looked up; they hold as long as this number does.
    moves: u64,
    /// Rights under which the names were looked up; the keys hold as long as these do.
    rights: Arc<WriteRights>,
}

/// Positions of the names of a batch's rows in the list.
pub(crate) struct NamedRows<'a> {
    /// Position of each row's name; of a null row, anything.
    pub(crate) indices: &'a [i32],
    /// Rows without a name.
    pub(crate) nulls: Option<&'a NullBuffer>,
    /// Names in the list.
    pub(crate) values: usize,
}

impl DeviceSlots {
    /// The key of each row's device; 0 in rows that are faulty, before or now. Names of faulty rows are not registered.
    pub(crate) fn keys<'n>(
        &mut self,
        rows: &NamedRows<'_>,
        name: impl Fn(usize) -> Option<&'n str>,
        zones: &RowZones,
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        // Before any name is looked up or registered.
        rows.check_devices(context.limits.batch_devices_max)?;
        if zones.are_all_own() {
            return self.own.keys(rows, &name, &zones.of(0), context, faults);
        }
        let mut keys = vec![0; rows.indices.len()];
        for (zone, members) in zones.groups(rows.indices.len()) {
            let slots =
                if zone.id == context.gateway.zone { &mut self.own } else { self.others.entry(zone.id).or_default() };
            let indices: Vec<i32> = members.iter().map(|&row| rows.indices[row]).collect();
            let nulls: Option<NullBuffer> =
                rows.nulls.map(|nulls| members.iter().map(|&row| nulls.is_valid(row)).collect());
            let mut of_group = RowFaults::default();
            for (at, &row) in members.iter().enumerate() {
                if let Some(reason) = faults.get(row) {
                    of_group.set(at, members.len(), reason);
                }
            }
            let group = NamedRows { indices: &indices, nulls: nulls.as_ref(), values: rows.values };
            let found = slots.keys(&group, &name, &zone, context, &mut of_group)?;
            of_group.iter().for_each(|(at, reason)| faults.set(members[at], keys.len(), reason));
            members.iter().zip(found).for_each(|(&row, key)| keys[row] = key);
        }
        Ok(keys)
    }
}

impl ZoneSlots {
    /// The key of each row's device in a zone.
    fn keys<'n>(
        &mut self,
        rows: &NamedRows<'_>,
        name: &impl Fn(usize) -> Option<&'n str>,
        zone: &RowZone<'_>,
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        self.refresh(rows.values, zone.id, context);
        // Most batches name devices that are all known: one pass without a branch finds that.
        if rows.nulls.is_none() {
            let keys: Vec<u32> = rows.indices.iter().map(|&index| self.keys[at(index)]).collect();
            if keys.iter().fold(true, |all, &key| all & is_key(key)) {
                return Ok(keys);
            }
        }
        let is_null = |row: usize| rows.nulls.is_some_and(|nulls| nulls.is_null(row));
        let mut unseen = Vec::new();
        for (row, &index) in rows.indices.iter().enumerate() {
            if !is_null(row) && faults.get(row).is_none() && self.keys[at(index)] == UNSEEN {
                // Marked at once, so that a name of many rows is looked up once.
                self.keys[at(index)] = UNKNOWN;
                unseen.push(at(index));
            }
        }
        let resolved = self.resolve(&unseen, name, zone, context);
        let keys = rows.indices.iter().enumerate().map(|(row, &index)| {
            let key = if is_null(row) { BAD } else { self.keys[at(index)] };
            match key {
                BAD => faults.set(row, rows.indices.len(), RejectReason::BadDevice),
                UNKNOWN => faults.set(row, rows.indices.len(), RejectReason::UnknownDevice),
                NOT_GRANTED => faults.set(row, rows.indices.len(), RejectReason::NoRight),
                _ => {}
            }
            if is_key(key) { key } else { 0 }
        });
        let keys = keys.collect();
        // An unknown device may be registered by the next batch.
        for index in unseen {
            if self.keys[index] == UNKNOWN {
                self.keys[index] = UNSEEN;
            }
        }
        resolved.map(|()| keys)
    }

    fn refresh(&mut self, values: usize, zone: ZoneId, context: &BatchContext<'_>) {
        let moves = context.registry.device_moves();
        let rights = &context.gateway.rights;
        // A device that moves gets a new key, so that the keys of before are void for rows from now on; and so they are under other
        // rights.
        if moves != self.moves || self.zone != zone || !Arc::ptr_eq(rights, &self.rights) {
            (self.moves, self.zone) = (moves, zone);
            self.rights = Arc::clone(rights);
            self.keys.clear();
        }
        if self.keys.len() < values {
            self.keys.resize(values, UNSEEN);
        }
    }

    fn resolve<'n>(
        &mut self,
        unseen: &[usize],
        name: &impl Fn(usize) -> Option<&'n str>,
        zone: &RowZone<'_>,
        context: &BatchContext<'_>,
    ) -> Result<(), Refusal> {
        let mut unknown: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in unseen {
            match name(index).filter(|name| device_name_is_valid(name)) {
                None => self.keys[index] = BAD,
                // Judged once for a name: a row costs no more than before.
                Some(name) if !zone.allows(name) => self.keys[index] = NOT_GRANTED,
                Some(name) => match context.registry.writable_device(zone.id, name) {
                    WritableDevice::Key(key) => self.keys[index] = key.0,
                    // Its rows are rejected with their content, as those of a device that nobody knows.
                    WritableDevice::Retired => {}
                    WritableDevice::Waiting if !zone.auto_register => {}
                    WritableDevice::Waiting | WritableDevice::Unknown => unknown.entry(name).or_default().push(index),
                },
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let (names, positions): (Vec<&str>, Vec<Vec<usize>>) = unknown.into_iter().unzip();
        let per_hour_max = context.limits.new_devices_per_hour_max;
        if !zone.auto_register {
            return announce(&names, zone, context);
        }
        let register = || context.registry.register_devices_of(context.gateway, zone.id, &names, per_hour_max);
        let keys = match run_blocking(register) {
            Ok(keys) => keys,
            // Their rows are rejected, with their content: one new name must not hold up what is known.
            Err(RegistryError::Limit { .. }) => return Ok(()),
            Err(error) => {
                let what = format!("{} new devices", names.len());
                return Err(Refusal::not_registered(what, &error, RefusedCode::Internal));
            }
        };
        for (DeviceKey(key), positions) in keys.into_iter().zip(positions) {
            for index in positions {
                self.keys[index] = key;
            }
        }
        Ok(())
    }
}

/// Notes devices that wait for approval. Their rows are rejected, with their content, until somebody approves them.
fn announce(names: &[&str], zone: &RowZone<'_>, context: &BatchContext<'_>) -> Result<(), Refusal> {
    let per_hour_max = context.limits.new_devices_per_hour_max;
    let announced =
        run_blocking(|| context.registry.announce_devices_of(context.gateway, zone.id, names, per_hour_max));
    match announced {
        // Not noted, and rejected like the others.
        Ok(()) | Err(RegistryError::Limit { .. }) => Ok(()),
        Err(error) => {
            let what = format!("{} devices that wait for approval", names.len());
            Err(Refusal::not_registered(what, &error, RefusedCode::Internal))
        }
    }
}

/// Runs what waits for the disk. On a runtime of several threads the other tasks of this thread are moved elsewhere; on
/// one of a single thread, and outside of any, there is nothing to move.
fn run_blocking<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

impl NamedRows<'_> {
    /// Refuses rows of more devices than a batch may have. They are counted only where the list has more names.
    fn check_devices(&self, devices_max: usize) -> Result<(), Refusal> {
        if self.values <= devices_max {
            return Ok(());
        }
        let mut is_met = vec![false; self.values];
        self.indices.iter().for_each(|&index| is_met[at(index)] = true);
        let devices = is_met.iter().filter(|&&is_met| is_met).count();
        if devices <= devices_max {
            return Ok(());
        }
        Err(Refusal::new(
            RefusedCode::TooLarge,
            format!("the batch has rows of {devices} devices; {devices_max} are allowed: send smaller batches"),
        ))
    }
}

/// Names of rows that come without a dictionary, indexed as they come.
#[derive(Debug, Default)]
pub(crate) struct DeviceNames {
    indices: HashMap<Box<str>, i32>,
    names: Vec<Box<str>>,
    slots: DeviceSlots,
}

impl DeviceNames {
    /// Forgets all names when there are `values_max` or more. Indices given out before are void then.
    pub(crate) fn trim(&mut self, values_max: usize) {
        if self.names.len() >= values_max {
            *self = Self::default();
        }
    }

    /// The index of a name. All that are too long for a device count as one, so that they fill no memory.
    pub(crate) fn index(&mut self, name: &str) -> i32 {
        let name = if name.len() > NAME_BYTES_MAX { "" } else { name };
        if let Some(&index) = self.indices.get(name) {
            return index;
        }
        let index = i32::try_from(self.names.len()).expect("a batch has fewer rows than 2^31");
        self.names.push(name.into());
        self.indices.insert(name.into(), index);
        index
    }

    /// The key of each row's device; see [`DeviceSlots::keys`].
    pub(crate) fn keys(
        &mut self,
        indices: &[i32],
        nulls: Option<&NullBuffer>,
        zones: &RowZones,
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        let names = &self.names;
        let rows = NamedRows { indices, nulls, values: names.len() };
        self.slots.keys(&rows, |index| names.get(index).map(|name| &**name), zones, context, faults)
    }
}

fn at(index: i32) -> usize {
    index.cast_unsigned() as usize
}

fn is_key(key: u32) -> bool {
    // One comparison for both ends: 0 wraps to the largest number.
    key.wrapping_sub(1) < NOT_GRANTED - 1
}

/// A name that no row has needed yet.
const UNSEEN: u32 = 0;
/// A name that no device can have.
const BAD: u32 = u32::MAX;
/// A name that the registry does not know.
const UNKNOWN: u32 = u32::MAX - 1;
/// A name of a device that the gateway may not write.
const NOT_GRANTED: u32 = u32::MAX - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_registry_gives_out_is_a_key() {
        assert!(is_key(1) && is_key(NOT_GRANTED - 1));
        assert!(!is_key(UNSEEN) && !is_key(BAD) && !is_key(UNKNOWN) && !is_key(NOT_GRANTED));
    }
}
