//! Execution of COPY.

use bytes::BytesMut;

use crate::protocol::messages::{COPY_DONE, put_bare, put_command_complete, put_copy_out, put_message};
use crate::rows::RowForm;
use crate::session::connection::Connection;
use crate::session::outcome::SessionError;
use crate::statement::query::Query;
use zonelake_postgres_values::CopyFormat;

impl Connection {
    /// Executes a COPY: sends the whole result of a query in its form.
    pub(crate) async fn copy(&mut self, query: &Query, format: CopyFormat) -> Result<(), SessionError> {
        let mut result = self.start_query(query, Vec::new(), None).await?;
        put_copy_out(&mut self.wire.out, format == CopyFormat::Binary, result.columns.len());
        let mut header = BytesMut::new();
        format.put_header(&result.names(), &mut header);
        if format == CopyFormat::Binary {
            // Clients look for the header in the message of the first row.
            result.copy_header = header;
        } else if !header.is_empty() {
            put_message(&mut self.wire.out, b'd', |out| out.extend_from_slice(&header));
        }
        let (_, rows) = self.send_rows(&mut result, &RowForm::Copy(format.clone()), None).await?;
        // A result without rows has not sent the header yet.
        let mut trailer = std::mem::take(&mut result.copy_header);
        format.put_trailer(&mut trailer);
        if !trailer.is_empty() {
            put_message(&mut self.wire.out, b'd', |out| out.extend_from_slice(&trailer));
        }
        put_bare(&mut self.wire.out, COPY_DONE);
        put_command_complete(&mut self.wire.out, &format!("COPY {rows}"));
        Ok(())
    }
}
