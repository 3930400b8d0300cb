//! A rule over the fields of its table, ready to be asked.

use zonelake_schemas::{FieldKind, TableDef};

use crate::rule::{ConditionDef, Measure, RuleDef, RuleFault};

/// A rule with its times in microseconds and its fields by position.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledRule {
    /// How long all conditions hold before it fires.
    pub hold_us: i64,
    /// How long one does not before it is normal again.
    pub recover_us: i64,
    /// Time without a good value after which its state is no-data.
    pub no_data_us: Option<i64>,
    /// Rows that are received later than that after their time change no state.
    pub horizon_us: i64,
    /// What has to hold.
    pub conditions: Vec<CompiledCondition>,
}

/// A condition with its field by position.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledCondition {
    /// Position of the field in its table.
    pub field: usize,
    /// What is compared.
    pub measure: Measure,
    /// Length of the window; 0 where there is none.
    pub window_us: i64,
    /// Time for which a rate is the change.
    pub per_us: i64,
    /// The limit beyond which it holds.
    pub limit: f64,
    /// Where it ceases to.
    pub clear: f64,
    /// True where it holds above the limit, false where below.
    pub is_above: bool,
}

impl RuleDef {
    /// The rule over the fields of its table.
    ///
    /// # Errors
    /// [`RuleFault`] for a field that the table has not, or of which there is no number to compare.
    pub fn compiled(&self, table: &TableDef) -> Result<CompiledRule, RuleFault> {
        let conditions = self.conditions.iter().map(|condition| {
            let (field, def) = table.field(&condition.field).ok_or_else(|| {
                RuleFault(format!("rule {}: table {} has no field {}", self.name, table.name, condition.field))
            })?;
            if !matches!(def.kind, FieldKind::Double | FieldKind::Bigint | FieldKind::Boolean) {
                let why = format!("rule {}: field {} has no numbers to compare", self.name, condition.field);
                return Err(RuleFault(why));
            }
            // What a rule finds goes out to people and machines that have other rights.
            if def.personal.is_some() {
                let why =
                    format!("rule {}: field {} is personal data, which no rule reads", self.name, condition.field);
                return Err(RuleFault(why));
            }
            Ok(CompiledCondition::new(condition, field))
        });
        Ok(CompiledRule::new(self, conditions.collect::<Result<_, _>>()?))
    }
}

impl CompiledRule {
    fn new(rule: &RuleDef, conditions: Vec<CompiledCondition>) -> Self {
        Self {
            hold_us: rule.hold.us(),
            recover_us: rule.recover_for.us(),
            no_data_us: rule.no_data.map(|span| span.us()),
            horizon_us: rule.horizon.us(),
            conditions,
        }
    }

    /// How far back rows have to be read to know its states, beside its last transition.
    pub fn reach_us(&self) -> i64 {
        let windows = self.conditions.iter().map(|condition| condition.window_us);
        self.horizon_us + self.no_data_us.unwrap_or(0) + windows.max().unwrap_or(0)
    }
}

impl CompiledCondition {
    fn new(condition: &ConditionDef, field: usize) -> Self {
        let limit = condition.above.or(condition.below).unwrap_or(f64::INFINITY);
        Self {
            field,
            measure: condition.measure,
            window_us: condition.window.map_or(0, |window| window.us()),
            per_us: condition.per.map_or(1, |per| per.us()),
            limit,
            clear: condition.clear.unwrap_or(limit),
            is_above: condition.above.is_some(),
        }
    }

    /// Whether a measured value holds it; `None` between the limit and where it ceases to.
    pub(crate) fn judge(&self, value: f64) -> Option<bool> {
        let (beyond, back) = match self.is_above {
            true => (value > self.limit, value <= self.clear),
            false => (value < self.limit, value >= self.clear),
        };
        match (beyond, back) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}
