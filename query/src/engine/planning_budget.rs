//! The budget of planning: how much work the rules of the planner may do for one statement, and when they end. A rule
//! neither yields nor knows of a client that has gone; so each of them is wrapped, and looks at the end of its statement
//! with each node that it is given.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::{PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::dialect::too_complex;
use crate::engine::cancellation::Cancellation;
use crate::error::QueryError;

/// Nodes that the rules may look at for one statement. A plan of a thousand relations is looked at about 500,000 times.
const NODE_VISITS_MAX: usize = 4_000_000;
/// Expressions of a logical plan between two rules.
const EXPRESSIONS_MAX: usize = 1_000_000;

/// Budget of the planning of one statement.
#[derive(Debug)]
pub(crate) struct PlanningBudget {
    cancellation: Arc<Cancellation>,
    visits: AtomicUsize,
}

impl PlanningBudget {
    /// Budget of a statement that ends as `cancellation` says.
    pub(crate) fn new(cancellation: Arc<Cancellation>) -> Arc<Self> {
        Arc::new(Self { cancellation, visits: AtomicUsize::new(0) })
    }

    /// State of one statement whose rules keep the budget; `own` come behind those that all statements have.
    pub(crate) fn applied_to(
        self: &Arc<Self>,
        builder: SessionStateBuilder,
        base: &SessionState,
        own: Arc<dyn AnalyzerRule + Send + Sync>,
    ) -> SessionStateBuilder {
        let analyzer = base.analyzer().rules.iter().chain([&own]);
        let analyzer =
            analyzer.map(|rule| Arc::new(BudgetedAnalyzer(Arc::clone(rule), Arc::clone(self))) as _).collect();
        let optimizer = base.optimizers().iter();
        let optimizer =
            optimizer.map(|rule| Arc::new(BudgetedOptimizer(Arc::clone(rule), Arc::clone(self))) as _).collect();
        let physical = base.physical_optimizers().iter();
        let physical =
            physical.map(|rule| Arc::new(BudgetedPhysical(Arc::clone(rule), Arc::clone(self))) as _).collect();
        builder.with_analyzer_rules(analyzer).with_optimizer_rules(optimizer).with_physical_optimizer_rules(physical)
    }

    /// Counts nodes that a rule looks at.
    ///
    /// # Errors
    /// Where the statement is over, or its plan takes more work than it may.
    pub(crate) fn spend(&self, nodes: usize) -> Result<()> {
        // Relaxed: the count guards no other data.
        let visits = self.visits.fetch_add(nodes, Ordering::Relaxed).saturating_add(nodes);
        if visits > NODE_VISITS_MAX {
            return Err(external(too_complex("its plan has too many steps")));
        }
        if self.cancellation.is_over() {
            return Err(external(QueryError::cancelled()));
        }
        Ok(())
    }

    /// Checks a whole logical plan.
    ///
    /// # Errors
    /// As [`Self::spend`], and for a plan that is too large for the next rule.
    pub(crate) fn check(&self, plan: &LogicalPlan) -> Result<()> {
        let mut expressions = 0_usize;
        plan.apply_with_subqueries(|node| {
            self.spend(1)?;
            node.apply_expressions(|expr| {
                expr.apply(|_| {
                    expressions += 1;
                    Ok(if expressions > EXPRESSIONS_MAX {
                        TreeNodeRecursion::Stop
                    } else {
                        TreeNodeRecursion::Continue
                    })
                })
            })?;
            Ok(if expressions > EXPRESSIONS_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if expressions > EXPRESSIONS_MAX {
            return Err(external(too_complex("its plan has too many expressions")));
        }
        Ok(())
    }
}

/// Plans on this thread, whose other tasks go on elsewhere meanwhile: planning computes for as long as it takes without
/// yielding.
pub(crate) fn apart_from_workers<T>(planning: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(planning))
}

/// Error of a statement as one of DataFusion, which is turned back where planning ends.
pub(crate) fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

struct BudgetedAnalyzer(Arc<dyn AnalyzerRule + Send + Sync>, Arc<PlanningBudget>);

impl fmt::Debug for BudgetedAnalyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AnalyzerRule for BudgetedAnalyzer {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        self.1.check(&plan)?;
        self.0.analyze(plan, config)
    }
}

struct BudgetedOptimizer(Arc<dyn OptimizerRule + Send + Sync>, Arc<PlanningBudget>);

impl fmt::Debug for BudgetedOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OptimizerRule for BudgetedOptimizer {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // With an order the rule is called for each node; without one it walks the plan itself.
        match self.0.apply_order() {
            Some(_) => self.1.spend(1)?,
            None => self.1.check(&plan)?,
        }
        self.0.rewrite(plan, config)
    }
}

struct BudgetedPhysical(Arc<dyn PhysicalOptimizerRule + Send + Sync>, Arc<PlanningBudget>);

impl fmt::Debug for BudgetedPhysical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PhysicalOptimizerRule for BudgetedPhysical {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        self.1.spend(1)?;
        self.0.optimize(plan, config)
    }

    fn optimize_with_context(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.1.spend(1)?;
        self.0.optimize_with_context(plan, context)
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}
