//! Authentication of each call by its header `authorization`.
//!
//! | header | principal |
//! |---|---|
//! | `Basic name:password` | a role, where both are right; else a gateway, where the password is its token |
//! | `Bearer token` | the client that got the token from a handshake, or the gateway whose token it is |
//!
//! A role reads, and a gateway appends to the tables of its zone. A handshake with valid `Basic` credentials returns a
//! token for `Bearer`. Tokens are in memory: after a restart of the server a client needs another handshake.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::metadata::MetadataMap;
use zonelake_net::gateway_of;
use zonelake_query::Caller;
use zonelake_net::Credentials;
use zonelake_registry::{Gateway, Registry};

use crate::status::internal;

/// Authenticated client.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// Role, which reads.
    Role(Caller),
    /// Gateway, which appends.
    Gateway(Arc<Gateway>),
}

/// Check of the credentials of a call, which gives its principal.
#[derive(Debug)]
pub(crate) struct CallAuthenticator {
    registry: Arc<Registry>,
    password_checks: Semaphore,
    /// Tokens of handshakes, newest last.
    tokens: Mutex<VecDeque<Token>>,
}

/// Token of a handshake. The password is checked again with each call, so that a changed password ends the token.
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

impl CallAuthenticator {
    /// Authenticator without tokens yet.
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, password_checks: Semaphore::new(PASSWORD_CHECKS_MAX), tokens: Mutex::default() }
    }

    /// Principal of these credentials.
    pub(crate) async fn authenticate(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        let (user, password) = match credentials(metadata)? {
            Credentials::Basic { user, password } => (user.into(), password.into()),
            Credentials::Token(token) => match self.token(&token) {
                Some(known) => (known.user, known.password),
                None => {
                    let gateway = gateway_of(&self.registry, &token).await;
                    return gateway.map(Principal::Gateway).ok_or_else(unknown_token);
                }
            },
        };
        self.check(user, password).await
    }

    /// Token that further calls may send in the place of name and password.
    pub(crate) async fn handle_handshake(&self, metadata: &MetadataMap) -> Result<String, Status> {
        let Credentials::Basic { user, password } = credentials(metadata)? else {
            return Err(Status::unauthenticated("a handshake takes a name and a password by Basic authentication"));
        };
        let (user, password): (Arc<str>, Arc<str>) = (user.into(), password.into());
        if let Principal::Gateway(_) = self.check(Arc::clone(&user), Arc::clone(&password)).await? {
            // A gateway has a token already: the one that it sent as the password.
            return Ok(password.as_ref().to_owned());
        }
        let mut random = [0; TOKEN_BYTES];
        getrandom::fill(&mut random).map_err(|error| internal(&error))?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(random);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A client whose token is dropped gets UNAUTHENTICATED and needs another handshake.
        if tokens.len() == TOKENS_MAX {
            tokens.pop_front();
        }
        tokens.push_back(Token { token: token.as_str().into(), user, password });
        Ok(token)
    }

    async fn check(&self, user: Arc<str>, password: Arc<str>) -> Result<Principal, Status> {
        // Tokens of gateways first: they are found by a hash table, where a password takes much memory and time.
        if let Some(gateway) = self.registry.authenticate_gateway(&password) {
            return Ok(Principal::Gateway(gateway));
        }
        let caller = Caller { name: Arc::clone(&user) };
        let registry = Arc::clone(&self.registry);
        let is_right = {
            let _permit = self.password_checks.acquire().await.map_err(|error| internal(&error))?;
            let password = Arc::clone(&password);
            // On a thread that may block: the check is slow on purpose.
            tokio::task::spawn_blocking(move || registry.authenticate(&user, &password)).await
        };
        if is_right.map_err(|error| internal(&error))? {
            return Ok(Principal::Role(caller));
        }
        // The token may be of a gateway that another process added just now, which is not in memory yet.
        let gateway = gateway_of(&self.registry, &password).await;
        gateway.map(Principal::Gateway).ok_or_else(|| Status::unauthenticated("the user name or password is wrong"))
    }

    fn token(&self, token: &str) -> Option<Token> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // In constant time, so that the time of a call says nothing of how much of a guess is right.
        tokens.iter().rev().find(|known| bool::from(known.token.as_bytes().ct_eq(token.as_bytes()))).cloned()
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

/// Most simultaneous password checks, since each takes much memory on purpose. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 24;
/// Most tokens; beyond them the oldest is dropped.
const TOKENS_MAX: usize = 1_000;
