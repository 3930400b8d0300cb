//! Zones of the rows of a batch: the gateway's own, or another one that a row states and that is granted to the gateway.

use std::sync::Arc;

use zonelake_registry::WritableZone;
use zonelake_schemas::{DeviceKey, RejectReason, ZoneId};

use super::faults::RowFaults;
use crate::batch::BatchContext;

/// Zone of rows, with what a gateway may write there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowZone<'a> {
    pub(crate) id: ZoneId,
    pub(crate) code: &'a str,
    pub(crate) province: &'a str,
    /// Key of the zone as a whole.
    pub(crate) key: DeviceKey,
    pub(crate) auto_register: bool,
    /// What is granted there; `None` where nothing is.
    writable: Option<&'a WritableZone>,
}

impl RowZone<'_> {
    /// True where the gateway may write rows of a device of this name.
    pub(crate) fn allows(&self, device: &str) -> bool {
        self.writable.is_some_and(|zone| zone.allows(device))
    }
}

/// Zone of each row of a batch.
#[derive(Debug)]
pub(crate) struct RowZones {
    /// Zones that the gateway may write rows of the table for.
    granted: Arc<[WritableZone]>,
    own: OwnZone,
    /// Other zones that rows have stated, by their positions among those that are granted.
    others: Vec<usize>,
    /// Zone of each row: 0 is the gateway's own, and those behind it are the others. Empty while all rows are of the first.
    by_row: Vec<u16>,
    /// The last zone whose rows were faulty, and their fault.
    last_refused: Option<(Box<str>, RejectReason)>,
}

/// The gateway's own zone.
#[derive(Debug)]
struct OwnZone {
    id: ZoneId,
    code: Arc<str>,
    province: Arc<str>,
    key: DeviceKey,
    auto_register: bool,
    /// Its position among the zones that are granted.
    position: Option<usize>,
}

impl RowZones {
    /// All rows are of the gateway's own zone, as long as none states another one.
    pub(crate) fn new(context: &BatchContext<'_>) -> Self {
        let gateway = context.gateway;
        let granted = Arc::clone(gateway.rights.zones(&context.table.def.name));
        let own = OwnZone {
            id: gateway.zone,
            code: Arc::clone(&gateway.zone_code),
            province: Arc::clone(&gateway.province),
            key: gateway.zone_key,
            auto_register: gateway.auto_register,
            position: granted.iter().position(|zone| zone.id == gateway.zone),
        };
        Self { granted, own, others: Vec::new(), by_row: Vec::new(), last_refused: None }
    }

    /// The zone of a row.
    pub(crate) fn of(&self, row: usize) -> RowZone<'_> {
        self.zone(usize::from(self.by_row.get(row).copied().unwrap_or_default()))
    }

    fn zone(&self, number: usize) -> RowZone<'_> {
        let Some(other) = number.checked_sub(1) else {
            let own = &self.own;
            return RowZone {
                id: own.id,
                code: &own.code,
                province: &own.province,
                key: own.key,
                auto_register: own.auto_register,
                writable: own.position.map(|position| &self.granted[position]),
            };
        };
        let zone = &self.granted[self.others[other]];
        RowZone {
            id: zone.id,
            code: &zone.code,
            province: &zone.province,
            key: zone.key,
            auto_register: zone.auto_register,
            writable: Some(zone),
        }
    }

    /// True where all rows are of one zone, the gateway's own.
    pub(crate) fn are_all_own(&self) -> bool {
        self.others.is_empty()
    }

    /// Zones of the batch, each with its rows, of which there are `rows`.
    pub(crate) fn groups(&self, rows: usize) -> Vec<(RowZone<'_>, Vec<usize>)> {
        let mut groups: Vec<_> = (0..=self.others.len()).map(|number| (self.zone(number), Vec::new())).collect();
        for row in 0..rows {
            groups[usize::from(self.by_row.get(row).copied().unwrap_or_default())].1.push(row);
        }
        groups
    }

    /// Takes the zone that a row states, and gives the fault where nothing is granted there or there is no such zone.
    pub(crate) fn state_zone(
        &mut self,
        row: usize,
        stated: Option<&str>,
        context: &BatchContext<'_>,
    ) -> Option<RejectReason> {
        let stated = stated.filter(|stated| !stated.is_empty() && **stated != *self.own.code);
        let Some(stated) = stated else { return self.own_fault() };
        let is_stated = |position: &usize| &*self.granted[*position].code == stated;
        let number = match self.others.iter().position(is_stated) {
            Some(known) => known + 1,
            None => {
                let Some(position) = (0..self.granted.len()).find(is_stated) else {
                    return Some(self.refused_zone(stated, context));
                };
                self.others.push(position);
                self.others.len()
            }
        };
        self.by_row.resize(row + 1, 0);
        self.by_row[row] = u16::try_from(number).expect("a gateway has fewer grants than 65,536");
        None
    }

    /// The fault of rows of a zone that is not granted, or that there is not.
    fn refused_zone(&mut self, stated: &str, context: &BatchContext<'_>) -> RejectReason {
        // Rows of one zone often stand together.
        if let Some((zone, reason)) = &self.last_refused
            && **zone == *stated
        {
            return *reason;
        }
        let is_known = context.registry.zone_by_code(stated).is_some();
        let reason = if is_known { RejectReason::NoRight } else { RejectReason::WrongPlace };
        self.last_refused = Some((stated.into(), reason));
        reason
    }

    /// The fault of rows that state no zone.
    pub(crate) fn own_fault(&self) -> Option<RejectReason> {
        self.own.position.is_none().then_some(RejectReason::NoRight)
    }

    /// The fault of a row that states this province.
    pub(crate) fn province_fault(&self, row: usize, stated: Option<&str>) -> Option<RejectReason> {
        let stated = stated.filter(|stated| !stated.is_empty())?;
        (stated != self.of(row).province).then_some(RejectReason::WrongPlace)
    }

    /// Notes the rows before the earliest time of their zone, which retention may have set. When they were read they were held to
    /// the earliest one of all zones.
    pub(crate) fn check_times(&self, times_us: &[i64], context: &BatchContext<'_>, faults: &mut RowFaults) {
        if context.has_one_earliest() {
            return;
        }
        for (row, &time_us) in times_us.iter().enumerate() {
            if time_us < context.earliest_us_of(self.of(row).code) {
                faults.set(row, times_us.len(), RejectReason::PastTime);
            }
        }
    }
}
