//! One query over HTTP: `POST /api/v1/sql` with basic authentication; the answer's form is chosen by `Accept`.

use std::io::{Read, Write};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::Args;

use super::format::Format;
use crate::error::CliError;
use crate::options::CredentialOptions;
use crate::remote::RemoteServer;

/// Server, and credentials for it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientOptions {
    /// Address of the server
    #[arg(long, value_name = "URL", env = "ZONELAKE_URL", default_value = "http://127.0.0.1:7421")]
    pub url: String,

    #[command(flatten)]
    pub credentials: CredentialOptions,

    #[command(flatten)]
    pub session: SessionOptions,
}

/// What holds for every query, as SET does over the PostgreSQL protocol.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SessionOptions {
    /// Zone of times without one, in which times are shown: Asia/Ho_Chi_Minh, or hours to the east
    #[arg(long, value_name = "ZONE", env = "ZONELAKE_TIME_ZONE", allow_hyphen_values = true)]
    pub time_zone: Option<String>,

    /// Schemas of tables that are named without one
    #[arg(long, value_name = "SCHEMAS")]
    pub search_path: Option<String>,

    /// Limit of each query's time, below that of the server: 1500 (milliseconds), 2s, 1min
    #[arg(long, value_name = "TIME")]
    pub statement_timeout: Option<String>,
}

impl SessionOptions {
    /// Headers of the requests.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("Zonelake-Time-Zone", &self.time_zone),
            ("Zonelake-Search-Path", &self.search_path),
            ("Zonelake-Statement-Timeout", &self.statement_timeout),
        ];
        let given = all.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        given.chain([("Zonelake-Application-Name", "zonelake sql".to_owned())]).collect()
    }
}

/// Client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    server: RemoteServer,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client; it connects with the first query.
    ///
    /// # Errors
    /// Where there is no password, or the certificates to trust cannot be read.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, CliError> {
        Ok(Self { server: RemoteServer::new(&options.url, &options.credentials)?, headers: options.session.headers() })
    }

    /// Rows that answer a query.
    ///
    /// # Errors
    /// Where the query is refused or fails, or the server cannot be reached.
    pub(crate) fn rows(&self, query: &str) -> Result<Vec<RecordBatch>, CliError> {
        let broken = |error| CliError::failed(format!("the answer broke off: {error}"));
        let reader = StreamReader::try_new(
            self.server.query(query, Format::Arrow.media_type(), &self.headers)?.into_reader(),
            None,
        )
        .map_err(broken)?;
        let schema = reader.schema();
        let mut rows = reader.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        if rows.is_empty() {
            rows.push(RecordBatch::new_empty(schema));
        }
        Ok(rows)
    }

    /// Writes the answer of a query in a format.
    ///
    /// # Errors
    /// As [`Client::rows`], and where the output cannot be written.
    pub(crate) fn write_answer(&self, query: &str, format: Format, out: &mut dyn Write) -> Result<(), CliError> {
        let cannot = |error: std::io::Error| CliError::failed(format!("cannot write the answer: {error}"));
        if format == Format::Table {
            let rows = self.rows(query)?;
            return write_table(&rows, out).map_err(cannot);
        }
        let mut answer = self.server.query(query, format.media_type(), &self.headers)?.into_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let bytes =
                answer.read(&mut piece).map_err(|error| CliError::failed(format!("the answer broke off: {error}")))?;
            if bytes == 0 {
                return out.flush().map_err(cannot);
            }
            out.write_all(&piece[..bytes]).map_err(cannot)?;
        }
    }
}

const PIECE_BYTES: usize = 64 * 1024;

fn write_table(rows: &[RecordBatch], out: &mut dyn Write) -> std::io::Result<()> {
    let options = FormatOptions::new().with_null("NULL");
    let table = pretty_format_batches_with_options(rows, &options).map_err(std::io::Error::other)?;
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    writeln!(out, "{table}\n({count} {})", if count == 1 { "row" } else { "rows" })?;
    out.flush()
}
