//! Start of a connection: encryption where the client asks for it, authentication, and the variables that it begins
//! with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use zonelake_net::{AuthenticationError, Authenticator, Cause, Credential, StallTimeout};
use zonelake_query::CATALOG;

use crate::error::PgError;
use crate::protocol::backends::{Backends, Registration};
use crate::protocol::messages::{
    AUTHENTICATION_BYTES_MAX, Body, ClientMessage, STARTUP_BYTES_MAX, TransactionStatus, put_message,
    put_parameter_status, put_ready, put_text,
};
use crate::protocol::scram::{DecoyParameters, MECHANISM, NONCE_BYTES, ScramError, ScramExchange};
use crate::protocol::wire::{Transport, Wire, WireError};
use crate::session::variables::Variables;

/// Parts that every start needs.
pub(crate) struct StartupArgs {
    pub authenticator: Arc<Authenticator>,
    pub tls: Option<TlsAcceptor>,
    pub plain_beyond_loopback: bool,
    pub backends: Arc<Backends>,
    /// Secret of the decoy parameters of unknown users.
    pub secret: [u8; 32],
    pub message_bytes_max: usize,
    /// Time for which a client may take nothing, or send nothing more of a message that has begun.
    pub stall_timeout: Duration,
}

impl fmt::Debug for StartupArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartupArgs").field("is_tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

/// Connection of an authenticated client.
#[derive(Debug)]
pub(crate) struct StartedConnection {
    pub wire: Wire,
    pub user: Arc<str>,
    /// The token that the client has shown in the place of a password.
    pub credential: Option<Credential>,
    pub variables: Variables,
    pub registration: Registration,
}

/// Reason that a connection does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    /// Failure of the connection, or its end by the client.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// Failure of TLS, after which there is no way back to plain text.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Refusal, of which the client was told.
    #[error("{0}")]
    Refused(PgError),
    /// Failure of the source of random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl From<io::Error> for StartupError {
    fn from(error: io::Error) -> Self {
        Self::Wire(error.into())
    }
}

/// Codes of the first message in the place of a protocol version.
const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
/// Most requests for encryption before the startup message.
const REQUESTS_MAX: usize = 4;

/// Starts a connection; `None` where it was a request to cancel a statement of another one.
pub(crate) async fn start_connection(
    args: &StartupArgs,
    stream: TcpStream,
    from: IpAddr,
) -> Result<Option<StartedConnection>, StartupError> {
    let mut stream: Box<dyn Transport> = Box::new(StallTimeout::new(stream, args.stall_timeout));
    let mut is_encrypted = false;
    // Clients try GSS and TLS one after the other and go on in plain text where both are declined.
    for _ in 0..REQUESTS_MAX {
        let (code, mut body) = read_first(stream.as_mut()).await?;
        match code {
            // Under TLS a second request is declined: there is no TLS within TLS.
            SSL_REQUEST => match args.tls.as_ref().filter(|_| !is_encrypted) {
                Some(tls) => {
                    stream.write_all(b"S").await?;
                    stream.flush().await?;
                    stream = Box::new(tls.accept(stream).await.map_err(StartupError::Tls)?);
                    is_encrypted = true;
                }
                None => {
                    stream.write_all(b"N").await?;
                    stream.flush().await?;
                }
            },
            GSS_REQUEST => {
                stream.write_all(b"N").await?;
                stream.flush().await?;
            }
            CANCEL_REQUEST => {
                if let (Some(process_id), Some(secret)) = (body.i32(), body.i32()) {
                    args.backends.cancel(process_id, secret);
                }
                // Without an orderly end of TLS the client takes its request for failed. It may have stopped listening
                // already.
                stream.shutdown().await.ok();
                return Ok(None);
            }
            code => {
                let mut wire = Wire::new(stream, AUTHENTICATION_BYTES_MAX, args.stall_timeout);
                // Passwords never cross the wire under SCRAM, but rows do.
                let allowed = is_encrypted || from.is_loopback() || args.plain_beyond_loopback;
                let started = open_session(args, &mut wire, StartupMessage { code, body }, from, allowed).await;
                return match started {
                    Ok((Authenticated { user, credential }, variables, registration)) => {
                        // Only an authenticated client may send messages that take much memory.
                        wire.message_bytes_max = args.message_bytes_max;
                        Ok(Some(StartedConnection { wire, user, credential, variables, registration }))
                    }
                    Err(StartupError::Refused(error)) => {
                        error.put_fatal(&mut wire.out);
                        wire.flush().await?;
                        wire.close().await;
                        Err(StartupError::Refused(error))
                    }
                    Err(error) => Err(error),
                };
            }
        }
    }
    Err(StartupError::Refused(PgError::of(Cause::Protocol, "too many requests for encryption")))
}

