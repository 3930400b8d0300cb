//! Authenticator: the one way from a credential to a [`Principal`], for every interface.
//!
//! Checks of passwords take memory and time on purpose, so the whole process has one bound on them. Failures are counted by
//! peer, and a peer that proves itself is forgotten again.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use zonelake_registry::{ADMIN_USER, Gateway, Registry, ScramVerifier};

use crate::credentials::Credentials;
use crate::peer_failures::PeerFailures;
use crate::principal::Principal;

/// Credential that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Name and password do not belong together.
    #[error("the user name or password is wrong")]
    WrongPassword,
    /// Token of nobody, or one that was revoked.
    #[error("the token is unknown or revoked")]
    UnknownToken,
    /// The check could not be made; the server log says why.
    #[error("the credential could not be checked")]
    NotChecked,
}

/// Checks credentials against the registry.
#[derive(Debug)]
pub struct Authenticator {
    registry: Arc<Registry>,
    password_checks: Semaphore,
    failures: PeerFailures,
}

/// Password checks at the same time, over all interfaces: each takes 19 MiB. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;

impl Authenticator {
    /// An authenticator over the roles and gateways of `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, password_checks: Semaphore::new(PASSWORD_CHECKS_MAX), failures: PeerFailures::default() }
    }

    /// Registry that the credentials are in.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Principal of a credential. A name and password are those of a role, or the password is a gateway's token; a token is a
    /// gateway's.
    ///
    /// # Errors
    /// Where it belongs to nobody, or cannot be checked.
    pub async fn authenticate(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<Principal, AuthenticationError> {
        let (user, password) = match credentials {
            Credentials::Token(token) => return self.gateway(&token, peer).await.map(Principal::Gateway),
            Credentials::Basic { user, password } => (user, password),
        };
        // A token is looked up in memory; it goes before the password, whose check takes tens of milliseconds.
        if let Some(gateway) = self.registry.authenticate_gateway(&password) {
            return Ok(Principal::Gateway(gateway));
        }
        match self.check_password(&user, &password).await? {
            true => {
                self.failures.clear(peer);
                Ok(Principal::Role(user.into()))
            }
            false => match self.find_gateway(&password).await {
                Some(gateway) => Ok(Principal::Gateway(gateway)),
                None => Err(self.failed(AuthenticationError::WrongPassword, peer)),
            },
        }
    }

    /// Role of a name and a password, whatever gateways there are.
    ///
    /// # Errors
    /// Where they do not belong together, or cannot be checked.
    pub async fn role(
        &self,
        user: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Arc<str>, AuthenticationError> {
        if self.check_password(user, password).await? {
            self.failures.clear(peer);
            return Ok(user.into());
        }
        Err(self.failed(AuthenticationError::WrongPassword, peer))
    }

    /// Gateway of a token.
    ///
    /// # Errors
    /// Where the token is unknown or revoked.
    pub async fn gateway(&self, token: &str, peer: Option<IpAddr>) -> Result<Arc<Gateway>, AuthenticationError> {
        match self.find_gateway(token).await {
            Some(gateway) => {
                self.failures.clear(peer);
                Ok(gateway)
            }
            None => Err(self.failed(AuthenticationError::UnknownToken, peer)),
        }
    }

    /// Keys with which a role proves its password by SCRAM; `None` where there are none.
    pub async fn scram_verifier(&self, user: &str) -> Option<ScramVerifier> {
        // A name that is not known is looked for in the registry's file, which blocks.
        let (registry, user) = (Arc::clone(&self.registry), user.to_owned());
        tokio::task::spawn_blocking(move || registry.role_scram(&user)).await.unwrap_or_default()
    }

    /// Iterations that an unknown user is shown: those of a real one, so that names cannot be tried.
    pub fn scram_iterations(&self) -> u32 {
        self.registry.role_scram(ADMIN_USER).map_or(SCRAM_ITERATIONS_WITHOUT_ADMIN, |real| real.iterations)
    }

    /// Name of a role that has proven its password by SCRAM.
    pub fn handle_scram_proven(&self, user: &str, peer: Option<IpAddr>) -> Arc<str> {
        self.failures.clear(peer);
        user.into()
    }

    /// Counts a wrong proof of SCRAM.
    pub fn handle_scram_failed(&self, peer: Option<IpAddr>) -> AuthenticationError {
        self.failed(AuthenticationError::WrongPassword, peer)
    }

    /// Failed authentications since the start.
    pub fn failures(&self) -> u64 {
        self.failures.total()
    }

    /// Failed authentications of a peer since its last success.
    pub fn failures_of(&self, peer: IpAddr) -> u64 {
        self.failures.of(peer)
    }

    async fn check_password(&self, user: &str, password: &str) -> Result<bool, AuthenticationError> {
        // The semaphore is never closed.
        let _permit = self.password_checks.acquire().await.map_err(|_closed| AuthenticationError::NotChecked)?;
        let registry = Arc::clone(&self.registry);
        let (user, password) = (user.to_owned(), password.to_owned());
        let check = tokio::task::spawn_blocking(move || registry.authenticate(&user, &password));
        check.await.map_err(|error| {
            tracing::error!("a password could not be checked: {error}");
            AuthenticationError::NotChecked
        })
    }

    /// Gateway of a token. One that memory does not know may have been added just now by another process: the registry's
    /// file is looked at before it is refused.
    async fn find_gateway(&self, token: &str) -> Option<Arc<Gateway>> {
        if let Some(gateway) = self.registry.authenticate_gateway(token) {
            return Some(gateway);
        }
        let registry = Arc::clone(&self.registry);
        match tokio::task::spawn_blocking(move || registry.refresh()).await {
            Ok(Ok(())) => self.registry.authenticate_gateway(token),
            Ok(Err(error)) => {
                tracing::warn!("the registry could not be looked at: {error}");
                None
            }
            Err(error) => {
                tracing::error!("the registry could not be looked at: {error}");
                None
            }
        }
    }

    fn failed(&self, error: AuthenticationError, peer: Option<IpAddr>) -> AuthenticationError {
        let failures = self.failures.count(peer);
        match peer {
            Some(peer) => tracing::debug!(%peer, failures, "authentication failed: {error}"),
            None => tracing::debug!("authentication failed: {error}"),
        }
        error
    }
}

/// Iterations of a registry that has no administrator yet: PostgreSQL's own default.
const SCRAM_ITERATIONS_WITHOUT_ADMIN: u32 = 4_096;
