//! Names of the queries of WITH in a statement.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Statement};
use zonelake_timeseries::{SyntaxVisitor, visit_statement};

/// Names of the queries of WITH, in lower case. Each hides a relation of the catalog of its name.
pub(crate) fn names_of_with(statement: &Statement) -> HashSet<String> {
    let mut names = NamesOfWith(HashSet::new());
    let walk = visit_statement(statement, &mut names);
    debug_assert!(walk.is_continue(), "all names are met");
    names.0
}

struct NamesOfWith(HashSet<String>);

impl SyntaxVisitor for NamesOfWith {
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(with.map(|part| part.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}