/// Reads the first message: its code, and the body behind it. Not a byte more is read: what a client sends in plain
/// text behind a request for TLS must not pass for encrypted.
async fn read_first(stream: &mut dyn Transport) -> Result<(i32, Body), StartupError> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let mut header = &header[..];
    let (length, code) = (header.get_i32(), header.get_i32());
    let rest = usize::try_from(length).ok().filter(|length| (8..=STARTUP_BYTES_MAX).contains(length));
    let Some(length) = rest else {
        return Err(StartupError::Refused(PgError::of(Cause::Protocol, "this is not PostgreSQL's protocol")));
    };
    let mut body = vec![0; length - 8];
    stream.read_exact(&mut body).await?;
    Ok((code, Body(body.into())))
}

/// Reads the names and values of the startup message.
fn read_parameters(mut body: Body) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            return Some(parameters);
        }
        parameters.push((name, body.text()?));
    }
}

/// First message that asks for a session: the version of the protocol, and names and values.
struct StartupMessage {
    code: i32,
    body: Body,
}

/// Checks the startup message, authenticates the client, and tells it of its session.
async fn open_session(
    args: &StartupArgs,
    wire: &mut Wire,
    message: StartupMessage,
    from: IpAddr,
    is_allowed: bool,
) -> Result<(Authenticated, Variables, Registration), StartupError> {
    let StartupMessage { code, body } = message;
    let refused = |error: PgError| StartupError::Refused(error);
    if code >> 16 != 3 {
        let message = format!("unsupported frontend protocol {}.{}: 3.0 is spoken here", code >> 16, code & 0xffff);
        return Err(refused(PgError::unsupported(message)));
    }
    let parameters = read_parameters(body)
        .ok_or_else(|| refused(PgError::of(Cause::Protocol, "the first message cannot be read")))?;
    // Before authentication, as the protocol has it: the client chooses by it how to go on.
    if code & 0xffff != 0 || parameters.iter().any(|(name, _)| name.starts_with("_pq_.")) {
        negotiate(wire, &parameters);
    }
    // Before authentication, so that the client sends no proof of a password in plain text.
    if !is_allowed {
        let message =
            "no encryption: passwords and rows do not cross the network readable; connect with sslmode=require";
        return Err(refused(PgError::of(Cause::NoCredential, message)));
    }
    let of = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let user = of("user").ok_or_else(|| refused(PgError::of(Cause::NoCredential, "no user name was given")))?;
    if let Some("true" | "on" | "yes" | "1" | "database") = of("replication").as_deref() {
        return Err(refused(PgError::unsupported("there is no replication over this protocol")));
    }
    // The name of the database is checked behind the password, so that an unauthenticated client learns nothing of it.
    let authenticated = authenticate(args, wire, &user, from).await?;
    let database = of("database").unwrap_or_else(|| user.clone());
    // libpq takes the name of the user for the database where none is given, and tools of administration take `postgres`.
    if database != CATALOG && database != user && database != "postgres" {
        let message = format!("database \"{database}\" does not exist: the one that there is is \"{CATALOG}\"");
        return Err(refused(PgError::of(Cause::UnknownDatabase, message)));
    }
    let mut variables = start_variables(&parameters).map_err(refused)?;
    variables.set_user(&user);
    let mut secret = [0; 4];
    getrandom::fill(&mut secret).map_err(StartupError::Random)?;
    // Registered last: a connection that fails before has nothing to cancel.
    let registration = args.backends.register(i32::from_be_bytes(secret), Arc::clone(&authenticated.user), from);
    for (name, value) in variables.reported() {
        put_parameter_status(&mut wire.out, name, value);
    }
    put_message(&mut wire.out, b'K', |out| {
        out.put_i32(registration.own.process_id);
        out.put_i32(registration.own.secret);
    });
    put_ready(&mut wire.out, TransactionStatus::Idle);
    wire.flush().await?;
    Ok((authenticated, variables, registration))
}

