//! The devices of a table that rules look at, and their machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_alerts::{Cause, Machine, Sample, Seed, State, Transition};
use zonelake_schemas::{DeviceKey, Location, Locations};

use crate::active_rule::ActiveRule;
use crate::found::{Found, RuleWords};

/// Machines that all tables may have together. Each takes 200 bytes, and 1.3 KiB more for each mean or rate.
pub(crate) const MACHINES_MAX: usize = 1_000_000;

/// Rules of a table, with the devices that they look at.
#[derive(Debug)]
pub(crate) struct Watched {
    rules: Vec<RuleOverFields>,
    /// Fields that any rule reads, by position in the table.
    fields: Vec<usize>,
    /// Rules that name no devices, or beginnings of them.
    of_any_name: Vec<usize>,
    /// Rules that name devices, by these names.
    by_name: BTreeMap<Arc<str>, Vec<usize>>,
    /// What is known of each key, so that a row of a device that no rule looks at costs one look at this.
    by_key: Vec<Known>,
    devices: Vec<WatchedDevice>,
    by_place: BTreeMap<(Arc<str>, Arc<str>), usize>,
    machines: usize,
    machines_max: usize,
    refused: usize,
}

#[derive(Debug)]
struct RuleOverFields {
    rule: ActiveRule,
    words: Arc<RuleWords>,
    /// For each condition, the place of its field among [`Watched::fields`].
    columns: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    NotYet,
    /// No rule looks at it.
    Nothing,
    Device(u32),
}

/// A device in its zone, wherever it stands there.
#[derive(Debug)]
struct WatchedDevice {
    key: DeviceKey,
    machines: Vec<(usize, Machine)>,
}

/// The last transition of a rule over a device, from the table `alerts`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredState {
    pub(crate) words: RuleWords,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) device: Option<Arc<str>>,
    pub(crate) seed: Seed,
}

impl StoredState {
    /// The device as it is now, or its zone.
    pub(crate) fn key(&self, keys: &PlaceKeys) -> Option<DeviceKey> {
        let place = (self.zone.clone()?, self.device.clone()?);
        keys.get(&place).copied().filter(|key| key.0 > 0)
    }

    /// The transition that ends it.
    pub(crate) fn stopped(&self, device: DeviceKey, now_us: i64, cause: Cause) -> Found {
        let seed = &self.seed;
        let transition = Transition {
            at_us: seed.at_us.max(now_us),
            from: seed.state,
            to: State::Stopped,
            since_us: now_us,
            seen_us: seed.seen_us,
            value: None,
            number: seed.number + 1,
            cause,
        };
        Found { rule: Arc::new(self.words.clone()), device, transition }
    }
}

/// Keys of devices by zone and name.
pub(crate) type PlaceKeys = BTreeMap<(Arc<str>, Arc<str>), DeviceKey>;

/// A row of a device, with the values of [`Watched::fields`].
pub(crate) struct DeviceRow<'a> {
    pub(crate) time_us: i64,
    pub(crate) ingested_at_us: i64,
    pub(crate) is_backfill: bool,
    pub(crate) value: &'a dyn Fn(usize) -> Option<f64>,
}

impl Watched {
    pub(crate) fn new(rules: Vec<ActiveRule>, machines_max: usize) -> Self {
        let mut fields: Vec<usize> =
            rules.iter().flat_map(|rule| &rule.compiled.conditions).map(|of| of.field).collect();
        fields.sort_unstable();
        fields.dedup();
        let mut of_any_name = Vec::new();
        let mut by_name: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (number, rule) in rules.iter().enumerate() {
            let names = &rule.def.scope.devices;
            if names.is_empty() || names.iter().any(|name| name.ends_with('*')) {
                of_any_name.push(number);
            } else {
                names.iter().for_each(|name| by_name.entry(name.as_str().into()).or_default().push(number));
            }
        }
        let over_fields = |rule: ActiveRule| RuleOverFields {
            words: Arc::new(RuleWords::of(&rule.def, rule.stored.version, &rule.stored.author)),
            columns: rule
                .compiled
                .conditions
                .iter()
                .map(|of| fields.binary_search(&of.field).expect("it was gathered from them"))
                .collect(),
            rule,
        };
        let rules = rules.into_iter().map(over_fields).collect();
        Self {
            rules,
            of_any_name,
            by_name,
            by_key: Vec::new(),
            devices: Vec::new(),
            by_place: BTreeMap::new(),
            machines: 0,
            machines_max,
            refused: 0,
            fields,
        }
    }

