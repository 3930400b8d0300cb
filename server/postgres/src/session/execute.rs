//! Execution of commands, for both query protocols.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;

use crate::catalog::set_config::SetConfig;
use crate::error::PgError;
use crate::protocol::messages::{NOTICE, TransactionStatus, put_report};
use crate::rows::ResultCursor;
use crate::session::connection::{Connection, STATEMENTS_MAX};
use crate::session::outcome::{CommandResult, DECLARED, SHOW_ALL_COLUMNS, SessionError, no_cursor, no_statement};
use crate::session::prepared::Prepared;
use crate::session::transaction::TransactionEnd;
use crate::statement::commands::{Command, Discard};
use crate::statement::explain::{COLUMN as EXPLAIN_COLUMN, explained};
use crate::statement::query::Query;

impl Connection {
    /// Refuses a command in a failed transaction, unless the command ends the transaction.
    pub(crate) fn check_transaction(&self, ends: bool) -> Result<(), PgError> {
        if self.transaction.status() == TransactionStatus::Failed && !ends {
            return Err(PgError::failed_transaction());
        }
        Ok(())
    }

    /// Executes a command other than COPY and FETCH, whose rows go out in forms of their own.
    pub(crate) async fn execute_command(&mut self, command: Command) -> Result<CommandResult, SessionError> {
        let tag = match command {
            Command::Query(query) => return Ok(CommandResult::Rows(self.start_query(&query, Vec::new(), None).await?)),
            Command::Show(name) => {
                let value = self.variables.show(&name)?.to_owned();
                return Ok(CommandResult::Rows(ResultCursor::from_texts(&[&name], &[vec![value]], "SHOW")));
            }
            Command::ShowAll => {
                let row = |(name, value, description): (&str, &str, &str)| {
                    vec![name.to_owned(), value.to_owned(), description.to_owned()]
                };
                let rows: Vec<_> = self.variables.all().map(row).collect();
                return Ok(CommandResult::Rows(ResultCursor::from_texts(&SHOW_ALL_COLUMNS, &rows, "SHOW")));
            }
            Command::Begin => {
                // PostgreSQL warns of a second BEGIN, and the transaction goes on.
                if !self.transaction.begin(&self.variables) {
                    self.warn("25001", "there is already a transaction in progress");
                }
                "BEGIN"
            }
            Command::Commit => self.end_transaction(true),
            Command::Rollback => self.end_transaction(false),
            Command::Savepoint(name) => {
                self.transaction.savepoint(name)?;
                "SAVEPOINT"
            }
            Command::Release(name) => {
                self.transaction.release(&name)?;
                "RELEASE"
            }
            Command::RollbackTo(name) => {
                self.transaction.roll_back_to(&name)?;
                "ROLLBACK"
            }
            Command::Set { name, value, is_local } => self.set(&name, value.as_deref(), is_local)?,
            Command::SetTransaction => "SET",
            Command::Reset(name) => self.reset(name.as_deref())?,
            Command::Discard(Discard::All) => self.discard_all()?,
            Command::Discard(Discard::Nothing(tag)) | Command::Ignored(tag) => tag,
            Command::Deallocate(None) => {
                // DEALLOCATE is of named statements: the unnamed one belongs to the extended protocol.
                self.statements.retain(|name, _| name.is_empty());
                "DEALLOCATE ALL"
            }
            Command::Deallocate(Some(name)) => {
                let gone = self.statements.remove(&name);
                gone.ok_or_else(|| no_statement(&name))?;
                "DEALLOCATE"
            }
            Command::Prepare { name, types, query } => {
                let (memory, text) = (self.engine.prepared_memory(), query.text.clone());
                let prepared = Prepared::new(memory, &self.user, &text, Some(Command::Query(query)), types)?;
                self.store_statement(name, prepared)?;
                "PREPARE"
            }
            Command::Declare { cursor, is_held, query } => {
                self.declare(cursor, is_held, *query, Vec::new(), Vec::new()).await?;
                DECLARED
            }
            Command::Close(None) => {
                self.portals.clear();
                "CLOSE CURSOR ALL"
            }
            Command::Close(Some(cursor)) => {
                let gone = self.portals.remove(&cursor);
                gone.ok_or_else(|| no_cursor(&cursor))?;
                "CLOSE CURSOR"
            }
            Command::Copy { .. } | Command::Fetch { .. } => {
                return Err(PgError::unsupported("this is not possible in this place").into());
            }
        };
        Ok(CommandResult::Tag(tag.to_owned()))
    }