/// Tells a client of a newer protocol that 3.0 is spoken, and which of its options are unknown.
fn negotiate(wire: &mut Wire, parameters: &[(String, String)]) {
    let unknown: Vec<&String> =
        parameters.iter().map(|(name, _)| name).filter(|name| name.starts_with("_pq_.")).collect();
    put_message(&mut wire.out, b'v', |out| {
        out.put_i32(0);
        out.put_i32(i32::try_from(unknown.len()).unwrap_or(i32::MAX));
        unknown.iter().for_each(|name| put_text(out, name));
    });
}

/// Variables that the startup message sets: by name, or as `options` of the form `-c name=value`.
fn start_variables(parameters: &[(String, String)]) -> Result<Variables, PgError> {
    let mut given: Vec<(String, String)> = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => given.extend(read_options(value)?),
            name if name.starts_with("_pq_.") => {}
            _ => given.push((name.clone(), value.clone())),
        }
    }
    Variables::starting_with(given.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Reads `-c name=value` and `--name=value`, where a backslash stands in front of a space within a value.
fn read_options(options: &str) -> Result<Vec<(String, String)>, PgError> {
    let mut words = vec![String::new()];
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => words.last_mut().expect("there is one").extend(letters.next()),
            letter if letter.is_whitespace() => words.push(String::new()),
            letter => words.last_mut().expect("there is one").push(letter),
        }
    }
    let mut pairs = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let pair = match word.as_str() {
            "-c" => words.next().unwrap_or_default(),
            word => word
                .strip_prefix("-c")
                .or_else(|| word.strip_prefix("--"))
                .ok_or_else(|| PgError::of(Cause::Protocol, format!("the option {word} is not known")))?
                .to_owned(),
        };
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| PgError::of(Cause::Protocol, format!("the option {pair} has no value")))?;
        pairs.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(pairs)
}

/// Client that has proven who it is.
struct Authenticated {
    user: Arc<str>,
    credential: Option<Credential>,
}

