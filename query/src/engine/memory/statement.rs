//! The memory of one statement. Operators that can write to the disk (sorts, aggregates) share most of it evenly; the
//! rest is for those that cannot, as the merge that reads back what a sort has written. Each of these has at most half of
//! what is free to it, since some take as much as they are given: the next always finds something. Under DataFusion's
//! own pools a sort that needs the disk takes all and then fails in its merge.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result, resources_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Memory pool of one statement, with a bound.
#[derive(Debug)]
pub(crate) struct StatementMemory {
    bytes_max: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    spilling_consumers: usize,
    spillable: usize,
    unspillable: usize,
}

impl StatementMemory {
    /// Pool of so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn of(&mut self, consumer: &MemoryConsumer) -> &mut usize {
        if consumer.can_spill() { &mut self.spillable } else { &mut self.unspillable }
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement({} bytes)", self.bytes_max)
    }
}

impl MemoryPool for StatementMemory {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.used().spilling_consumers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.used().spilling_consumers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.used().of(reservation.consumer()) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.used().of(reservation.consumer()) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        // One lock over the check and the change: two operators together must not pass the bound.
        let mut used = self.used();
        let free = self.bytes_max.saturating_sub(used.spillable + used.unspillable);
        let share = if consumer.can_spill() {
            self.bytes_max / 5 * SPILLABLE_FIFTHS / used.spilling_consumers.max(1)
        } else {
            (free + reservation.size()) / 2
        };
        let possible = share.saturating_sub(reservation.size()).min(free);
        if additional > possible {
            return Err(resources_datafusion_err!(
                "{} has {} bytes and needs {additional} more, of which {possible} are possible",
                consumer.name(),
                reservation.size()
            ));
        }
        *used.of(consumer) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let used = self.used();
        used.spillable + used.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max)
    }
}

/// Part of the memory that is for operators that can write to the disk.
const SPILLABLE_FIFTHS: usize = 3;
