//! Cursors: DECLARE, FETCH and MOVE. A cursor is a portal with a name, and goes forward only.

use datafusion::common::ScalarValue;

use crate::error::PgError;
use crate::protocol::messages::{TransactionStatus, put_command_complete, put_row_description};
use crate::rows::{ResultCursor, RowForm};
use crate::session::connection::{Connection, PORTALS_MAX, Portal};
use crate::session::outcome::{SessionError, formats_of, no_cursor};
use crate::session::prepared::Prepared;
use crate::statement::commands::Command;
use crate::statement::query::Query;

impl Connection {
    /// Starts the query of a cursor, with parameters of these types and values.
    pub(crate) async fn declare(
        &mut self,
        cursor: String,
        is_held: bool,
        query: Query,
        declared: Vec<u32>,
        parameters: Vec<ScalarValue>,
    ) -> Result<(), SessionError> {
        // Portals are dropped at the end of each message outside of a transaction, so no FETCH would find the cursor.
        if !is_held && self.transaction.status() == TransactionStatus::Idle {
            return Err(PgError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks").into());
        }
        if self.portals.contains_key(&cursor) {
            return Err(PgError::new("42P03", format!("cursor \"{cursor}\" already exists")).into());
        }
        // A cursor holds the permit and the memory of its statement.
        if self.portals.len() >= PORTALS_MAX {
            return Err(PgError::new("53400", format!("a connection has at most {PORTALS_MAX} cursors")).into());
        }
        // Started now, so that the cursor shows the rows of this moment and not of its first FETCH.
        let result = self.start_query(&query, parameters, None).await?;
        let (memory, text) = (self.engine.prepared_memory(), query.text.clone());
        let command = Command::Query(Box::new(query));
        let prepared = Prepared::new(memory, &self.user, &text, Some(command), declared)?;
        self.portals.insert(
            cursor,
            Portal {
                prepared,
                parameters: Vec::new(),
                formats: Vec::new(),
                described: None,
                result: Some(result),
                is_done: false,
                is_held,
            },
        );
        Ok(())
    }

    /// Sends the next rows of a cursor, or skips them. `formats` are those of a portal, whose columns the client knows
    /// already; without formats the columns are described first.
    pub(crate) async fn fetch(
        &mut self,
        cursor: &str,
        rows_max: Option<usize>,
        is_move: bool,
        formats: Option<&[i16]>,
    ) -> Result<(), SessionError> {
        let portal = self.portals.get_mut(cursor).ok_or_else(|| no_cursor(cursor))?;
        // Taken out while rows are sent: an error ends the cursor's statement, so nothing is put back then.
        let Some(mut result) = portal.result.take() else {
            return Err(PgError::new("24000", format!("cursor \"{cursor}\" has failed")).into());
        };
        let rows = if is_move {
            self.skip_rows(&mut result, rows_max).await?
        } else {
            let columns = result.columns.len();
            if formats.is_none() {
                put_row_description(&mut self.wire.out, &result.columns, &vec![0; columns]);
            }
            let formats = formats_of(formats.unwrap_or_default(), columns)?;
            let form = RowForm::Rows(formats.iter().map(|format| *format == 1).collect());
            self.send_rows(&mut result, &form, rows_max).await?.1
        };
        put_command_complete(&mut self.wire.out, &format!("{} {rows}", if is_move { "MOVE" } else { "FETCH" }));
        if let Some(portal) = self.portals.get_mut(cursor) {
            portal.result = Some(result);
        }
        Ok(())
    }

    async fn skip_rows(&mut self, result: &mut ResultCursor, rows_max: Option<usize>) -> Result<u64, SessionError> {
        let mut left = rows_max.unwrap_or(usize::MAX);
        let mut skipped = 0;
        // MOVE computes the rows that it skips, but does not encode them.
        while left > 0 && self.wait(result.fill()).await? {
            let rows = result.skip_rows(left);
            left -= rows;
            skipped += rows as u64;
        }
        Ok(skipped)
    }
}
