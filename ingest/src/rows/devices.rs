//! Device names to registry keys: each name is looked up once per stream, unknown ones are registered in one durable
//! step per batch, before anything of the batch goes into the WAL.

use std::collections::HashMap;

use arrow::buffer::NullBuffer;
use tokio::runtime::{Handle, RuntimeFlavor};
use zonelake_registry::{NAME_BYTES_MAX, device_name_is_valid};
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{DeviceKey, RejectReason, ZoneId};

use super::faults::RowFaults;
use crate::batch::BatchContext;
use crate::refusal::Refusal;

/// Keys of the names in a list that only grows, by position; resolved when a row first needs them.
#[derive(Debug, Default)]
pub(crate) struct DeviceSlots {
    keys: Vec<u32>,
    zone: ZoneId,
    /// Moves of devices that the registry had seen when the keys were looked up; they hold as long as this number does.
    moves: u64,
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
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        // Before any name is looked up or registered.
        rows.check_devices(context.limits.batch_devices_max)?;
        self.refresh(rows.values, context);
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
        let resolved = self.resolve(&unseen, name, context);
        let keys = rows.indices.iter().enumerate().map(|(row, &index)| {
            let key = if is_null(row) { BAD } else { self.keys[at(index)] };
            match key {
                BAD => faults.set(row, rows.indices.len(), RejectReason::BadDevice),
                UNKNOWN => faults.set(row, rows.indices.len(), RejectReason::UnknownDevice),
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

    fn refresh(&mut self, values: usize, context: &BatchContext<'_>) {
        let moves = context.registry.device_moves();
        // A device that moves gets a new key, so that the keys of before are void for rows from now on.
        if moves != self.moves || self.zone != context.gateway.zone {
            (self.moves, self.zone) = (moves, context.gateway.zone);
            self.keys.clear();
        }
        if self.keys.len() < values {
            self.keys.resize(values, UNSEEN);
        }
    }

    fn resolve<'n>(
        &mut self,
        unseen: &[usize],
        name: impl Fn(usize) -> Option<&'n str>,
        context: &BatchContext<'_>,
    ) -> Result<(), Refusal> {
        let zone = context.gateway.zone;
        let mut unknown: HashMap<&str, Vec<usize>> = HashMap::new();
        for &index in unseen {
            match name(index).filter(|name| device_name_is_valid(name)) {
                None => self.keys[index] = BAD,
                Some(name) => match context.registry.device(zone, name) {
                    Some(key) => self.keys[index] = key.0,
                    None => unknown.entry(name).or_default().push(index),
                },
            }
        }
        if unknown.is_empty() || !context.gateway.auto_register {
            return Ok(());
        }
        let (names, positions): (Vec<&str>, Vec<Vec<usize>>) = unknown.into_iter().unzip();
        let per_hour_max = context.limits.new_devices_per_hour_max;
        let register = || context.registry.register_devices_of(context.gateway, &names, per_hour_max);
        let keys = run_blocking(register).map_err(|error| {
            let what = format!("{} new devices", names.len());
            Refusal::not_registered(what, &error, RefusedCode::Internal)
        })?;
        for (DeviceKey(key), positions) in keys.into_iter().zip(positions) {
            for index in positions {
                self.keys[index] = key;
            }
        }
        Ok(())
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
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        let names = &self.names;
        let rows = NamedRows { indices, nulls, values: names.len() };
        self.slots.keys(&rows, |index| names.get(index).map(|name| &**name), context, faults)
    }
}

fn at(index: i32) -> usize {
    index.cast_unsigned() as usize
}

fn is_key(key: u32) -> bool {
    // One comparison for both ends: 0 wraps to the largest number.
    key.wrapping_sub(1) < UNKNOWN - 1
}

/// A name that no row has needed yet.
const UNSEEN: u32 = 0;
/// A name that no device can have.
const BAD: u32 = u32::MAX;
/// A name that the registry does not know.
const UNKNOWN: u32 = u32::MAX - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_registry_gives_out_is_a_key() {
        assert!(is_key(1) && is_key(UNKNOWN - 1));
        assert!(!is_key(UNSEEN) && !is_key(BAD) && !is_key(UNKNOWN));
    }
}
