//! The extended protocol: statements that are parsed once and run with values, their answers in parts and in text or binary
//! form. An error is told once; what follows it is passed over until Sync, as pipelines of clients expect.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use pgwire::api::Type;
use zonelake_query::Description;

use crate::rows::{Answer, RowForm, describe_columns, text_schema};
use crate::statement::column_names::ColumnNames;
use crate::statement::parse::{Command, read_commands};
use crate::session::connection::{Connection, Ended, PORTALS_MAX, Portal, Prepared};
use crate::error::PgError;
use crate::protocol::messages::{
    BIND_COMPLETE, Bind, CLOSE_COMPLETE, EMPTY_QUERY, NO_DATA, PARSE_COMPLETE, PORTAL_SUSPENDED, Target, put_bare,
    put_command_complete, put_parameter_description, put_row_description,
};
use crate::statement::parameters::read_value;
use crate::session::execute::{DECLARED, Outcome, SHOW_ALL_COLUMNS, complete_tag, no_statement};
use crate::values::types::{parameter_type, type_of};

impl Connection {
    pub(crate) fn parse(&mut self, name: String, sql: &str, types: Vec<u32>) -> Result<(), Ended> {
        let mut commands = read_commands(sql)?;
        if commands.len() > 1 {
            return Err(PgError::syntax("cannot insert multiple commands into a prepared statement").into());
        }
        let command = commands.pop();
        if let Some(command) = &command {
            self.check_transaction(command)?;
        }
        if name.is_empty() {
            self.statements.remove("");
        }
        self.keep_statement(name, Prepared { command, declared: types, description: None })?;
        put_bare(&mut self.wire.out, PARSE_COMPLETE);
        Ok(())
    }

