//! Server over HTTP, as `sql` and the commands of administration reach it: Basic authentication, and TLS with the certificates
//! to trust.

use std::path::Path;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use zonelake_server::FailureKind;

use crate::error::CliError;
use crate::options::CredentialOptions;

/// One server, and the credentials for it.
#[derive(Debug)]
pub(crate) struct RemoteServer {
    agent: Agent,
    url: String,
    authorization: String,
}

impl RemoteServer {
    /// A server at `url`; the first request connects.
    ///
    /// # Errors
    /// Where there is no password, or the certificates to trust cannot be read.
    pub(crate) fn new(url: &str, credentials: &CredentialOptions) -> Result<Self, CliError> {
        let Some(password) = &credentials.password else {
            return Err(CliError::new(
                FailureKind::NoPermission,
                "a password is needed: set ZONELAKE_PASSWORD (the server prints the first one at its first start)",
            ));
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("zonelake/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT));
        if url.starts_with("https:") {
            let certificates = trusted_certificates(credentials.ca.as_deref())?;
            config = config.tls_config(TlsConfig::builder().root_certs(certificates).build());
        }
        Ok(Self {
            agent: config.build().into(),
            url: url.trim_end_matches('/').to_owned(),
            authorization: basic_authorization(&credentials.user, password),
        })
    }

    /// Address of the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a statement with further headers, and gives back the body of the response.
    ///
    /// # Errors
    /// Where the server cannot be reached or refuses the statement.
    pub(crate) fn query(&self, sql: &str, accept: &str, headers: &[(&str, String)]) -> Result<Body, CliError> {
        let url = format!("{}/api/v1/sql", self.url);
        let mut request = self
            .agent
            .post(&url)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/sql")
            .header("Accept", accept);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send(sql).map_err(|error| unreachable_server(&url, &error))?;
        let (head, mut body) = response.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let kind = kind_of_status(head.status.as_u16());
        let words = body.with_config().limit(MESSAGE_BYTES_MAX).lossy_utf8(true).read_to_string().unwrap_or_default();
        let words = message_of_error(&words);
        // What is wrong with a query needs no word of the server; everything else does.
        let message = match kind {
            FailureKind::Input if !words.is_empty() => words,
            _ => format!("{url} says {}: {words}", head.status),
        };
        Err(CliError::new(kind, message))
    }

    /// Sends a request of JSON; status and body of the response.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub(crate) fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), CliError> {
        let url = format!("{}{path}", self.url);
        let has_body = method == Method::POST || method == Method::PATCH;
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json");
        let invalid = |error: axum::http::Error| CliError::input(format!("{url} is no address of a server: {error}"));
        let agent = &self.agent;
        let response = match has_body {
            true => {
                let request = agent.configure_request(request.body(body).map_err(invalid)?);
                agent.run(request.timeout_global(Some(RESPONSE_TIMEOUT)).build())
            }
            false => {
                let request = agent.configure_request(request.body(()).map_err(invalid)?);
                agent.run(request.timeout_global(Some(RESPONSE_TIMEOUT)).build())
            }
        };
        let response = response.map_err(|error| unreachable_server(&url, &error))?;
        let (head, mut body) = response.into_parts();
        let text = body.with_config().limit(RESPONSE_BYTES_MAX).read_to_vec();
        Ok((head.status, text.map_err(|error| unreachable_server(&url, &error))?))
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a server has for a response of administration.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an error message that are read.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a response of administration that are read.
const RESPONSE_BYTES_MAX: u64 = 64 << 20;
/// Files in which systems keep the certificates that they trust.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// What to do about an error response. Damage of stored data has a code of its own, where the status says no more than *500*.
pub(crate) fn kind_of_response(status: u16, body: &str) -> FailureKind {
    let json = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    if json["code"] == "storage" && status == 500 {
        return FailureKind::Unsound;
    }
    kind_of_status(status)
}

fn kind_of_status(status: u16) -> FailureKind {
    match status {
        401 | 403 => FailureKind::NoPermission,
        429 | 502..=504 => FailureKind::TryAgain,
        400..=499 => FailureKind::Input,
        _ => FailureKind::Failed,
    }
}

/// Message of an error response: its JSON field `message` or `error`, or the whole text where it is not such JSON.
pub(crate) fn message_of_error(body: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    let field = ["message", "error"].into_iter().find_map(|name| json.get(name)?.as_str());
    let message = field.unwrap_or(body.trim()).to_owned();
    match json.get("hint").and_then(serde_json::Value::as_str) {
        Some(hint) => format!("{message}\nHint: {hint}"),
        None => message,
    }
}

fn unreachable_server(url: &str, error: &ureq::Error) -> CliError {
    CliError::new(FailureKind::TryAgain, format!("no answer from {url}: {error}"))
}

fn basic_authorization(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn trusted_certificates(file: Option<&Path>) -> Result<RootCerts, CliError> {
    let system = || SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let Some(path) = file.or_else(system) else {
        return Err(CliError::input("this system has no list of trusted certificates: name a file with --ca"));
    };
    let pem = std::fs::read(path)
        .map_err(|error| CliError::input(format!("cannot read the certificates {}: {error}", path.display())))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(CliError::input(format!("{} has no certificate", path.display())));
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
        assert_eq!(message_of_error(r#"{"error":"no such table"}"#), "no such table");
        assert_eq!(message_of_error("plain words\n"), "plain words");
    }
}
