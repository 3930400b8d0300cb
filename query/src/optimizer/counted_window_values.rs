//! Aggregates over windows whose values are texts and lists: what they make for each row counts as memory of the statement. A list
//! over a growing frame has half a billion items after 30,000 rows, while the rows themselves are small.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, LogicalPlan, ReversedUDAF, SetMonotonicity,
    Signature, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

/// Rule that puts counted aggregates in the place of those over windows, for one statement.
#[derive(Debug)]
pub(crate) struct CountWindowValues {
    memory: Arc<dyn MemoryPool>,
}

impl CountWindowValues {
    /// Rule of a statement with this memory.
    pub(crate) fn new(memory: Arc<dyn MemoryPool>) -> Self {
        Self { memory }
    }

    fn counted(&self, function: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        let counted = Counted { function: Arc::clone(function), memory: Arc::clone(&self.memory) };
        Arc::new(AggregateUDF::new_from_impl(counted))
    }
}

impl AnalyzerRule for CountWindowValues {
    fn name(&self) -> &str {
        "count_window_values"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Window(_) = &plan else { return Ok(Transformed::no(plan)) };
            // Nodes above refer to an expression by its name.
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let counted = expr.transform_up(|mut expr| {
                    if let Expr::WindowFunction(window) = &mut expr
                        && let WindowFunctionDefinition::AggregateUDF(function) = &window.fun
                        && !function.inner().is::<Counted>()
                    {
                        window.fun = WindowFunctionDefinition::AggregateUDF(self.counted(function));
                        return Ok(Transformed::yes(expr));
                    }
                    Ok(Transformed::no(expr))
                })?;
                Ok(counted.update_data(|expr| name.restore(expr)))
            })
        })
        .map(|plan| plan.data)
    }
}

/// An aggregate whose values are counted.
struct Counted {
    function: Arc<AggregateUDF>,
    memory: Arc<dyn MemoryPool>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.function.fmt(f)
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl Counted {
    fn count(&self, inner: Box<dyn Accumulator>, of: &DataType) -> Box<dyn Accumulator> {
        let is_large = of.is_nested()
            || matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            || matches!(of, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        if !is_large {
            return inner;
        }
        let reservation = MemoryConsumer::new("values of a window").register(&self.memory);
        Box::new(CountedAccumulator { inner, reservation, rows: 0 })
    }
}

impl AggregateUDFImpl for Counted {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.function.return_field(arg_fields)
    }

    fn is_nullable(&self) -> bool {
        self.function.is_nullable()
    }

    fn accumulator(&self, acc_args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = acc_args.return_field.data_type().clone();
        Ok(self.count(self.function.accumulator(acc_args)?, &of))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = args.return_field.data_type().clone();
        Ok(self.count(self.function.create_sliding_accumulator(args)?, &of))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.function.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.function.reverse_udf() {
            ReversedUDAF::Reversed(function) => {
                let counted = Self { function, memory: Arc::clone(&self.memory) };
                ReversedUDAF::Reversed(Arc::new(AggregateUDF::new_from_impl(counted)))
            }
            other => other,
        }
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(arg_types)
    }

    fn is_descending(&self) -> Option<bool> {
        self.function.is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.function.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.function.inner().set_monotonicity(data_type)
    }
}

/// Accumulator whose values are reserved until it is dropped, with the window that they are columns of.
#[derive(Debug)]
struct CountedAccumulator {
    inner: Box<dyn Accumulator>,
    reservation: MemoryReservation,
    /// Rows that have come since the last value: a frame that is the whole partition has one value for all of them.
    rows: usize,
}

impl Accumulator for CountedAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows += values.first().map_or(0, |column| column.len());
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.inner.evaluate()?;
        let rows = std::mem::take(&mut self.rows).max(1);
        self.reservation.try_grow(value.size().saturating_mul(rows))?;
        Ok(value)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}
