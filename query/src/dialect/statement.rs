//! A statement that is parsed, checked and named: what interfaces keep of a text, and the engine plans.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::dialect::check::ensure_reading;
use crate::dialect::corrections::correct;
use crate::dialect::grammar::TextLimits;
use crate::dialect::naming::column_names::{ColumnNames, name_columns};
use crate::dialect::naming::{distinguish, name_relations};
use crate::dialect::parameters::parameter_count;
use crate::dialect::parse::parse_reading;
use crate::dialect::rewrites::rewrite;
use crate::error::QueryError;

/// A statement that reads, and the names of its columns.
#[derive(Debug, Clone)]
pub struct ReadStatement {
    tree: Statement,
    names: ColumnNames,
}

impl ReadStatement {
    /// Parses a text.
    ///
    /// # Errors
    /// As [`parse_reading`].
    pub fn parse(sql: &str, limits: TextLimits) -> Result<Self, QueryError> {
        Self::new(parse_reading(sql, limits)?)
    }

    /// A parsed statement.
    ///
    /// # Errors
    /// [`crate::QueryErrorCode::NotAllowed`] where it does not read.
    pub fn new(mut tree: Statement) -> Result<Self, QueryError> {
        ensure_reading(&tree)?;
        let names = name(&mut tree);
        Ok(Self { tree, names })
    }

    /// A parsed statement that an interface rewrites. Its columns have the names of what the client wrote, where both forms have as many:
    /// rewriting changes expressions, and with them the names that they would have.
    ///
    /// # Errors
    /// As [`ReadStatement::new`].
    pub fn rewritten(mut tree: SqlStatement, rewrite: impl FnOnce(&mut SqlStatement)) -> Result<Self, QueryError> {
        // Of a copy, since naming columns may change the statement.
        let written = name_columns(&mut tree.clone());
        rewrite(&mut tree);
        let mut statement = Self::new(Statement::Statement(Box::new(tree)))?;
        if written.has_shape_of(&statement.names) {
            statement.names = written;
        }
        Ok(statement)
    }

    /// Names of the columns.
    pub fn names(&self) -> &ColumnNames {
        &self.names
    }

    /// Number of parameters: the maximum n of its `$n`.
    ///
    /// # Errors
    /// As [`parameter_count`].
    pub fn parameter_count(&self) -> Result<usize, QueryError> {
        parameter_count(&self.tree)
    }

    /// The statement in DataFusion's words, for its planner, and the names of its columns.
    ///
    /// # Errors
    /// A statement that could only be answered wrongly, mostly with SQLSTATE 0A000.
    pub(crate) fn into_planned(self) -> Result<(Statement, ColumnNames), QueryError> {
        let Self { mut tree, names } = self;
        rewrite(&mut tree);
        correct(&mut tree)?;
        zonelake_timeseries::prepare(&mut tree);
        distinguish(&mut tree);
        Ok((tree, names))
    }
}

impl std::fmt::Display for ReadStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tree.fmt(f)
    }
}

fn name(tree: &mut Statement) -> ColumnNames {
    match tree {
        Statement::Statement(statement) => name_sql(statement),
        Statement::Explain(explain) => {
            // The columns of an explanation are its own.
            drop(name(&mut explain.statement));
            ColumnNames::default()
        }
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => ColumnNames::default(),
    }
}

fn name_sql(statement: &mut SqlStatement) -> ColumnNames {
    name_relations(statement);
    name_columns(statement)
}
