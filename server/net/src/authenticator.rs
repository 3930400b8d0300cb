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
    /// Permits that checks hold until they end, whether or not their client still waits.
    password_checks: Arc<Semaphore>,
    failures: PeerFailures,
}

/// Password checks at the same time, over all interfaces: each takes 19 MiB. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;

impl Authenticator {
    /// An authenticator over the roles and gateways of `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)),
            failures: PeerFailures::default(),
        }
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
        let found = match credentials {
            Credentials::Token(token) => self.find_gateway(&token).await.map(Principal::Gateway),
            Credentials::Basic { user, password } => match self.find_principal(&user, &password).await {
                // A token may have come as the password, of a gateway that memory does not know yet.
                Err(AuthenticationError::WrongPassword) => {
                    let gateway = self.find_gateway(&password).await.map(Principal::Gateway);
                    gateway.map_err(|_unknown| AuthenticationError::WrongPassword)
                }
                found => found,
            },
        };
        self.counted(found, peer)
    }

    /// Principal of a credential for an interface that gateways do not use: a gateway is known by what is in memory.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn authenticate_reader(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<Principal, AuthenticationError> {
        let found = match credentials {
            Credentials::Token(token) => {
                let gateway = self.registry.authenticate_gateway(&token).map(Principal::Gateway);
                gateway.ok_or(AuthenticationError::UnknownToken)
            }
            Credentials::Basic { user, password } => self.find_principal(&user, &password).await,
        };
        self.counted(found, peer)
    }

    /// Name of the administrator, where the credential is the administrator's.
    ///
    /// # Errors
    /// Where it is somebody else's or nobody's, or cannot be checked.
    pub async fn authenticate_administrator(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<(), AuthenticationError> {
        let found = match credentials {
            // Another name is refused without a check: checks take memory and time.
            Credentials::Basic { user, password } if user == ADMIN_USER => {
                match self.check_password(&user, &password).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(AuthenticationError::WrongPassword),
                    Err(error) => Err(error),
                }
            }
            Credentials::Basic { .. } => Err(AuthenticationError::WrongPassword),
            Credentials::Token(_) => Err(AuthenticationError::UnknownToken),
        };
        self.counted(found, peer)
    }

    /// Gateway of a token.
    ///
    /// # Errors
    /// Where the token is unknown or revoked.
    pub async fn gateway(&self, token: &str, peer: Option<IpAddr>) -> Result<Arc<Gateway>, AuthenticationError> {
        let found = self.find_gateway(token).await;
        self.counted(found, peer)
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

    /// Counts the end of a SCRAM exchange by which a role has proven its password, or not.
    ///
    /// # Errors
    /// Where it has not.
    pub fn handle_scram_ended(
        &self,
        user: &str,
        is_proven: bool,
        peer: Option<IpAddr>,
    ) -> Result<Arc<str>, AuthenticationError> {
        let found = if is_proven { Ok(user.into()) } else { Err(AuthenticationError::WrongPassword) };
        self.counted(found, peer)
    }

    /// Failed authentications since the start.
    pub fn failures(&self) -> u64 {
        self.failures.total()
    }

    async fn find_principal(&self, user: &str, password: &str) -> Result<Principal, AuthenticationError> {
        // A token is looked up in memory; it goes before the password, whose check takes tens of milliseconds.
        if let Some(gateway) = self.registry.authenticate_gateway(password) {
            return Ok(Principal::Gateway(gateway));
        }
        match self.check_password(user, password).await? {
            true => Ok(Principal::Role(user.into())),
            false => Err(AuthenticationError::WrongPassword),
        }
    }

    async fn check_password(&self, user: &str, password: &str) -> Result<bool, AuthenticationError> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.password_checks).acquire_owned().await;
        let permit = permit.map_err(|_closed| AuthenticationError::NotChecked)?;
        let registry = Arc::clone(&self.registry);
        let (user, password) = (user.to_owned(), password.to_owned());
        let check = tokio::task::spawn_blocking(move || {
            let is_right = registry.authenticate(&user, &password);
            // A client that goes away leaves its check behind: the permit ends with the check, not with the client.
            drop(permit);
            is_right
        });
        check.await.map_err(|error| {
            tracing::error!("a password could not be checked: {error}");
            AuthenticationError::NotChecked
        })
    }

    /// Gateway of a token. One that memory does not know may have been added just now by another process: the registry's
    /// file is looked at before it is refused.
    async fn find_gateway(&self, token: &str) -> Result<Arc<Gateway>, AuthenticationError> {
        if let Some(gateway) = self.registry.authenticate_gateway(token) {
            return Ok(gateway);
        }
        let registry = Arc::clone(&self.registry);
        match tokio::task::spawn_blocking(move || registry.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the registry could not be looked at: {error}"),
            Err(error) => tracing::error!("the registry could not be looked at: {error}"),
        }
        self.registry.authenticate_gateway(token).ok_or(AuthenticationError::UnknownToken)
    }

    /// Counts a failure, or forgets those of a peer that has proven itself.
    fn counted<T>(
        &self,
        found: Result<T, AuthenticationError>,
        peer: Option<IpAddr>,
    ) -> Result<T, AuthenticationError> {
        match &found {
            Ok(_) => self.failures.clear(peer),
            // The credential may be right.
            Err(AuthenticationError::NotChecked) => {}
            Err(error) => {
                let failures = self.failures.count(peer);
                tracing::debug!(?peer, failures, "authentication failed: {error}");
            }
        }
        found
    }
}

/// Iterations of a registry that has no administrator yet: PostgreSQL's own default.
const SCRAM_ITERATIONS_WITHOUT_ADMIN: u32 = 4_096;
