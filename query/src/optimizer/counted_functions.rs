//! Functions that make large values out of small ones: each call is bounded before it is made. A chain of them doubles its
//! value with each link, and none of it is reserved as memory of the statement.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column};
use datafusion::physical_plan::PhysicalExpr;

use crate::optimizer::text_lengths::{Growth, row_bytes};
use crate::optimizer::value_limit::ValueLimit;

/// Functions that are counted, and how their values grow out of their arguments.
const COUNTED: [(&str, Growth); 22] = [
    ("concat", Growth::Sum),
    ("concat_ws", Growth::Separated),
    ("replace", Growth::Replacing),
    ("regexp_replace", Growth::Matching),
    ("overlay", Growth::Sum),
    ("translate", Growth::Sum),
    ("array_to_string", Growth::Separated),
    ("make_array", Growth::Sum),
    ("array_append", Growth::Sum),
    ("array_prepend", Growth::Sum),
    ("array_concat", Growth::Sum),
    ("array_insert", Growth::Sum),
    ("flatten", Growth::Sum),
    // Escapes make a text larger too: the next link of a chain is refused for that.
    ("json_build_array", Growth::Sum),
    ("jsonb_build_array", Growth::Sum),
    ("json_build_object", Growth::Sum),
    ("jsonb_build_object", Growth::Sum),
    ("json_of_row", Growth::Sum),
    ("json_of_rows", Growth::Sum),
    ("to_json", Growth::Sum),
    ("to_jsonb", Growth::Sum),
    ("array_to_json", Growth::Sum),
];

/// Rule that puts counted functions in the place of others.
#[derive(Debug)]
pub(crate) struct CountFunctions;

impl AnalyzerRule for CountFunctions {
    fn name(&self) -> &str {
        "count_functions"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            // Nodes above refer to an expression by its name.
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let counted = expr.transform_up(|expr| counted(expr, &schema))?;
                Ok(counted.update_data(|expr| name.restore(expr)))
            })
        })
        .map(|plan| plan.data)
    }
}

fn counted(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(call) => {
            let growth = COUNTED.iter().find(|(name, _)| *name == call.func.name()).map(|(_, growth)| *growth);
            Ok(match growth {
                Some(growth) if !call.func.inner().is::<Counted>() => {
                    let counted = Counted { function: call.func, growth };
                    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
                        Arc::new(ScalarUDF::new_from_impl(counted)),
                        call.args,
                    )))
                }
                _ => Transformed::no(Expr::ScalarFunction(call)),
            })
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            let expr = Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right });
            let Ok(of) = expr.get_type(schema) else { return Ok(Transformed::no(expr)) };
            let Expr::BinaryExpr(BinaryExpr { left, right, .. }) = expr else { return Ok(Transformed::no(expr)) };
            let function = Arc::new(ScalarUDF::new_from_impl(Concatenation::new(of)));
            let counted = Counted { function, growth: Growth::Sum };
            let function = Arc::new(ScalarUDF::new_from_impl(counted));
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![*left, *right]))))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A function whose values have a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Counted {
    function: Arc<ScalarUDF>,
    growth: Growth,
}

impl Counted {
    /// Calls the function for pieces of the rows whose values are within the limit for certain, and ends where those that
    /// were made are beyond it.
    fn invoke_in_pieces(&self, args: &ScalarFunctionArgs, rows: &[usize], bytes_max: usize) -> Result<ColumnarValue> {
        let mut pieces: Vec<ArrayRef> = Vec::new();
        let mut made = 0;
        let mut start = 0;
        while start < rows.len() {
            ValueLimit::check(self.name(), rows[start], bytes_max)?;
            let mut bytes = 0_usize;
            let fits = rows[start..].iter().take_while(|row| {
                bytes = bytes.saturating_add(**row);
                bytes <= bytes_max
            });
            let count = fits.count().max(1);
            let value = self.function.invoke_with_args(slice(args, start, count))?.into_array(count)?;
            made += value.get_array_memory_size();
            ValueLimit::check(self.name(), made, bytes_max)?;
            pieces.push(value);
            start += count;
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(arrow::compute::concat(&pieces)?))
    }
}

/// Arguments of some rows.
fn slice(args: &ScalarFunctionArgs, start: usize, count: usize) -> ScalarFunctionArgs {
    let values = args.args.iter().map(|value| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, count)),
        scalar => scalar.clone(),
    });
    ScalarFunctionArgs {
        args: values.collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: count,
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    }
}

impl ScalarUDFImpl for Counted {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes_max = ValueLimit::bytes_max(&args.config_options);
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        // Constants are computed once, whatever the number of rows.
        let count = if is_constant { 1 } else { args.number_rows };
        let rows = row_bytes(self.growth, &args.args, count)?;
        let bytes = rows.iter().fold(0_usize, |sum, row| sum.saturating_add(*row));
        if bytes <= bytes_max {
            return self.function.invoke_with_args(args);
        }
        if is_constant {
            ValueLimit::check(self.name(), bytes, bytes_max)?;
        }
        self.invoke_in_pieces(&args, &rows, bytes_max)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// The operator `||` of texts as a function.
#[derive(Debug)]
struct Concatenation {
    of: DataType,
    signature: Signature,
}

impl Concatenation {
    fn new(of: DataType) -> Self {
        Self { of, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl PartialEq for Concatenation {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
    }
}

impl Eq for Concatenation {}

impl Hash for Concatenation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of.hash(state);
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.of.clone())
    }

    /// The operator itself, over its two operands as columns.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let count = if is_constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|value| value.to_array(count)).collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|column| Field::new("operand", column.data_type().clone(), true));
        let operands = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?;
        let operand = |index| Arc::new(Column::new("operand", index)) as Arc<dyn PhysicalExpr>;
        let joined = PhysicalBinary::new(operand(0), Operator::StringConcat, operand(1)).evaluate(&operands)?;
        if !is_constant {
            return Ok(joined);
        }
        let one = joined.into_array(1)?;
        Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&one, 0)?))
    }
}
