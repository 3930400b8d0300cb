//! The simple protocol: a text of one or more statements, each answered as text, and what its commands do.

use crate::rows::{Answer, RowForm};
use crate::statement::parse::{Command, Discard, read_commands};
use crate::session::connection::{Connection, Ended, PORTALS_MAX, Portal, Prepared, STATEMENTS_MAX};
use crate::statement::copy_format::CopyFormat;
use crate::session::extended::formats_of;
use crate::error::PgError;
use crate::protocol::messages::{
    COPY_DONE, EMPTY_QUERY, NOTICE, TransactionStatus, put_bare, put_command_complete, put_copy_out, put_message,
    put_report, put_row_description,
};
use crate::statement::query::Query;
use crate::session::transaction::TransactionEnd;

impl Connection {
    /// Does what a text says, statement by statement; the first that fails ends it.
    pub(crate) async fn simple_query(&mut self, sql: &str) -> Result<(), Ended> {
        self.portals.remove("");
        let commands = read_commands(sql)?;
        if commands.is_empty() {
            put_bare(&mut self.wire.out, EMPTY_QUERY);
        }
        for command in commands {
            self.begin_statement();
            self.check_transaction(&command)?;
            match command {
                Command::Copy { query, format } => self.copy(&query, format).await?,
                Command::Fetch { cursor, rows, is_move } => self.fetch(&cursor, rows, is_move, None).await?,
                command => match self.carry_out(command).await? {
                    Outcome::Tag(tag) => put_command_complete(&mut self.wire.out, &tag),
                    Outcome::Rows(mut answer) => self.send_all(&mut answer).await?,
                },
            }
        }
        Ok(())
    }

    /// Sends a whole answer with its description.
    async fn send_all(&mut self, answer: &mut Answer) -> Result<(), Ended> {
        let formats = vec![0; answer.columns.len()];
        put_row_description(&mut self.wire.out, &answer.columns, &formats);
        let form = RowForm::Rows(vec![false; formats.len()]);
        let (_, rows) = self.send_rows(answer, &form, None).await?;
        put_command_complete(&mut self.wire.out, &complete_tag(answer.tag, rows));
        Ok(())
    }

    /// Refuses what a failed transaction does not do.
    pub(crate) fn check_transaction(&self, command: &Command) -> Result<(), PgError> {
        let ends = matches!(command, Command::Commit | Command::Rollback | Command::RollbackTo(_));
        if self.transaction.status() == TransactionStatus::Failed && !ends {
            return Err(PgError::failed_transaction());
        }
        Ok(())
    }

