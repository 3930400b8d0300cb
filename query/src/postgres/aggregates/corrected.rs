//! DataFusion's aggregates with accumulators of ours.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Coercion, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs, TypeSignature, TypeSignatureClass,
};

use crate::postgres::aggregates::interval_mean::{INTERVAL, IntervalMean, PARTS};
use crate::postgres::aggregates::moments::Measure;
use crate::postgres::aggregates::moving::Moving;
use crate::postgres::aggregates::percentile::{GroupPercentiles, Percentile, fraction};

/// Aggregates that are replaced, and names of PostgreSQL that DataFusion does not know.
pub(crate) const CORRECTED: [(&str, Part, &[&str]); 7] = [
    ("sum", Part::Frames(Measure::Sum), &[]),
    ("avg", Part::Frames(Measure::Mean), &[]),
    ("var", Part::Frames(Measure::VarianceSample), &["variance"]),
    ("var_pop", Part::Frames(Measure::VariancePop), &[]),
    ("stddev", Part::Frames(Measure::DeviationSample), &[]),
    ("stddev_pop", Part::Frames(Measure::DeviationPop), &[]),
    ("percentile_cont", Part::Percentile, &[]),
];

/// What of an aggregate is another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// Frames that move, of doubles.
    Frames(Measure),
    /// The value between two others.
    Percentile,
}

/// An aggregate of which a part is another.
#[derive(Debug)]
pub(crate) struct Corrected {
    inner: Arc<dyn AggregateUDFImpl>,
    aliases: Vec<String>,
    part: Part,
    signature: Signature,
}

impl Corrected {
    /// The aggregate that takes the place of another one.
    pub(crate) fn of(function: &AggregateUDF, part: Part, names: &[&str]) -> AggregateUDF {
        let names = names.iter().map(|name| (*name).to_owned());
        let aliases = function.aliases().iter().cloned().chain(names).collect();
        let mut signature = function.signature().clone();
        // The mean of intervals is ours alone.
        if let (Part::Frames(Measure::Mean), TypeSignature::OneOf(types)) = (part, &mut signature.type_signature) {
            types.push(TypeSignature::Coercible(vec![Coercion::new_exact(TypeSignatureClass::Interval)]));
        }
        AggregateUDF::new_from_impl(Self { inner: Arc::clone(function.inner()), aliases, part, signature })
    }

    /// True for the mean of intervals.
    fn is_interval_mean(&self, of: Option<&DataType>) -> bool {
        matches!((self.part, of), (Part::Frames(Measure::Mean), Some(DataType::Interval(_))))
    }

    /// The accumulator of the mean of intervals.
    fn interval_mean(&self, args: &AccumulatorArgs<'_>) -> Option<Box<dyn Accumulator>> {
        let is_interval = self.is_interval_mean(args.expr_fields.first().map(|field| field.data_type()));
        (is_interval && !args.is_distinct).then(|| Box::new(IntervalMean::default()) as Box<dyn Accumulator>)
    }

    /// Wraps an accumulator that collects the values of a percentile.
    fn finished(&self, inner: Box<dyn Accumulator>, found: Option<(f64, DataType)>) -> Box<dyn Accumulator> {
        match (self.part, found) {
            (Part::Percentile, Some((fraction, of))) => Box::new(Percentile { inner, fraction, of }),
            _ => inner,
        }
    }

    /// Fraction and type of a percentile of floats.
    fn percentile(&self, args: &AccumulatorArgs<'_>) -> Result<Option<(f64, DataType)>> {
        let of = args.return_field.data_type();
        let is_float = args.expr_fields.first().is_some_and(|field| field.data_type().is_floating());
        match self.part {
            // Of distinct values the state is a set, which is theirs alone.
            Part::Percentile if is_float && !args.is_distinct => Ok(Some((fraction(args)?, of.clone()))),
            _ => Ok(None),
        }
    }
}

impl PartialEq for Corrected {
    fn eq(&self, other: &Self) -> bool {
        self.inner.name() == other.inner.name()
    }
}

impl Eq for Corrected {}

impl Hash for Corrected {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

impl AggregateUDFImpl for Corrected {
    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if let Some(mean) = self.interval_mean(&args) {
            return Ok(mean);
        }
        if let Part::Frames(measure) = self.part {
            let is_double = args.expr_fields.first().is_some_and(|field| *field.data_type() == DataType::Float64);
            if is_double && *args.return_field.data_type() == DataType::Float64 && !args.is_distinct {
                return Ok(Box::new(Moving::new(measure)));
            }
        }
        let found = self.percentile(&args)?;
        Ok(self.finished(self.inner.create_sliding_accumulator(args)?, found))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if let Some(mean) = self.interval_mean(&args) {
            return Ok(mean);
        }
        let found = self.percentile(&args)?;
        Ok(self.finished(self.inner.accumulator(args)?, found))
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let found = self.percentile(&args)?;
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(match found {
            Some((fraction, of)) => Box::new(GroupPercentiles { inner, fraction, of }),
            None => inner,
        })
    }

    // The rest is DataFusion's.

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if self.is_interval_mean(types.first()) { Ok(INTERVAL) } else { self.inner.return_type(types) }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        if self.is_interval_mean(fields.first().map(|field| field.data_type())) {
            return Ok(Arc::new(Field::new(self.name(), INTERVAL, true)));
        }
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if self.is_interval_mean(args.input_fields.first().map(|field| field.data_type())) {
            let part = |name: &str| -> FieldRef {
                Arc::new(Field::new(format!("{}[{name}]", args.name), DataType::Int64, true))
            };
            return Ok(PARTS.into_iter().map(part).collect());
        }
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        let is_interval = self.is_interval_mean(args.expr_fields.first().map(|field| field.data_type()));
        !is_interval && self.inner.groups_accumulator_supported(args)
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.simplify()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
