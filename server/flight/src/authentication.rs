//! Who calls, from the header `authorization` of each call.
//!
//! | header | who |
//! |---|---|
//! | `Basic name:password` | a role, where both are right; else a gateway, where the password is its token |
//! | `Bearer token` | whoever got the token from a handshake, or the gateway whose token it is |
//!
//! A role reads, a gateway appends to the tables of its zone. A handshake answers a right `Basic` with a token for
//! `Bearer`, which lives in memory: after a restart of the server a client shakes hands again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::metadata::MetadataMap;
use zonelake_ingest::gateway_of;
use zonelake_query::Caller;
use zonelake_query::credentials::Credentials;
use zonelake_registry::{Gateway, Registry};

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A role.
    Reader(Caller),
    /// A gateway.
    Writer(Arc<Gateway>),
}

/// Tells callers by their credentials.
#[derive(Debug)]
pub(crate) struct Callers {
    registry: Arc<Registry>,
    password_checks: Semaphore,
    /// Tokens of handshakes, the newest last.
    tokens: Mutex<VecDeque<Token>>,
}

/// A token of a handshake. The password is checked again with each call, so that a changed one ends the token.
#[derive(Clone)]
struct Token {
    token: Arc<str>,
    user: Arc<str>,
    password: Arc<str>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Callers {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, password_checks: Semaphore::new(PASSWORD_CHECKS_MAX), tokens: Mutex::default() }
    }

    /// Whoever has these credentials.
    pub(crate) async fn identify(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        let (user, password) = match credentials(metadata)? {
            Credentials::Basic { user, password } => (user.into(), password.into()),
            Credentials::Token(token) => match self.token(&token) {
                Some(known) => (known.user, known.password),
                None => {
                    let gateway = gateway_of(&self.registry, &token).await;
                    return gateway.map(Identity::Writer).ok_or_else(unknown_token);
                }
            },
        };
        self.check(user, password).await
    }

    /// The token with which further calls may come, in the place of name and password.
    pub(crate) async fn shake_hands(&self, metadata: &MetadataMap) -> Result<String, Status> {
        let Credentials::Basic { user, password } = credentials(metadata)? else {
            return Err(Status::unauthenticated("a handshake takes a name and a password by Basic authentication"));
        };
        let (user, password): (Arc<str>, Arc<str>) = (user.into(), password.into());
        if let Identity::Writer(_) = self.check(Arc::clone(&user), Arc::clone(&password)).await? {
            return Ok(password.as_ref().to_owned());
        }
        let mut random = [0; TOKEN_BYTES];
        getrandom::fill(&mut random).map_err(|error| crate::status::internal(&error))?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(random);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() == TOKENS_MAX {
            tokens.pop_front();
        }
        tokens.push_back(Token { token: token.as_str().into(), user, password });
        Ok(token)
    }

    async fn check(&self, user: Arc<str>, password: Arc<str>) -> Result<Identity, Status> {
        if let Some(gateway) = self.registry.authenticate_gateway(&password) {
            return Ok(Identity::Writer(gateway));
        }
        let caller = Caller { name: Arc::clone(&user) };
        let registry = Arc::clone(&self.registry);
        let is_right = {
            let _turn = self.password_checks.acquire().await.map_err(|error| crate::status::internal(&error))?;
            let password = Arc::clone(&password);
            tokio::task::spawn_blocking(move || registry.authenticate(&user, &password)).await
        };
        if is_right.map_err(|error| crate::status::internal(&error))? {
            return Ok(Identity::Reader(caller));
        }
        // It may be of a gateway that was added just now.
        let gateway = gateway_of(&self.registry, &password).await;
        gateway.map(Identity::Writer).ok_or_else(|| Status::unauthenticated("the user name or password is wrong"))
    }

    fn token(&self, token: &str) -> Option<Token> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().rev().find(|known| *known.token == *token).cloned()
    }
}

fn credentials(metadata: &MetadataMap) -> Result<Credentials, Status> {
    let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(Credentials::parse).ok_or_else(|| {
        Status::unauthenticated("send a name and a password by Basic authentication, or a token as a bearer token")
    })
}

fn unknown_token() -> Status {
    Status::unauthenticated("the token is unknown, revoked, or from before a restart of the server: shake hands again")
}

/// Passwords that are checked at the same time: each check takes much memory on purpose. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;
/// Bytes of chance in a token.
const TOKEN_BYTES: usize = 24;
/// Tokens that are remembered; the oldest is forgotten first.
const TOKENS_MAX: usize = 1_000;