    /// Does what a command says that is no copy and no fetch.
    pub(crate) async fn carry_out(&mut self, command: Command) -> Result<Outcome, Ended> {
        let tag = match command {
            Command::Query(query) => return Ok(Outcome::Rows(self.start_query(&query, Vec::new(), None).await?)),
            Command::Show(name) => {
                let value = self.variables.show(&name)?.to_owned();
                return Ok(Outcome::Rows(Answer::of_texts(&[&name], &[vec![value]], "SHOW")));
            }
            Command::ShowAll => {
                let row = |(name, value, description): (&str, &str, &str)| {
                    vec![name.to_owned(), value.to_owned(), description.to_owned()]
                };
                let rows: Vec<_> = self.variables.all().map(row).collect();
                return Ok(Outcome::Rows(Answer::of_texts(&SHOW_ALL_COLUMNS, &rows, "SHOW")));
            }
            Command::Begin => {
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
                self.statements.retain(|name, _| name.is_empty());
                "DEALLOCATE ALL"
            }
            Command::Deallocate(Some(name)) => {
                let gone = self.statements.remove(&name);
                gone.ok_or_else(|| no_statement(&name))?;
                "DEALLOCATE"
            }
            Command::Prepare { name, types, query } => {
                let prepared = Prepared { command: Some(Command::Query(query)), declared: types, description: None };
                self.keep_statement(name, prepared)?;
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
        Ok(Outcome::Tag(tag.to_owned()))
    }

    /// Keeps a prepared statement under its name.
    pub(crate) fn keep_statement(&mut self, name: String, prepared: Prepared) -> Result<(), PgError> {
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

    /// Begins a query; its rows come as they are asked for.
    pub(crate) async fn start_query(
        &mut self,
        query: &Query,
        parameters: Vec<datafusion::common::ScalarValue>,
        told: Option<&arrow::datatypes::SchemaRef>,
    ) -> Result<Answer, Ended> {
        if parameters.len() < query.parameters.len() {
            return Err(PgError::new("42P02", format!("there is no parameter ${}", query.parameters.len())).into());
        }
        if query.is_empty
            && let Some(names) = query.names.all()
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Ok(Answer::of_texts(&names, &[], query.tag));
        }
        let session = self.session();
        let engine = std::sync::Arc::clone(&self.engine);
        let result = self
            .wait(async {
                Ok(engine.execute_parsed(&query.text, query.statement.clone(), parameters, &session).await?)
            })
            .await?;
        Ok(Answer::of_engine(result, told, &query.names, query.tag, self.variables.zone())?)
    }

    /// Sends a whole answer as a copy.
    pub(crate) async fn copy(&mut self, query: &Query, format: CopyFormat) -> Result<(), Ended> {
        let mut answer = self.start_query(query, Vec::new(), None).await?;
        put_copy_out(&mut self.wire.out, format == CopyFormat::Binary, answer.columns.len());
        let mut head = bytes::BytesMut::new();
        format.put_head(&answer.names(), &mut head);
        if format == CopyFormat::Binary {
            // Clients look for it in the message of the first row.
            answer.in_front = head;
        } else if !head.is_empty() {
            put_message(&mut self.wire.out, b'd', |out| out.extend_from_slice(&head));
        }
        let (_, rows) = self.send_rows(&mut answer, &RowForm::Copy(format.clone()), None).await?;
        let mut end = std::mem::take(&mut answer.in_front);
        format.put_end(&mut end);
        if !end.is_empty() {
            put_message(&mut self.wire.out, b'd', |out| out.extend_from_slice(&end));
        }
        put_bare(&mut self.wire.out, COPY_DONE);
        put_command_complete(&mut self.wire.out, &format!("COPY {rows}"));
        Ok(())
    }

    /// Begins the query of a cursor, with parameters of these types and values.
    pub(crate) async fn declare(
        &mut self,
        cursor: String,
        is_held: bool,
        query: Query,
        declared: Vec<u32>,
        parameters: Vec<datafusion::common::ScalarValue>,
    ) -> Result<(), Ended> {
        if !is_held && self.transaction.status() == TransactionStatus::Idle {
            return Err(PgError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks").into());
        }
        if self.portals.contains_key(&cursor) {
            return Err(PgError::new("42P03", format!("cursor \"{cursor}\" already exists")).into());
        }
        if self.portals.len() >= PORTALS_MAX {
            return Err(PgError::new("53400", format!("a connection has at most {PORTALS_MAX} cursors")).into());
        }
        let answer = self.start_query(&query, parameters, None).await?;
        let command = Command::Query(Box::new(query));
        let prepared = Prepared { command: Some(command), declared, description: None };
        self.portals.insert(
            cursor,
            Portal {
                prepared,
                parameters: Vec::new(),
                formats: Vec::new(),
                told: None,
                answer: Some(answer),
                rows: 0,
                is_done: false,
                is_held,
            },
        );
        Ok(())
    }

    /// Sends the next rows of a cursor, or passes over them. `formats` are those of a portal, whose columns the client knows
    /// already; without them they are described.
    pub(crate) async fn fetch(
        &mut self,
        cursor: &str,
        rows_max: Option<usize>,
        is_move: bool,
        formats: Option<&[i16]>,
    ) -> Result<(), Ended> {
        let portal = self.portals.get_mut(cursor).ok_or_else(|| no_cursor(cursor))?;
        // An error ends the cursor's statement: there is nothing to put back then.
        let Some(mut answer) = portal.answer.take() else {
            return Err(PgError::new("24000", format!("cursor \"{cursor}\" has failed")).into());
        };
        let rows = if is_move {
            self.pass_over(&mut answer, rows_max).await?
        } else {
            let columns = answer.columns.len();
            if formats.is_none() {
                put_row_description(&mut self.wire.out, &answer.columns, &vec![0; columns]);
            }
            let formats = formats_of(formats.unwrap_or_default(), columns)?;
            let form = RowForm::Rows(formats.iter().map(|format| *format == 1).collect());
            self.send_rows(&mut answer, &form, rows_max).await?.1
        };
        put_command_complete(&mut self.wire.out, &format!("{} {rows}", if is_move { "MOVE" } else { "FETCH" }));
        if let Some(portal) = self.portals.get_mut(cursor) {
            portal.answer = Some(answer);
        }
        Ok(())
    }

    async fn pass_over(&mut self, answer: &mut Answer, rows_max: Option<usize>) -> Result<u64, Ended> {
        let mut left = rows_max.unwrap_or(usize::MAX);
        let mut passed = 0;
        while left > 0 && self.wait(answer.fill()).await? {
            let rows = answer.skip_rows(left);
            left -= rows;
            passed += rows as u64;
        }
        Ok(passed)
    }

    fn end_transaction(&mut self, commit: bool) -> &'static str {
        let before = self.variables.clone();
        let end = match commit {
            true => self.transaction.commit(&mut self.variables),
            false => self.transaction.roll_back(&mut self.variables),
        };
        if end == TransactionEnd::None {
            self.warn("25P01", "there is no transaction in progress");
        } else {
            self.report_changes(&before);
            self.end_portals();
        }
        if commit && end != TransactionEnd::RolledBack { "COMMIT" } else { "ROLLBACK" }
    }

    fn set(&mut self, name: &str, value: Option<&str>, is_local: bool) -> Result<&'static str, PgError> {
        if is_local {
            if self.transaction.status() == TransactionStatus::Idle {
                self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
                return Ok("SET");
            }
            let before = self.variables.show(name)?.to_owned();
            self.transaction.note_local(name, &before);
        }
        let reported = match value {
            Some(value) => self.variables.set(name, value)?,
            None => self.variables.reset(name)?,
        };
        self.epoch += 1;
        self.report(reported);
        Ok("SET")
    }

    fn reset(&mut self, name: Option<&str>) -> Result<&'static str, PgError> {
        let before = self.variables.clone();
        match name {
            Some(name) => drop(self.variables.reset(name)?),
            None => self.variables.reset_all(),
        }
        self.report_changes(&before);
        Ok("RESET")
    }

    fn discard_all(&mut self) -> Result<&'static str, PgError> {
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

/// What a command has done.
pub(crate) enum Outcome {
    /// CommandComplete says so.
    Tag(String),
    /// These are its rows.
    Rows(Answer),
}

/// What CommandComplete says behind rows.
pub(crate) fn complete_tag(tag: &str, rows: u64) -> String {
    if tag == "SELECT" { format!("SELECT {rows}") } else { tag.to_owned() }
}

/// What is said of a cursor that was declared.
pub(crate) const DECLARED: &str = "DECLARE CURSOR";

pub(crate) const SHOW_ALL_COLUMNS: [&str; 3] = ["name", "setting", "description"];

pub(crate) fn no_statement(name: &str) -> PgError {
    PgError::new("26000", format!("prepared statement \"{name}\" does not exist"))
}

fn no_cursor(name: &str) -> PgError {
    PgError::new("34000", format!("cursor \"{name}\" does not exist"))
}
