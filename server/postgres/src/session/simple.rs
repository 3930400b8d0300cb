//! The simple protocol: a text of one or more statements, whose results are sent as text.

use crate::protocol::messages::{EMPTY_QUERY, put_bare, put_command_complete, put_row_description};
use crate::rows::{ResultCursor, RowForm};
use crate::session::connection::Connection;
use crate::session::outcome::{CommandResult, SessionError, complete_tag};
use crate::statement::commands::Command;
use crate::statement::parse::parse_commands;

impl Connection {
    /// Executes the statements of a text one after the other; the first that fails ends the message.
    pub(crate) async fn handle_query(&mut self, sql: &str) -> Result<(), SessionError> {
        // A simple query ends the unnamed portal, as PostgreSQL has it.
        self.portals.remove("");
        // All of the text is parsed before any of it runs: a syntax error at its end runs nothing.
        let commands = parse_commands(sql)?;
        if commands.is_empty() {
            put_bare(&mut self.wire.out, EMPTY_QUERY);
        }
        for command in commands {
            self.begin_statement(sql);
            self.check_transaction(command.ends_transaction())?;
            match command {
                Command::Copy { query, format } => self.copy(&query, format).await?,
                Command::Fetch { cursor, rows, is_move } => self.fetch(&cursor, rows, is_move, None).await?,
                command => match self.execute_command(command).await? {
                    CommandResult::Tag(tag) => put_command_complete(&mut self.wire.out, &tag),
                    CommandResult::Rows(mut result) => self.send_all(&mut result).await?,
                },
            }
            // The next statement is executed under what this one has set.
            self.apply_set_config()?;
        }
        Ok(())
    }

    /// Sends a whole result with its description.
    async fn send_all(&mut self, result: &mut ResultCursor) -> Result<(), SessionError> {
        let formats = vec![0; result.columns.len()];
        put_row_description(&mut self.wire.out, &result.columns, &formats);
        let form = RowForm::Rows(vec![false; formats.len()]);
        let (_, rows) = self.send_rows(result, &form, None).await?;
        put_command_complete(&mut self.wire.out, &complete_tag(result.tag, rows));
        Ok(())
    }
}
