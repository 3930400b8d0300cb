//! Authentication of each call by its header `authorization`.
//!
//! | header | principal |
//! |---|---|
//! | `Basic name:password` | a role, where both are right; else a gateway, where the password is its token |
//! | `Bearer token` | the client that got the token from a handshake, or the role or gateway whose token it is |
//!
//! A role reads, and a gateway appends to the tables of its zone. A handshake with valid `Basic` credentials returns a
//! token for `Bearer`. Tokens are in memory: after a restart of the server a client needs another handshake.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use tonic::Status;
use tonic::metadata::MetadataMap;
use zonelake_net::{Authenticator, Cause, Credentials, Principal};
use zonelake_registry::Registry;

use crate::status::{from_authentication_error, internal, status};

/// Check of the credentials of a call, which gives its principal.
#[derive(Debug)]
pub(crate) struct CallAuthenticator {
    authenticator: Arc<Authenticator>,
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

impl Token {
    fn credentials(&self) -> Credentials {
        Credentials::Basic { user: self.user.as_ref().to_owned(), password: self.password.as_ref().to_owned() }
    }
}

impl CallAuthenticator {
    /// Authenticator without tokens yet.
    pub(crate) fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, tokens: Mutex::default() }
    }

    /// Principal of these credentials.
    pub(crate) async fn authenticate(&self, metadata: &MetadataMap, peer: Option<IpAddr>) -> Result<Principal, Status> {
        let credentials = match credentials(metadata)? {
            Credentials::Token(token) => match self.token(&token) {
                Some(known) => known.credentials(),
                None => Credentials::Token(token),
            },
            basic @ Credentials::Basic { .. } => basic,
        };
        self.authenticator.authenticate(credentials, peer).await.map_err(from_authentication_error)
    }

    /// Notes that a gateway was refused for lack of a right.
    pub(crate) fn note_refused_gateway(&self, gateway: &str, action: &str, object: &str, peer: Option<IpAddr>) {
        self.authenticator.note_refused_gateway(gateway, action, object, peer);
    }

    /// Token that further calls may send in the place of name and password.
    pub(crate) async fn handle_handshake(
        &self,
        metadata: &MetadataMap,
        peer: Option<IpAddr>,
    ) -> Result<String, Status> {
        let Credentials::Basic { user, password } = credentials(metadata)? else {
            return Err(status(Cause::NoCredential, "a handshake takes a name and a password by Basic authentication"));
        };
        let (user, password): (Arc<str>, Arc<str>) = (user.into(), password.into());
        let known = Token { token: Arc::from(""), user: Arc::clone(&user), password: Arc::clone(&password) };
        let principal = self.authenticator.authenticate(known.credentials(), peer).await;
        let principal = principal.map_err(from_authentication_error)?;
        // Who sent a token as the password has one already. Calls under it end when it is revoked.
        if matches!(principal, Principal::Gateway(_)) || Registry::is_role_token(&password) {
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

    fn token(&self, token: &str) -> Option<Token> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // In constant time, so that the time of a call says nothing of how much of a guess is right.
        tokens.iter().rev().find(|known| bool::from(known.token.as_bytes().ct_eq(token.as_bytes()))).cloned()
    }
}

fn credentials(metadata: &MetadataMap) -> Result<Credentials, Status> {
    let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(Credentials::parse).ok_or_else(|| {
        status(Cause::NoCredential, "send a name and a password by Basic authentication, or a token as a bearer token")
    })
}

/// Random bytes of a token.
const TOKEN_BYTES: usize = 24;
/// Most tokens; beyond them the oldest is dropped.
const TOKENS_MAX: usize = 1_000;