    /// Stores a prepared statement under its name.
    pub(crate) fn store_statement(&mut self, name: String, prepared: Prepared) -> Result<(), PgError> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(PgError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        if self.statements.len() >= STATEMENTS_MAX {
            return Err(PgError::new(
                "53400",
                format!("a connection has at most {STATEMENTS_MAX} prepared statements"),
            ));
        }
        self.statements.insert(name, prepared);
        Ok(())
    }

    /// Starts a query; its rows are computed as they are sent.
    pub(crate) async fn start_query(
        &mut self,
        query: &Query,
        parameters: Vec<ScalarValue>,
        described: Option<&SchemaRef>,
    ) -> Result<ResultCursor, SessionError> {
        // The simple protocol has no values at all, so a parameter in its text is an error here.
        if parameters.len() < query.parameters.len() {
            return Err(PgError::new("42P02", format!("there is no parameter ${}", query.parameters.len())).into());
        }
        if query.is_surely_empty
            && let Some(names) = query.statement.names().all()
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Ok(ResultCursor::from_texts(&names, &[], query.tag));
        }
        // The session is a copy: variables that change while rows are sent hold for the next statement.
        let session = self.session();
        let engine = Arc::clone(&self.engine);
        let result = self
            .wait(async {
                let executed = engine.execute_parsed(&query.text, query.statement.clone(), parameters, &session).await;
                executed.map_err(|error| PgError::from(error).behind(query.before))
            })
            .await?;
        if let Some(form) = query.explain {
            let batches = self.wait(async { result.collect().await.map_err(PgError::from) }).await?;
            let rows: Vec<Vec<String>> = explained(&batches, form).into_iter().map(|line| vec![line]).collect();
            return Ok(ResultCursor::from_texts(&[EXPLAIN_COLUMN], &rows, query.tag));
        }
        Ok(ResultCursor::from_engine(result, described, query.tag, self.variables.zone())?)
    }

    /// Ends the transaction; the value is the tag. COMMIT of a failed transaction rolls it back.
    fn end_transaction(&mut self, commit: bool) -> &'static str {
        let before = self.variables.clone();
        let end = match commit {
            true => self.transaction.commit(&mut self.variables),
            false => self.transaction.roll_back(&mut self.variables),
        };
        // As in PostgreSQL the end of no transaction is a warning and no error.
        if end == TransactionEnd::None {
            self.warn("25P01", "there is no transaction in progress");
        } else {
            self.report_changes(&before);
            self.drop_portals();
        }
        // The tag tells the client that COMMIT has rolled a failed transaction back.
        if commit && end != TransactionEnd::RolledBack { "COMMIT" } else { "ROLLBACK" }
    }

    /// Applies what `set_config` has set in the statement that has ended.
    pub(crate) fn apply_set_config(&mut self) -> Result<(), PgError> {
        for SetConfig { name, value, is_local } in self.set_config.take() {
            // Outside of a transaction it ends with its statement, which is now.
            if !(is_local && self.transaction.status() == TransactionStatus::Idle) {
                self.set(&name, value.as_deref(), is_local)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Option<&str>, is_local: bool) -> Result<&'static str, PgError> {
        if is_local {
            if self.transaction.status() == TransactionStatus::Idle {
                self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
                return Ok("SET");
            }
            let before = self.variables.show(name)?.to_owned();
            // COMMIT sets the variable back to this value.
            self.transaction.note_local(name, &before);
        }
        let reported = match value {
            Some(value) => self.variables.set(name, value)?,
            None => self.variables.reset(name)?,
        };
        // Plans hold the zone and the schema of the session, so the ones made before are stale.
        self.epoch += 1;
        self.report(reported);
        Ok("SET")
    }

    fn reset(&mut self, name: Option<&str>) -> Result<&'static str, PgError> {
        let before = self.variables.clone();
        match name {
            // Changes are reported below, by comparison with the values before.
            Some(name) => drop(self.variables.reset(name)?),
            None => self.variables.reset_all(),
        }
        self.report_changes(&before);
        Ok("RESET")
    }

    fn discard_all(&mut self) -> Result<&'static str, PgError> {
        // As in PostgreSQL: the rollback of the transaction would undo the RESET.
        if self.transaction.status() != TransactionStatus::Idle {
            return Err(PgError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
        }
        self.reset(None)?;
        self.statements.clear();
        self.portals.clear();
        Ok("DISCARD ALL")
    }

    fn warn(&mut self, sqlstate: &str, message: &str) {
        put_report(&mut self.wire.out, NOTICE, "WARNING", sqlstate, message);
    }
}
