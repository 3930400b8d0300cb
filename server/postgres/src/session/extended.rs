//! The extended protocol: statements that are parsed once and executed with values, their results in parts and in text
//! or binary form.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use postgres_types::Type;
use zonelake_net::Cause;
use zonelake_query::Description;

use crate::error::PgError;
use crate::protocol::messages::{
    BIND_COMPLETE, Bind, CLOSE_COMPLETE, EMPTY_QUERY, NO_DATA, PARSE_COMPLETE, PORTAL_SUSPENDED, Target, put_bare,
    put_command_complete, put_parameter_description, put_row_description,
};
use crate::rows::{ResultCursor, RowForm, describe_columns, text_schema};
use crate::session::connection::{Connection, PORTALS_MAX, Portal};
use crate::session::outcome::{
    CommandResult, DECLARED, SHOW_ALL_COLUMNS, SessionError, complete_tag, format_of, formats_of, no_statement,
};
use crate::session::prepared::Prepared;
use crate::statement::commands::Command;
use crate::statement::explain::COLUMN as EXPLAIN_COLUMN;
use crate::statement::parameters::read_value;
use crate::statement::parse::parse_commands;
use zonelake_postgres_values::{parameter_type, type_of};

impl Connection {
    /// Handles Parse: a statement is parsed and stored under its name.
    pub(crate) fn handle_parse(&mut self, name: String, sql: &str, types: Vec<u32>) -> Result<(), SessionError> {
        let mut commands = parse_commands(sql)?;
        if commands.len() > 1 {
            return Err(PgError::syntax("cannot insert multiple commands into a prepared statement").into());
        }
        // No command is an empty text, which may be prepared and executed too.
        let command = commands.pop();
        if let Some(command) = &command {
            self.check_transaction(command.ends_transaction())?;
        }
        // The unnamed statement is replaced by each Parse; a named one must be closed first.
        if name.is_empty() {
            self.statements.remove("");
        }
        let prepared = Prepared::new(self.engine.prepared_memory(), &self.user, sql, command, types)?;
        self.store_statement(name, prepared)?;
        put_bare(&mut self.wire.out, PARSE_COMPLETE);
        Ok(())
    }

