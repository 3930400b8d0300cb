//! What is known of the readings of one place in one span of time.

use zonelake_schemas::Quality;

use crate::windows::layout::NumberKind;
use crate::windows::moments::Moments;

/// Moments of the values of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Numbers {
    /// Of integers, and of decimals as multiples of their last digit.
    Integer(Moments<i64>),
    /// Of doubles.
    Double(Moments<f64>),
}

/// What is known of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Position of the field in its table.
    pub field: u16,
    /// Values of rows of the quality `uncertain`.
    pub uncertain: u32,
    /// Values of rows of a bad quality.
    pub bad: u32,
    /// Moments of the values of good rows.
    pub numbers: Numbers,
}

/// Rows by their quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts {
    /// Good ones.
    pub good: u64,
    /// Uncertain ones.
    pub uncertain: u64,
    /// Bad ones, of whatever reason.
    pub bad: u64,
}

/// How rows of a quality count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    Good,
    Uncertain,
    Bad,
}

/// All fields of one place in one span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Number of the place.
    pub group: u32,
    /// Its rows.
    pub rows: RowCounts,
    /// Fields that had a value, by position.
    pub cells: Vec<Cell>,
}

impl Worth {
    /// That of a quality by its number; what is no quality is bad.
    pub(super) fn of(quality: u8) -> Self {
        match Quality::from_number(quality) {
            Some(Quality::Good) => Self::Good,
            Some(Quality::Uncertain) => Self::Uncertain,
            _ => Self::Bad,
        }
    }
}

impl RowCounts {
    pub(super) fn note(&mut self, worth: Worth) {
        match worth {
            Worth::Good => self.good += 1,
            Worth::Uncertain => self.uncertain += 1,
            Worth::Bad => self.bad += 1,
        }
    }
}

impl Cell {
    fn new(field: u16, kind: NumberKind) -> Self {
        let numbers = match kind {
            NumberKind::Integer => Numbers::Integer(Moments::default()),
            NumberKind::Double => Numbers::Double(Moments::default()),
        };
        Self { field, uncertain: 0, bad: 0, numbers }
    }

    fn join(&mut self, other: &Self) {
        self.uncertain = self.uncertain.saturating_add(other.uncertain);
        self.bad = self.bad.saturating_add(other.bad);
        match (&mut self.numbers, &other.numbers) {
            (Numbers::Integer(own), Numbers::Integer(others)) => own.join(others),
            (Numbers::Double(own), Numbers::Double(others)) => own.join(others),
            // A field is stored in one way for ever, so that there is no such pair.
            (Numbers::Integer(_), Numbers::Double(_)) | (Numbers::Double(_), Numbers::Integer(_)) => {
                unreachable!("a field has one kind of numbers")
            }
        }
    }
}

impl Bucket {
    /// Nothing of a place yet.
    pub(super) fn new(group: u32) -> Self {
        Self { group, rows: RowCounts::default(), cells: Vec::new() }
    }

    /// The cell of a field, which is made where there is none yet. True beside it where it was made.
    pub(super) fn cell(&mut self, field: u16, kind: NumberKind) -> (&mut Cell, bool) {
        let (at, is_new) = match self.cells.binary_search_by_key(&field, |cell| cell.field) {
            Ok(at) => (at, false),
            Err(at) => {
                // One by one: a place that has all its fields mostly has them from its first row on.
                self.cells.reserve_exact(1);
                self.cells.insert(at, Cell::new(field, kind));
                (at, true)
            }
        };
        (&mut self.cells[at], is_new)
    }

    /// Takes in what another bucket of the same place has.
    pub fn join(&mut self, other: &Self) {
        self.rows.good += other.rows.good;
        self.rows.uncertain += other.rows.uncertain;
        self.rows.bad += other.rows.bad;
        for cell in &other.cells {
            match self.cells.binary_search_by_key(&cell.field, |own| own.field) {
                Ok(at) => self.cells[at].join(cell),
                Err(at) => self.cells.insert(at, *cell),
            }
        }
    }

    /// The cell of a field that had a value.
    pub fn field(&self, field: u16) -> Option<&Cell> {
        self.cells.binary_search_by_key(&field, |cell| cell.field).ok().map(|at| &self.cells[at])
    }

    /// Memory that it takes, with its place in its second.
    pub(super) fn bytes(&self) -> usize {
        BUCKET_BYTES + self.cells.len() * CELL_BYTES
    }
}

/// Memory of a bucket without fields, with its counts and its place in its second.
pub(super) const BUCKET_BYTES: usize = size_of::<Bucket>() + 32;
/// Memory of a field.
pub(super) const CELL_BYTES: usize = size_of::<Cell>();