    pub(crate) async fn bind(&mut self, bind: Bind) -> Result<(), Ended> {
        let mut prepared =
            self.statements.get(&bind.statement).cloned().ok_or_else(|| no_statement(&bind.statement))?;
        if let Some(command) = &prepared.command {
            self.check_transaction(command)?;
        }
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(PgError::new("42P03", format!("cursor \"{}\" already exists", bind.portal)).into());
        }
        if self.portals.len() >= PORTALS_MAX {
            return Err(PgError::new("53400", format!("a connection has at most {PORTALS_MAX} portals")).into());
        }
        let wanted = parameter_count(&prepared);
        if bind.values.len() != wanted {
            let given = bind.values.len();
            let message = format!("bind message supplies {given} parameters, but the statement requires {wanted}");
            return Err(PgError::new("08P01", message).into());
        }
        let mut parameters = Vec::with_capacity(wanted);
        if wanted > 0 {
            let description = self.description(&bind.statement, &mut prepared).await?;
            let zone = self.variables.zone().arrow_name();
            for (index, (value, of)) in bind.values.iter().zip(&description.parameters).enumerate() {
                let is_binary = format_of(&bind.formats, index)? == 1;
                let oid = parameter_oid(&prepared, index, of);
                parameters.push(read_value(value.as_ref(), is_binary, oid, of, &zone)?);
            }
        }
        for format in &bind.result_formats {
            if !matches!(format, 0 | 1) {
                return Err(PgError::new("08P01", format!("there is no format {format}")).into());
            }
        }
        let told = prepared.description.as_ref().map(|(_, description)| Arc::clone(&description.schema));
        let portal = Portal {
            prepared,
            parameters,
            formats: bind.result_formats,
            told,
            answer: None,
            rows: 0,
            is_done: false,
            is_held: false,
        };
        self.portals.insert(bind.portal, portal);
        put_bare(&mut self.wire.out, BIND_COMPLETE);
        Ok(())
    }

    pub(crate) async fn describe(&mut self, target: Target, name: &str) -> Result<(), Ended> {
        match target {
            Target::Statement => {
                let mut prepared = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
                let columns = match self.columns(name, &mut prepared).await? {
                    Columns::Of(schema, names) => Some(describe_columns(&schema, &names)),
                    Columns::OfQuery(description, names) => Some(describe_columns(&description.schema, &names)),
                    Columns::None => None,
                };
                let mut parameters = Vec::new();
                if parameter_count(&prepared) > 0 {
                    let description = self.description(name, &mut prepared).await?;
                    let types = description.parameters.iter().enumerate();
                    parameters.extend(types.map(|(index, of)| parameter_oid(&prepared, index, of)));
                }
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
                    Columns::Of(schema, names) => Some((schema, names)),
                    Columns::OfQuery(description, names) => Some((Arc::clone(&description.schema), names)),
                    Columns::None => None,
                };
                let Some((schema, names)) = described else {
                    put_bare(&mut self.wire.out, NO_DATA);
                    return Ok(());
                };
                let columns = describe_columns(&schema, &names);
                let formats = formats_of(&formats, columns.len())?;
                put_row_description(&mut self.wire.out, &columns, &formats);
                if let Some(portal) = self.portals.get_mut(name) {
                    portal.told = Some(schema);
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn execute(&mut self, name: &str, rows_max: i32) -> Result<(), Ended> {
        let portal = self.portals.get_mut(name).ok_or_else(|| no_portal(name))?;
        let Some(command) = portal.prepared.command.clone() else {
            put_bare(&mut self.wire.out, EMPTY_QUERY);
            return Ok(());
        };
        if portal.is_done {
            let tag = portal.answer.as_ref().map_or("SELECT", |answer| answer.tag);
            put_command_complete(&mut self.wire.out, &complete_tag(tag, 0));
            return Ok(());
        }
        let (formats, parameters, told) = (portal.formats.clone(), portal.parameters.clone(), portal.told.clone());
        let begun = portal.answer.take();
        self.check_transaction(&command)?;
        self.begin_statement();
        let mut answer = match (begun, command) {
            (Some(answer), _) => answer,
            (None, Command::Query(query)) => self.start_query(&query, parameters, told.as_ref()).await?,
            (None, Command::Copy { query, format }) => {
                self.finish_portal(name, None);
                return self.copy(&query, format).await;
            }
            (None, Command::Fetch { cursor, rows, is_move }) => {
                self.finish_portal(name, None);
                return self.fetch(&cursor, rows, is_move, Some(&formats)).await;
            }
            (None, Command::Declare { cursor, is_held, query }) => {
                let declared = self.portals.get(name).map_or_else(Vec::new, |portal| portal.prepared.declared.clone());
                self.declare(cursor, is_held, *query, declared, parameters).await?;
                put_command_complete(&mut self.wire.out, DECLARED);
                self.finish_portal(name, None);
                return Ok(());
            }
            (None, command) => match self.carry_out(command).await? {
                Outcome::Rows(answer) => answer,
                Outcome::Tag(tag) => {
                    put_command_complete(&mut self.wire.out, &tag);
                    self.finish_portal(name, None);
                    return Ok(());
                }
            },
        };
        let formats = formats_of(&formats, answer.columns.len())?;
        let form = RowForm::Rows(formats.iter().map(|format| *format == 1).collect());
        let rows_max = usize::try_from(rows_max).ok().filter(|rows| *rows > 0);
        let (has_more, rows) = self.send_rows(&mut answer, &form, rows_max).await?;
        if has_more {
            put_bare(&mut self.wire.out, PORTAL_SUSPENDED);
            if let Some(portal) = self.portals.get_mut(name) {
                portal.answer = Some(answer);
                portal.rows += rows;
            }
        } else {
            put_command_complete(&mut self.wire.out, &complete_tag(answer.tag, rows));
            self.finish_portal(name, Some(answer));
        }
        Ok(())
    }

    fn finish_portal(&mut self, name: &str, answer: Option<Answer>) {
        if let Some(portal) = self.portals.get_mut(name) {
            portal.is_done = true;
            portal.answer = answer;
        }
    }

    pub(crate) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => drop(self.statements.remove(name)),
            Target::Portal => drop(self.portals.remove(name)),
        }
        put_bare(&mut self.wire.out, CLOSE_COMPLETE);
    }

    /// What is known of a prepared statement's parameters and columns; asked of the engine where it is not known.
    async fn description(&mut self, name: &str, prepared: &mut Prepared) -> Result<Arc<Description>, Ended> {
        if let Some((epoch, description)) = &prepared.description
            && *epoch == self.epoch
        {
            return Ok(Arc::clone(description));
        }
        let Some(query) = prepared.command.as_ref().and_then(Command::with_parameters).cloned() else {
            return Err(PgError::new("42P02", "this statement has no parameters").into());
        };
        let session = self.session();
        let named = (0..parameter_count(prepared)).map(|index| {
            let declared = prepared.declared.get(index).copied().unwrap_or(0);
            let said = query.parameters.get(index).copied().unwrap_or(0);
            [declared, said].iter().find_map(|oid| parameter_type(*oid))
        });
        let named: Vec<Option<DataType>> = named.collect();
        if query.is_empty
            && let Some(names) = query.names.all()
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let parameters = named.into_iter().map(|of| of.unwrap_or(DataType::Utf8)).collect();
            return Ok(Arc::new(Description { schema: text_schema(&names), parameters }));
        }
        let engine = Arc::clone(&self.engine);
        let statement = query.statement.clone();
        self.begin_statement();
        let description = self.wait(async { Ok(Arc::new(engine.describe(statement, named, &session).await?)) }).await?;
        prepared.description = Some((self.epoch, Arc::clone(&description)));
        if let Some(kept) = self.statements.get_mut(name) {
            kept.description.clone_from(&prepared.description);
        }
        Ok(description)
    }

    /// The columns of what a statement will answer.
    async fn columns(&mut self, name: &str, prepared: &mut Prepared) -> Result<Columns, Ended> {
        Ok(match &prepared.command {
            Some(Command::Query(query)) => {
                let names = query.names.clone();
                Columns::OfQuery(self.description(name, prepared).await?, names)
            }
            Some(Command::Show(variable)) => Columns::Of(text_schema(&[variable]), ColumnNames::default()),
            Some(Command::ShowAll) => Columns::Of(text_schema(&SHOW_ALL_COLUMNS), ColumnNames::default()),
            Some(Command::Fetch { cursor, is_move: false, .. }) => {
                let of_cursor = self.portals.get(cursor).map(|portal| portal.prepared.clone());
                match of_cursor {
                    Some(mut prepared) => match &prepared.command {
                        Some(Command::Query(query)) => {
                            let names = query.names.clone();
                            let description = self.description(NO_STATEMENT, &mut prepared).await?;
                            Columns::Of(Arc::clone(&description.schema), names)
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

/// A name that no statement has.
const NO_STATEMENT: &str = "\0";

enum Columns {
    None,
    Of(SchemaRef, ColumnNames),
    OfQuery(Arc<Description>, ColumnNames),
}

/// The number of parameters that a statement wants.
fn parameter_count(prepared: &Prepared) -> usize {
    let in_text = prepared.command.as_ref().and_then(Command::with_parameters);
    in_text.map_or(0, |query| query.parameters.len()).max(prepared.declared.len())
}

/// The number of a parameter's type, as the client knows it.
fn parameter_oid(prepared: &Prepared, index: usize, of: &DataType) -> u32 {
    match prepared.declared.get(index) {
        Some(oid) if *oid != 0 && *oid != Type::UNKNOWN.oid() => *oid,
        _ => type_of(of).oid(),
    }
}

/// The format of one of several things: none is text, one is for all.
fn format_of(formats: &[i16], index: usize) -> Result<i16, PgError> {
    let format = match formats {
        [] => 0,
        [one] => *one,
        many => *many.get(index).ok_or_else(|| PgError::new("08P01", "there are too few formats"))?,
    };
    match format {
        0 | 1 => Ok(format),
        other => Err(PgError::new("08P01", format!("there is no format {other}"))),
    }
}

/// The format of each column.
pub(crate) fn formats_of(formats: &[i16], columns: usize) -> Result<Vec<i16>, PgError> {
    (0..columns).map(|index| format_of(formats, index)).collect()
}

fn no_portal(name: &str) -> PgError {
    PgError::new("34000", format!("portal \"{name}\" does not exist"))
}