    /// Handles Bind: a prepared statement gets values, and so becomes a portal.
    pub(crate) async fn handle_bind(&mut self, bind: Bind) -> Result<(), SessionError> {
        self.forget_other_rights();
        let mut prepared =
            self.statements.get(&bind.statement).cloned().ok_or_else(|| no_statement(&bind.statement))?;
        if !prepared.is_empty() {
            self.check_transaction(prepared.ends_transaction)?;
        }
        // The unnamed portal is replaced by each Bind; a named one must be closed first.
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(PgError::new("42P03", format!("cursor \"{}\" already exists", bind.portal)).into());
        }
        if self.portals.len() >= PORTALS_MAX {
            return Err(PgError::new("53400", format!("a connection has at most {PORTALS_MAX} portals")).into());
        }
        let wanted = prepared.parameters;
        if bind.values.len() != wanted {
            let given = bind.values.len();
            let message = format!("bind message supplies {given} parameters, but the statement requires {wanted}");
            return Err(PgError::of(Cause::Protocol, message).into());
        }
        let mut parameters = Vec::with_capacity(wanted);
        if wanted > 0 {
            let description = self.description(&bind.statement, &mut prepared).await?;
            // The zone of now, since text of a time without one is in the zone of the session.
            let zone = self.variables.zone();
            for (index, (value, of)) in bind.values.iter().zip(&description.parameters).enumerate() {
                let is_binary = format_of(&bind.formats, index)? == 1;
                let oid = parameter_oid(&prepared, index, of);
                parameters.push(read_value(value.as_ref(), is_binary, oid, of, zone)?);
            }
        }
        // Checked here, so that the error comes with Bind and not with the first row.
        for format in &bind.result_formats {
            if !matches!(format, 0 | 1) {
                return Err(PgError::of(Cause::Protocol, format!("there is no format {format}")).into());
            }
        }
        // Described now, a portal keeps its columns even where the variables change before Execute.
        let described = prepared.description.as_ref().map(|(_, description)| Arc::clone(&description.schema));
        let portal = Portal {
            prepared,
            parameters,
            formats: bind.result_formats,
            described,
            result: None,
            is_done: false,
            is_held: false,
        };
        self.portals.insert(bind.portal, portal);
        put_bare(&mut self.wire.out, BIND_COMPLETE);
        Ok(())
    }

    /// Handles Describe: the client is told the parameters and columns.
    pub(crate) async fn handle_describe(&mut self, target: Target, name: &str) -> Result<(), SessionError> {
        match target {
            Target::Statement => {
                let mut prepared = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
                let columns = match self.columns(name, &mut prepared).await? {
                    Columns::Of(schema) => Some(describe_columns(&schema)),
                    Columns::OfQuery(description) => Some(describe_columns(&description.schema)),
                    Columns::None => None,
                };
                let mut parameters = Vec::new();
                if prepared.parameters > 0 {
                    let description = self.description(name, &mut prepared).await?;
                    let types = description.parameters.iter().enumerate();
                    parameters.extend(types.map(|(index, of)| parameter_oid(&prepared, index, of)));
                }
                // Describe of a statement has no formats yet, so its columns are described as text.
                put_parameter_description(&mut self.wire.out, &parameters);
                match columns {
                    Some(columns) => put_row_description(&mut self.wire.out, &columns, &vec![0; columns.len()]),
                    None => put_bare(&mut self.wire.out, NO_DATA),
                }
            }
            Target::Portal => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                let (mut prepared, formats) = (portal.prepared.clone(), portal.formats.clone());
                let described = match self.columns(NO_STATEMENT, &mut prepared).await? {
                    Columns::Of(schema) => Some(schema),
                    Columns::OfQuery(description) => Some(Arc::clone(&description.schema)),
                    Columns::None => None,
                };
                let Some(schema) = described else {
                    put_bare(&mut self.wire.out, NO_DATA);
                    return Ok(());
                };
                let columns = describe_columns(&schema);
                let formats = formats_of(&formats, columns.len())?;
                put_row_description(&mut self.wire.out, &columns, &formats);
                if let Some(portal) = self.portals.get_mut(name) {
                    portal.described = Some(schema);
                }
            }
        }
        Ok(())
    }

    /// Handles Execute: rows of a portal are sent, at most `rows_max`, where that is above 0.
    pub(crate) async fn handle_execute(&mut self, name: &str, rows_max: i32) -> Result<(), SessionError> {
        let portal = self.portals.get_mut(name).ok_or_else(|| no_portal(name))?;
        if portal.prepared.is_empty() {
            put_bare(&mut self.wire.out, EMPTY_QUERY);
            return Ok(());
        }
        if portal.is_done {
            let tag = portal.result.as_ref().map_or("SELECT", |result| result.tag);
            put_command_complete(&mut self.wire.out, &complete_tag(tag, 0));
            return Ok(());
        }
        let (formats, prepared) = (portal.formats.clone(), portal.prepared.clone());
        // Taken out while rows are sent: after an error the portal has no rows to go on with.
        let started = portal.result.take();
        self.check_transaction(prepared.ends_transaction)?;
        self.begin_statement(prepared.text());
        let mut result = match started {
            Some(result) => result,
            None => match self.start_portal(name, &prepared).await? {
                Some(result) => result,
                None => return Ok(()),
            },
        };
        let formats = formats_of(&formats, result.columns.len())?;
        let form = RowForm::Rows(formats.iter().map(|format| *format == 1).collect());
        // 0 and negative counts mean all rows.
        let rows_max = usize::try_from(rows_max).ok().filter(|rows| *rows > 0);
        let (has_more, rows) = self.send_rows(&mut result, &form, rows_max).await?;
        if has_more {
            put_bare(&mut self.wire.out, PORTAL_SUSPENDED);
            if let Some(portal) = self.portals.get_mut(name) {
                portal.result = Some(result);
            }
        } else {
            put_command_complete(&mut self.wire.out, &complete_tag(result.tag, rows));
            self.finish_portal(name, Some(result));
        }
        Ok(())
    }

    /// Starts the command of a portal; without rows to send, it is complete.
    async fn start_portal(&mut self, name: &str, prepared: &Prepared) -> Result<Option<ResultCursor>, SessionError> {
        self.forget_other_rights();
        let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
        let (formats, parameters, described) =
            (portal.formats.clone(), portal.parameters.clone(), portal.described.clone());
        let Some(command) = prepared.command()? else { return Ok(None) };
        match &*command {
            Command::Query(query) => return self.start_query(query, parameters, described.as_ref()).await.map(Some),
            Command::Copy { query, format } => {
                self.finish_portal(name, None);
                self.copy(query, format.clone()).await?;
            }
            Command::Fetch { cursor, rows, is_move } => {
                self.finish_portal(name, None);
                self.fetch(cursor, *rows, *is_move, Some(&formats)).await?;
            }
            Command::Declare { cursor, is_held, query } => {
                let (query, declared) = (query.as_ref().clone(), prepared.declared.clone());
                self.declare(cursor.clone(), *is_held, query, declared, parameters).await?;
                put_command_complete(&mut self.wire.out, DECLARED);
                self.finish_portal(name, None);
            }
            command => match self.execute_command(command.clone()).await? {
                CommandResult::Rows(result) => return Ok(Some(result)),
                CommandResult::Tag(tag) => {
                    put_command_complete(&mut self.wire.out, &tag);
                    self.finish_portal(name, None);
                }
            },
        }
        Ok(None)
    }

    fn finish_portal(&mut self, name: &str, result: Option<ResultCursor>) {
        if let Some(portal) = self.portals.get_mut(name) {
            portal.is_done = true;
            portal.result = result;
        }
    }

    /// Handles Close: a prepared statement or portal is dropped, which is no error where there is none.
    pub(crate) fn handle_close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => drop(self.statements.remove(name)),
            Target::Portal => drop(self.portals.remove(name)),
        }
        // A cursor of that name is a portal too, and its statement is cancelled when it is dropped.
        put_bare(&mut self.wire.out, CLOSE_COMPLETE);
    }

    /// Description of a prepared statement's parameters and columns, which the engine plans where it is not known yet.
    async fn description(&mut self, name: &str, prepared: &mut Prepared) -> Result<Arc<Description>, SessionError> {
        self.forget_other_rights();
        if let Some((epoch, description)) = &prepared.description
            && *epoch == self.epoch
        {
            return Ok(Arc::clone(description));
        }
        let command = prepared.command()?;
        let Some(query) = command.as_deref().and_then(Command::with_parameters) else {
            return Err(PgError::new("42P02", "this statement has no parameters").into());
        };
        let session = self.session();
        let named = (0..prepared.parameters).map(|index| {
            let declared = prepared.declared.get(index).copied().unwrap_or(0);
            let in_text = query.parameters.get(index).copied().unwrap_or(0);
            [declared, in_text].iter().find_map(|oid| parameter_type(*oid))
        });
        // Types that the client declares come before those of casts in the text; the engine infers the rest.
        let named: Vec<Option<DataType>> = named.collect();
        if query.is_surely_empty
            && let Some(names) = query.statement.names().all()
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let parameters = named.into_iter().map(|of| of.unwrap_or(DataType::Utf8)).collect();
            return Ok(Arc::new(Description { schema: text_schema(&names), parameters }));
        }
        let engine = Arc::clone(&self.engine);
        let statement = query.statement.clone();
        self.begin_statement(&query.text);
        let describing = engine.describe(&query.text, statement, named, &session);
        let before = query.before;
        let described = async { describing.await.map_err(|error| PgError::from(error).behind(before)) };
        let mut description = self.wait(described).await?;
        if query.explain.is_some() {
            description.schema = text_schema(&[EXPLAIN_COLUMN]);
        }
        let description = Arc::new(description);
        prepared.description = Some((self.epoch, Arc::clone(&description)));
        // The portal and the stored statement share the plan, so that Describe and Bind plan once.
        if let Some(stored) = self.statements.get_mut(name) {
            stored.description.clone_from(&prepared.description);
        }
        Ok(description)
    }

    /// Columns of the result that a statement will have.
    async fn columns(&mut self, name: &str, prepared: &mut Prepared) -> Result<Columns, SessionError> {
        let command = prepared.command()?;
        Ok(match command.as_deref() {
            Some(Command::Query(_)) => Columns::OfQuery(self.description(name, prepared).await?),
            Some(Command::Show(variable)) => Columns::Of(text_schema(&[variable])),
            Some(Command::ShowAll) => Columns::Of(text_schema(&SHOW_ALL_COLUMNS)),
            Some(Command::Fetch { cursor, is_move: false, .. }) => {
                let of_cursor = self.portals.get(cursor).map(|portal| portal.prepared.clone());
                match of_cursor {
                    Some(mut prepared) => match prepared.command()?.as_deref() {
                        Some(Command::Query(_)) => {
                            let description = self.description(NO_STATEMENT, &mut prepared).await?;
                            Columns::Of(Arc::clone(&description.schema))
                        }
                        _ => Columns::None,
                    },
                    None => return Err(PgError::new("34000", format!("cursor \"{cursor}\" does not exist")).into()),
                }
            }
            _ => Columns::None,
        })
    }
}

/// Name that no statement has, since names of the protocol end at a zero.
const NO_STATEMENT: &str = "\0";

/// Columns of a result, before they are described.
enum Columns {
    None,
    Of(SchemaRef),
    OfQuery(Arc<Description>),
}

/// OID of a parameter's type, as the client declares it or, where it leaves it open, as the engine infers it.
fn parameter_oid(prepared: &Prepared, index: usize, of: &DataType) -> u32 {
    match prepared.declared.get(index) {
        Some(oid) if *oid != 0 && *oid != Type::UNKNOWN.oid() => *oid,
        _ => type_of(of).oid(),
    }
}

/// Error of a portal that does not exist.
fn no_portal(name: &str) -> PgError {
    PgError::new("34000", format!("portal \"{name}\" does not exist"))
}
