//! Statements with parameters: their types, the columns of the response, and a plan with values in their places.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, SchemaRef, TimeUnit};
use datafusion::common::format::ExplainStatementOptions;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{
    Analyze, Explain, LogicalPlan, PlanType, Statement as PlanStatement, ToStringifiedPlan,
};
use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, Ident, Statement as SqlStatement, TimezoneInfo,
};

use crate::dialect::check::verify_reading;
use crate::dialect::parameters::{cast_interval_factors, compare_list_items};
use crate::dialect::{ReadStatement, template};
use crate::engine::result::ResultNames;
use crate::error::{QueryError, QueryErrorCode};
use crate::optimizer::inlined_columns::check_inlining;

/// Description of a statement that is not yet executed.
#[derive(Debug, Clone)]
pub struct Description {
    /// Columns of the response.
    pub schema: SchemaRef,
    /// Types of `$1`, `$2` and so on.
    pub parameters: Vec<DataType>,
}

/// Plans a statement whose parameters have these values.
pub(crate) async fn plan_with_parameters(
    state: &SessionState,
    statement: Statement,
    parameters: &[ScalarValue],
) -> Result<LogicalPlan, QueryError> {
    if parameters.is_empty() {
        let plan = state.statement_to_plan(statement).await?;
        return verify_reading(plan);
    }
    let types: Vec<DataType> = parameters.iter().map(ScalarValue::data_type).collect();
    let (statement, explanation) = without_explain(statement);
    let plan = plan_typed(state, statement, &types).await?;
    let values = ParamValues::from(parameters.to_vec());
    let plan = plan.replace_params_with_values(&values)?;
    verify_reading(explained(state, plan, explanation).await?)
}

/// Columns of the response, and types of the parameters: those that the client names, else those that follow from where
/// they stand, else text.
pub(crate) async fn describe(
    state: &SessionState,
    statement: ReadStatement,
    named: &[Option<DataType>],
) -> Result<Description, QueryError> {
    let (statement, names) = statement.into_planned()?;
    let parameters = parameter_types(state, &statement, named).await;
    let plan = match parameters.is_empty() {
        true => state.statement_to_plan(statement).await?,
        false => {
            let (statement, explanation) = without_explain(statement);
            let plan = plan_typed(state, statement, &parameters).await?;
            explained(state, plan, explanation).await?
        }
    };
    let plan = verify_reading(plan)?;
    check_inlining(&plan)?;
    // Types of columns may change where values of two types meet.
    let checked = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {});
    let plan = checked.unwrap_or(plan);
    Ok(Description { schema: ResultNames::new(names).schema(plan.schema().inner()), parameters })
}

async fn parameter_types(state: &SessionState, statement: &Statement, named: &[Option<DataType>]) -> Vec<DataType> {
    if named.iter().all(Option::is_some) {
        return named.iter().flatten().cloned().collect();
    }
    let mut statement = statement.clone();
    let lists = compare_list_items(&mut statement);
    let factors = cast_interval_factors(&mut statement);
    let inferred = match state.statement_to_plan(statement).await {
        Ok(plan) => plan.get_parameter_types().unwrap_or_default(),
        // An error comes again when the statement is planned with types, and is reported then.
        Err(_) => Default::default(),
    };
    let of = |(index, named): (usize, &Option<DataType>)| {
        let inferred = || {
            let name = format!("${}", index + 1);
            let of_factor = factors.contains(&name).then_some(DataType::Float64);
            let of = inferred.get(&name).cloned().flatten().or(of_factor)?;
            Some(if lists.contains(&name) { list_of(of) } else { of })
        };
        named.clone().or_else(inferred).unwrap_or(DataType::Utf8View)
    };
    named.iter().enumerate().map(of).collect()
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The plan of a statement whose parameters have these types.
async fn plan_typed(state: &SessionState, statement: Statement, types: &[DataType]) -> Result<LogicalPlan, QueryError> {
    let Statement::Statement(statement) = statement else {
        return Err(QueryError::new(QueryErrorCode::Sql, "EXPLAIN explains a query").with_sqlstate("42601"));
    };
    let prepare = SqlStatement::Prepare {
        name: Ident::new("statement"),
        data_types: types.iter().map(sql_type).collect::<Result<_, _>>()?,
        statement,
    };
    match state.statement_to_plan(Statement::Statement(Box::new(prepare))).await? {
        LogicalPlan::Statement(PlanStatement::Prepare(prepare)) => Ok(prepare.input.as_ref().clone()),
        _ => Err(QueryError::internal()),
    }
}

/// A statement without the EXPLAIN around it, and the options of that. The planner takes types of parameters for what is explained alone.
fn without_explain(statement: Statement) -> (Statement, Option<ExplainStatementOptions>) {
    match statement {
        Statement::Explain(ExplainStatement { options, statement }) => (*statement, Some(options)),
        other => (other, None),
    }
}

/// The plan of EXPLAIN with these options around the plan of what it explains.
async fn explained(
    state: &SessionState,
    plan: LogicalPlan,
    options: Option<ExplainStatementOptions>,
) -> Result<LogicalPlan, QueryError> {
    let Some(options) = options else { return Ok(plan) };
    let any = template("SELECT 1").ok_or_else(QueryError::internal)?;
    let any = Box::new(Statement::Statement(Box::new(SqlStatement::Query(any))));
    let of_any = Statement::Explain(ExplainStatement { options, statement: any });
    match state.statement_to_plan(of_any).await? {
        LogicalPlan::Explain(explain) => {
            let stringified_plans = vec![plan.to_stringified(PlanType::InitialLogicalPlan)];
            Ok(LogicalPlan::Explain(Explain { plan: Arc::new(plan), stringified_plans, ..explain }))
        }
        LogicalPlan::Analyze(analyze) => Ok(LogicalPlan::Analyze(Analyze { input: Arc::new(plan), ..analyze })),
        _ => Err(QueryError::internal()),
    }
}

/// Type as SQL writes it.
fn sql_type(data_type: &DataType) -> Result<SqlType, QueryError> {
    Ok(match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt(None),
        DataType::Int32 | DataType::UInt16 => SqlType::Int(None),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => SqlType::BigInt(None),
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double(ExactNumberInfo::None),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => SqlType::Text,
        DataType::Dictionary(_, values) => sql_type(values)?,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => SqlType::Bytea,
        DataType::Date32 | DataType::Date64 => SqlType::Date,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time(None, TimezoneInfo::None),
        DataType::Timestamp(unit, None) => SqlType::Timestamp(Some(digits(*unit)), TimezoneInfo::None),
        DataType::Timestamp(unit, Some(_)) => SqlType::Timestamp(Some(digits(*unit)), TimezoneInfo::WithTimeZone),
        DataType::Interval(IntervalUnit::MonthDayNano | IntervalUnit::YearMonth | IntervalUnit::DayTime) => {
            SqlType::Interval { fields: None, precision: None }
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
        }
        DataType::List(item) | DataType::LargeList(item) => {
            SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(sql_type(item.data_type())?), None))
        }
        _ => {
            let message = format!("parameters of type {data_type} are not possible");
            return Err(QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("0A000"));
        }
    })
}

fn digits(unit: TimeUnit) -> u64 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}
