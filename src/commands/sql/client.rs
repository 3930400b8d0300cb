//! One question over HTTP: `POST /api/v1/sql` with basic authentication; the answer's form is chosen by `Accept`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::Format;
use crate::failure::{Failure, FailureKind};

/// Which server, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClientOptions {
    /// Address of the server
    #[arg(long, value_name = "URL", env = "ZONELAKE_URL", default_value = "http://127.0.0.1:7421")]
    pub url: String,

    /// User
    #[arg(long, value_name = "NAME", env = "ZONELAKE_USER", default_value = "admin")]
    pub user: String,

    /// Password; better in the environment, where other users of this machine do not see it
    #[arg(long, env = "ZONELAKE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,

    /// Certificates to trust, PEM, where the address is https; without it those of the system
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Client {
    /// A client; it connects with the first question.
    ///
    /// # Errors
    /// Where there is no password, or the certificates to trust cannot be read.
    pub(crate) fn new(options: &ClientOptions) -> Result<Self, Failure> {
        let Some(password) = &options.password else {
            return Err(Failure::new(
                FailureKind::NoPermission,
                "a password is needed: set ZONELAKE_PASSWORD (the server prints the first one at its first start)",
            ));
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("zonelake/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT));
        if options.url.starts_with("https:") {
            let certificates = trusted_certificates(options.ca.as_deref())?;
            config = config.tls_config(TlsConfig::builder().root_certs(certificates).build());
        }
        Ok(Self {
            agent: config.build().into(),
            url: format!("{}/api/v1/sql", options.url.trim_end_matches('/')),
            authorization: basic_authorization(&options.user, password),
        })
    }

    /// The rows that answer a query.
    ///
    /// # Errors
    /// Where the query is refused or fails, or the server cannot be reached.
    pub(crate) fn rows(&self, query: &str) -> Result<Vec<RecordBatch>, Failure> {
        let broken = |error| Failure::failed(format!("the answer broke off: {error}"));
        let reader = StreamReader::try_new(self.ask(query, Format::Arrow)?.into_reader(), None).map_err(broken)?;
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
    pub(crate) fn write_answer(&self, query: &str, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| Failure::failed(format!("cannot write the answer: {error}"));
        if format == Format::Table {
            let rows = self.rows(query)?;
            return write_table(&rows, out).map_err(cannot);
        }
        let mut answer = self.ask(query, format)?.into_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let bytes =
                answer.read(&mut piece).map_err(|error| Failure::failed(format!("the answer broke off: {error}")))?;
            if bytes == 0 {
                return out.flush().map_err(cannot);
            }
            out.write_all(&piece[..bytes]).map_err(cannot)?;
        }
    }

    fn ask(&self, query: &str, format: Format) -> Result<Body, Failure> {
        let answer = self
            .agent
            .post(&self.url)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/sql")
            .header("Accept", media_type(format))
            .send(query)
            .map_err(|error| Failure::new(FailureKind::TryAgain, format!("no answer from {}: {error}", self.url)))?;
        let (head, mut body) = answer.into_parts();
        let kind = match head.status.as_u16() {
            200..=299 => return Ok(body),
            401 | 403 => FailureKind::NoPermission,
            429 | 502..=504 => FailureKind::TryAgain,
            400..=499 => FailureKind::Input,
            _ => FailureKind::Failed,
        };
        let words = body.with_config().limit(MESSAGE_BYTES_MAX).lossy_utf8(true).read_to_string().unwrap_or_default();
        let words = error_message(&words);
        // What is wrong with a query needs no word of the server; everything else does.
        let message = match kind {
            FailureKind::Input if !words.is_empty() => words,
            _ => format!("{} says {}: {words}", self.url, head.status),
        };
        Err(Failure::new(kind, message))
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of an error message that are read.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// Where systems keep the certificates that they trust.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Table | Format::Arrow => "application/vnd.apache.arrow.stream",
        Format::Csv => "text/csv",
        Format::Json => "application/json",
        Format::Ndjson => "application/x-ndjson",
        Format::Parquet => "application/vnd.apache.parquet",
    }
}

/// The message of an error answer: its JSON field `message` or `error`, or the whole text where it is not such JSON.
fn error_message(body: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    let field = ["message", "error"].into_iter().find_map(|name| json.get(name)?.as_str());
    field.unwrap_or(body.trim()).to_owned()
}

fn write_table(rows: &[RecordBatch], out: &mut dyn Write) -> std::io::Result<()> {
    let options = FormatOptions::new().with_null("NULL");
    let table = pretty_format_batches_with_options(rows, &options).map_err(std::io::Error::other)?;
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    writeln!(out, "{table}\n({count} {})", if count == 1 { "row" } else { "rows" })?;
    out.flush()
}

fn basic_authorization(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn trusted_certificates(file: Option<&Path>) -> Result<RootCerts, Failure> {
    let system = || SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let Some(path) = file.or_else(system) else {
        return Err(Failure::input("this system has no list of trusted certificates: name a file with --ca"));
    };
    let pem = std::fs::read(path)
        .map_err(|error| Failure::input(format!("cannot read the certificates {}: {error}", path.display())))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Failure::input(format!("{} has no certificate", path.display())));
    }
    Ok(RootCerts::from(certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_stand_in_the_header_as_rfc_7617_has_them() {
        assert_eq!(basic_authorization("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic_authorization("test", "123\u{a3}"), "Basic dGVzdDoxMjPCow==");
    }

    #[test]
    fn the_message_of_an_error_is_told_and_not_its_json() {
        assert_eq!(error_message(r#"{"error":"no such table"}"#), "no such table");
        assert_eq!(error_message("plain words\n"), "plain words");
    }
}