    /// Rules that are looked at.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &ActiveRule> {
        self.rules.iter().map(|of| &of.rule)
    }

    /// Fields that any rule reads, by position in the table.
    pub(crate) fn fields(&self) -> &[usize] {
        &self.fields
    }

    /// Machines that are kept, and those that would be too many.
    pub(crate) fn machines(&self) -> (usize, usize) {
        (self.machines, self.refused)
    }

    /// Goes on from what the table `alerts` has. A state that another version of a rule has left is told to have ended. Gives back the states that no
    /// rule goes on from.
    pub(crate) fn restore(
        &mut self,
        states: Vec<StoredState>,
        locations: &Locations,
        now_us: i64,
        found: &mut Vec<Found>,
    ) -> Vec<StoredState> {
        let keys = current_keys(locations, &states);
        let mut left = Vec::new();
        for state in states {
            let place = state.zone.clone().zip(state.device.clone());
            let device = place.and_then(|place| keys.get(&place)).and_then(|&key| self.device_of(key, locations));
            let rules = &self.rules;
            let machine = device.and_then(|device| {
                let machines = &mut self.devices[device].machines;
                machines.iter_mut().find(|(rule, _)| rules[*rule].words.name == state.words.name)
            });
            let Some((rule, machine)) = machine else {
                left.push(state);
                continue;
            };
            let RuleOverFields { rule, words, .. } = &rules[*rule];
            if state.words.version == words.version && state.seed.state != State::Stopped {
                *machine = Machine::restored(&rule.compiled, &state.seed);
                continue;
            }
            let settled_us = rule.stored.changed_us.max(state.seed.at_us);
            *machine = Machine::succeeding(&rule.compiled, &state.seed, settled_us);
            if !matches!(state.seed.state, State::Normal | State::Stopped)
                && let Some(key) = state.key(&keys)
            {
                let ended = state.stopped(key, now_us, Cause::RuleChanged);
                let after = Seed { number: ended.transition.number, at_us: ended.transition.at_us, ..state.seed };
                *machine = Machine::succeeding(&rule.compiled, &after, settled_us);
                found.push(ended);
            }
        }
        left
    }

    /// The device of a key, where any rule looks at it.
    pub(crate) fn device_of(&mut self, key: DeviceKey, locations: &Locations) -> Option<usize> {
        let at = key.0 as usize;
        if self.by_key.len() <= at {
            self.by_key.resize(at.max(locations.len()) + 1, Known::NotYet);
        }
        if self.by_key[at] == Known::NotYet {
            self.by_key[at] = match locations.get(key).and_then(|place| self.watch(key, place)) {
                Some(device) => Known::Device(u32::try_from(device).expect("keys of devices are of 32 bits")),
                None => Known::Nothing,
            };
        }
        match self.by_key[at] {
            Known::Device(device) => Some(device as usize),
            _ => None,
        }
    }

    /// Takes a row of a device in.
    pub(crate) fn take(&mut self, device: usize, row: &DeviceRow<'_>, found: &mut Vec<Found>) {
        let WatchedDevice { key, machines } = &mut self.devices[device];
        let lateness_us = row.ingested_at_us.saturating_sub(row.time_us);
        let mut out = Vec::new();
        let mut values = [None; CONDITIONS_MAX];
        for (rule, machine) in machines {
            let RuleOverFields { rule, words, columns } = &self.rules[*rule];
            for (value, column) in values.iter_mut().zip(columns) {
                *value = (row.value)(*column);
            }
            let sample = Sample {
                time_us: row.time_us,
                is_in_time: !row.is_backfill && lateness_us <= rule.compiled.horizon_us,
                values: &values[..columns.len()],
            };
            machine.handle_sample(&rule.compiled, &sample, &mut out);
            note(found, words, *key, &mut out);
        }
    }

    /// Looks at the clock.
    pub(crate) fn handle_clock(&mut self, now_us: i64, found: &mut Vec<Found>) {
        if self.rules.iter().all(|of| of.rule.compiled.no_data_us.is_none()) {
            return;
        }
        let mut out = Vec::new();
        for WatchedDevice { key, machines } in &mut self.devices {
            for (rule, machine) in machines {
                let RuleOverFields { rule, words, .. } = &self.rules[*rule];
                machine.handle_clock(&rule.compiled, now_us, &mut out);
                note(found, words, *key, &mut out);
            }
        }
    }

    /// Begins to look at a device, with all rules that do.
    fn watch(&mut self, key: DeviceKey, place: &Location) -> Option<usize> {
        let (zone, name) = (place.zone.clone()?, place.device.clone()?);
        if let Some(&known) = self.by_place.get(&(Arc::clone(&zone), Arc::clone(&name))) {
            // It has moved within its zone.
            self.devices[known].key = key;
            return Some(known);
        }
        let named = self.by_name.get(&name).into_iter().flatten();
        let looks = |rule: &&usize| {
            let rule = &self.rules[**rule].rule;
            rule.sight.has(place) && rule.def.scope.has(place.province.as_deref(), Some(&zone), &name)
        };
        let wanted: Vec<usize> = self.of_any_name.iter().chain(named).filter(looks).copied().collect();
        let room = self.machines_max - self.machines;
        self.refused += wanted.len().saturating_sub(room);
        let machines: Vec<(usize, Machine)> = wanted
            .into_iter()
            .take(room)
            .map(|rule| {
                let of = &self.rules[rule].rule;
                (rule, Machine::new(&of.compiled, of.stored.changed_us))
            })
            .collect();
        if machines.is_empty() {
            return None;
        }
        self.machines += machines.len();
        self.devices.push(WatchedDevice { key, machines });
        self.by_place.insert((zone, name), self.devices.len() - 1);
        Some(self.devices.len() - 1)
    }
}

fn note(found: &mut Vec<Found>, words: &Arc<RuleWords>, device: DeviceKey, out: &mut Vec<Transition>) {
    found.extend(out.drain(..).map(|transition| Found { rule: Arc::clone(words), device, transition }));
}

/// The greatest key of each device that these states are about: the one where it is now.
pub(crate) fn current_keys(locations: &Locations, states: &[StoredState]) -> PlaceKeys {
    let mut keys = PlaceKeys::new();
    for state in states {
        if let Some(place) = state.zone.clone().zip(state.device.clone()) {
            keys.insert(place, DeviceKey(0));
        }
    }
    for (key, at) in locations.iter() {
        if let Some(known) = at.zone.clone().zip(at.device.clone()).and_then(|place| keys.get_mut(&place)) {
            *known = key;
        }
    }
    keys
}

/// Conditions of a rule; its declaration has no more.
const CONDITIONS_MAX: usize = 4;