/// Authenticates the client as that user, by SCRAM-SHA-256.
async fn authenticate(
    args: &StartupArgs,
    wire: &mut Wire,
    user: &str,
    from: IpAddr,
) -> Result<Authenticated, StartupError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(StartupError::Random)?;
    let keys = args.authenticator.role_keys(user, Some(from)).await;
    let keys = keys.map_err(|error| StartupError::Refused(PgError::of(error.into(), error.to_string())))?;
    // The password hash of such a role is of another scheme, from which no SCRAM keys can be made.
    if keys.is_empty() && args.authenticator.registry().role(user).is_some() {
        let message = "the password of this user was set before this protocol was spoken: use it once over HTTP \
                       (zonelake sql), or set it again, and connect again";
        return Err(StartupError::Refused(PgError::of(Cause::NoCredential, message)));
    }
    // From here on an unknown user gets the same messages as a known one.
    put_authentication(wire, SASL, |out| {
        put_text(out, MECHANISM);
        out.put_u8(0);
    });
    wire.flush().await?;
    let malformed = || StartupError::Refused(PgError::of(Cause::Protocol, "malformed SCRAM message"));
    let first = read_authentication(wire).await?;
    let mut first = Body(first);
    let mechanism = first.text().ok_or_else(malformed)?;
    if mechanism != MECHANISM {
        return Err(StartupError::Refused(PgError::of(
            Cause::NoCredential,
            format!("{MECHANISM} is the one mechanism"),
        )));
    }
    let length = first.i32().and_then(|length| usize::try_from(length).ok()).ok_or_else(malformed)?;
    // The response must fill the message: bytes behind it would belong to no part of the exchange.
    if length != first.0.len() {
        return Err(malformed());
    }
    let decoy = decoy_parameters(args, user);
    // The causes are dropped: who probes the exchange learns that a message is malformed and not where.
    let first = std::str::from_utf8(&first.0).map_err(|_cause| malformed())?;
    let (exchange, response) = ScramExchange::begin(first, keys, &decoy, nonce).map_err(|_cause| malformed())?;
    put_authentication(wire, SASL_CONTINUE, |out| out.put_slice(response.as_bytes()));
    wire.flush().await?;
    let last = read_authentication(wire).await?;
    let last = std::str::from_utf8(&last).map_err(|_cause| malformed())?;
    let has_tokens = exchange.has_tokens();
    let ended = args.authenticator.end_scram(user, Some(from), |are_passwords_looked_at| {
        match exchange.finish(last, are_passwords_looked_at) {
            Ok(proven) => Ok(Some(proven)),
            Err(ScramError::WrongPassword) => Ok(None),
            Err(ScramError::Malformed) => Err(malformed()),
        }
    })?;
    let (user, (response, token)) = ended.map_err(|error| match error {
        // PostgreSQL's own text. A role with tokens is still asked, so that nobody is told whether its password is looked at.
        error if has_tokens || error == AuthenticationError::WrongPassword => {
            let message = format!("password authentication failed for user \"{user}\"");
            StartupError::Refused(PgError::of(Cause::WrongPassword, message))
        }
        error => StartupError::Refused(PgError::of(error.into(), error.to_string())),
    })?;
    put_authentication(wire, SASL_FINAL, |out| out.put_slice(response.as_bytes()));
    put_authentication(wire, AUTHENTICATED, |_| {});
    let credential = token.map(|token| {
        args.authenticator.registry().note_token_use(token);
        args.authenticator.credential_of(token)
    });
    Ok(Authenticated { user, credential })
}

/// Parameters of a user who does not exist: the same ones each time, as those of a real one.
fn decoy_parameters(args: &StartupArgs, user: &str) -> DecoyParameters {
    let iterations = args.authenticator.scram_iterations();
    DecoyParameters { salt: zonelake_registry::made_up_salt(&args.secret, user), iterations }
}

/// Reads the next message, which must be one of the exchange.
async fn read_authentication(wire: &mut Wire) -> Result<Bytes, StartupError> {
    match wire.read().await? {
        ClientMessage::Authentication(body) => Ok(body),
        _ => Err(StartupError::Refused(PgError::of(Cause::Protocol, "a password is expected"))),
    }
}

/// Kinds of Authentication messages.
const AUTHENTICATED: i32 = 0;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

fn put_authentication(wire: &mut Wire, kind: i32, write: impl FnOnce(&mut BytesMut)) {
    put_message(&mut wire.out, b'R', |out| {
        out.put_i32(kind);
        write(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_libpq_sends_them() {
        let read = |options| read_options(options).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("-c statement_timeout=5s"), [pair("statement_timeout", "5s")]);
        assert_eq!(read("-csearch_path=a --time-zone=b\\ c"), [pair("search_path", "a"), pair("time_zone", "b c")]);
        assert_eq!(read_options("-x").unwrap_err().sqlstate, "08P01");
    }
}
