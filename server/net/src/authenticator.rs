//! Authenticator: the one way from a credential to a [`Principal`], for every interface.
//!
//! Checks of passwords take memory and time on purpose, so the whole process has one bound on them. Failures are counted by
//! peer, and a peer that proves itself is forgotten again.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use zonelake_registry::{ADMIN_USER, Gateway, Registry, RoleKeys, TokenId};
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail};

use crate::credential::{Credential, CredentialChanges};
use crate::credentials::Credentials;
use crate::guess_limits::GuessLimits;
use crate::known_peers::KnownPeers;
use crate::peer_failures::PeerFailures;
use crate::principal::Principal;

/// Credential that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Name and password do not belong together.
    #[error("the user name or password is wrong")]
    WrongPassword,
    /// Token of nobody, or one that was revoked or has expired.
    #[error("the token is unknown or revoked, or has expired")]
    UnknownToken,
    /// Too many passwords were wrong before; this one was not looked at.
    #[error("too many wrong passwords were tried for this name or from this address; try again in a minute")]
    TooManyGuesses,
    /// The check could not be made; the server log says why. The credential may be right.
    #[error("the credential cannot be checked at the moment; try again later")]
    NotChecked,
}

impl AuthenticationError {
    /// Name of the reason in the table of audit.
    fn reason(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::UnknownToken => "unknown_token",
            Self::TooManyGuesses => "too_many_guesses",
            Self::NotChecked => "not_checked",
        }
    }
}

/// Checks credentials against the registry. Its copies share all that is counted.
#[derive(Debug, Clone)]
pub struct Authenticator {
    registry: Arc<Registry>,
    /// Permits that checks hold until they end, whether or not their client still waits.
    password_checks: Arc<Semaphore>,
    failures: Arc<PeerFailures>,
    guesses: Arc<GuessLimits>,
    known_peers: Arc<KnownPeers>,
    changes: CredentialChanges,
    /// Where sign-ins and refusals are recorded.
    audit: Option<Arc<dyn AuditTrail>>,
    /// Interface that entries name.
    interface: &'static str,
}

/// Action of a sign-in in the table of audit.
const SIGN_IN: &str = "sign_in";
/// Password checks at the same time, over all interfaces: each takes 19 MiB. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;

impl Authenticator {
    /// An authenticator over the roles and gateways of `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        let known_peers = Arc::<KnownPeers>::default();
        Self {
            changes: CredentialChanges::of(&registry),
            registry,
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)),
            failures: Arc::default(),
            guesses: Arc::new(GuessLimits::new(Arc::clone(&known_peers))),
            known_peers,
            audit: None,
            interface: "server",
        }
    }

    /// The same, which records sign-ins and refusals.
    #[must_use]
    pub fn recording(self, audit: Arc<dyn AuditTrail>) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// A copy whose entries of audit name this interface.
    pub fn on(&self, interface: &'static str) -> Arc<Self> {
        Arc::new(Self { interface, ..self.clone() })
    }

    /// Where entries of audit are recorded.
    pub fn audit(&self) -> Option<&Arc<dyn AuditTrail>> {
        self.audit.as_ref()
    }

    /// Notes that a gateway was refused for lack of a right.
    pub fn note_refused_gateway(&self, gateway: &str, action: &str, object: &str, peer: Option<IpAddr>) {
        let Some(audit) = &self.audit else { return };
        let entry = AuditEntry::new(self.interface, action, AuditOutcome::Refused).of_gateway(gateway);
        audit.note(entry.about(object).because("no_right").from_peer(peer));
    }

    /// Registry that the credentials are in.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Principal of a credential. A name and password are those of a role, or the password is a token of the role or of a gateway.
    ///
    /// # Errors
    /// Where it belongs to nobody, or cannot be checked.
    pub async fn authenticate(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<Principal, AuthenticationError> {
        let account = account(&credentials);
        let found = match credentials {
            Credentials::Token(token) if Registry::is_role_token(&token) => {
                self.find_role(&token).await.map(Principal::Role)
            }
            Credentials::Token(token) => self.find_gateway(&token).await.map(Principal::Gateway),
            Credentials::Basic { user, password } => match self.find_principal(&user, &password, peer).await {
                // A token may have come as the password, of a gateway that memory does not know yet.
                Err(AuthenticationError::WrongPassword) => {
                    let gateway = self.find_gateway(&password).await.map(Principal::Gateway);
                    gateway.map_err(|error| match error {
                        AuthenticationError::UnknownToken => AuthenticationError::WrongPassword,
                        error => error,
                    })
                }
                found => found,
            },
        };
        self.counted(found, account.as_deref(), peer)
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
        let account = account(&credentials);
        let found = match credentials {
            Credentials::Token(token) if Registry::is_role_token(&token) => {
                self.find_role(&token).await.map(Principal::Role)
            }
            Credentials::Token(token) => {
                let gateway = self.registry.authenticate_gateway(&token).map(Principal::Gateway);
                gateway.ok_or(AuthenticationError::UnknownToken)
            }
            Credentials::Basic { user, password } => self.find_principal(&user, &password, peer).await,
        };
        self.counted(found, account.as_deref(), peer)
    }

    /// Checks that the credential is an administrator's, and gives the administrator's name.
    ///
    /// # Errors
    /// Where it is somebody else's or nobody's, or cannot be checked.
    pub async fn authenticate_administrator(
        &self,
        credentials: Credentials,
        peer: Option<IpAddr>,
    ) -> Result<Arc<str>, AuthenticationError> {
        let mut account = account(&credentials);
        let found = match credentials {
            Credentials::Token(token) => match self.find_role(&token).await {
                Ok(role) if self.is_administrator(&role) => Ok(role),
                Ok(role) => {
                    account = Some(role.to_string());
                    Err(AuthenticationError::UnknownToken)
                }
                Err(error) => Err(error),
            },
            // Another name is refused without a check: checks take memory and time. An administrator whom memory does not know
            // yet is refused until another interface has looked for the name.
            Credentials::Basic { user, password } if self.is_administrator(&user) => {
                match self.check_secret(&user, &password, peer).await {
                    Ok(true) => Ok(user.into()),
                    Ok(false) => Err(AuthenticationError::WrongPassword),
                    Err(error) => Err(error),
                }
            }
            Credentials::Basic { .. } => Err(AuthenticationError::WrongPassword),
        };
        self.counted(found, account.as_deref(), peer)
    }

    /// True for the name of an administrator. The first one counts also while the registry cannot be read.
    fn is_administrator(&self, user: &str) -> bool {
        user == ADMIN_USER || self.registry.role(user).is_some_and(|role| role.is_admin())
    }

    /// Gateway of a token.
    ///
    /// # Errors
    /// Where the token is unknown or revoked.
    pub async fn gateway(&self, token: &str, peer: Option<IpAddr>) -> Result<Arc<Gateway>, AuthenticationError> {
        let found = self.find_gateway(token).await;
        self.counted(found, None, peer)
    }

    /// Credential of a token that is valid now, from memory. What serves whoever has shown it ends with it.
    pub fn credential(&self, token: &str) -> Option<Credential> {
        let of_gateway = || self.registry.gateway_token(token).map(|(_, id)| id);
        let id = of_gateway().or_else(|| self.registry.role_token(token).map(|(_, id)| id))?;
        Some(self.credential_of(id))
    }

    /// Credential of a token by its id.
    pub fn credential_of(&self, id: TokenId) -> Credential {
        self.changes.credential(&self.registry, id)
    }

    /// Keys with which a role proves its password or one of its tokens by SCRAM; none where it has none. Beyond the limits on guessing only
    /// those of tokens are given.
    ///
    /// # Errors
    /// [`AuthenticationError::TooManyGuesses`], and [`AuthenticationError::NotChecked`] where nobody can say whether there are.
    pub async fn role_keys(&self, user: &str, peer: Option<IpAddr>) -> Result<Vec<RoleKeys>, AuthenticationError> {
        // A name that is not known is looked for in the registry's file, which blocks.
        let (registry, name) = (Arc::clone(&self.registry), user.to_owned());
        let found = tokio::task::spawn_blocking(move || match registry.role_keys(&name) {
            none if none.is_empty() && !is_known_or_absent(&registry, &name) => Err(AuthenticationError::NotChecked),
            found => Ok(found),
        });
        let mut keys = found.await.map_err(not_checked)??;
        if self.guesses.are_reached(user, peer, self.registry.clock().monotonic()) {
            keys.retain(|keys| keys.token.is_some());
            if keys.is_empty() {
                let refused: Result<Arc<str>, _> = Err(AuthenticationError::TooManyGuesses);
                return self.counted(refused, Some(user), peer).map(|_| Vec::new());
            }
        }
        Ok(keys)
    }

    /// Iterations that an unknown user is shown: those of a real one, so that names cannot be tried.
    pub fn scram_iterations(&self) -> u32 {
        self.registry.role_scram(ADMIN_USER).map_or(SCRAM_ITERATIONS_WITHOUT_ADMIN, |real| real.iterations)
    }

    /// Counts the end of a SCRAM exchange. `prove` looks at the proof: told whether passwords are still looked at, or tokens alone, it gives
    /// what the role has proven, or nothing. Exchanges that came at once have all got keys; the guesses that ended before this one count here.
    ///
    /// # Errors
    /// That of `prove`, which is no guess; and within, where nothing is proven.
    pub fn end_scram<T, E>(
        &self,
        user: &str,
        peer: Option<IpAddr>,
        prove: impl FnOnce(bool) -> Result<Option<T>, E>,
    ) -> Result<Result<(Arc<str>, T), AuthenticationError>, E> {
        let now = self.registry.clock().monotonic();
        let looks_at_passwords = !self.guesses.are_reached(user, peer, now);
        let Some(proven) = prove(looks_at_passwords)? else {
            let error = match looks_at_passwords {
                true => AuthenticationError::WrongPassword,
                false => AuthenticationError::TooManyGuesses,
            };
            if looks_at_passwords {
                self.guesses.note_failure(user, peer, now);
            }
            self.counted::<Arc<str>>(Err(error), Some(user), peer).err();
            return Ok(Err(error));
        };
        Ok(self.counted(Ok(Arc::<str>::from(user)), Some(user), peer).map(|user| (user, proven)))
    }

    /// Peers whose credential was right, over all interfaces.
    pub fn known_peers(&self) -> &Arc<KnownPeers> {
        &self.known_peers
    }

    /// Failed authentications since the start.
    pub fn failures(&self) -> u64 {
        self.failures.total()
    }

    async fn find_principal(
        &self,
        user: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Principal, AuthenticationError> {
        // A token is looked up in memory; it goes before the password, whose check takes tens of milliseconds.
        if let Some(gateway) = self.registry.authenticate_gateway(password) {
            return Ok(Principal::Gateway(gateway));
        }
        match self.check_secret(user, password, peer).await? {
            true => Ok(Principal::Role(user.into())),
            false => Err(AuthenticationError::WrongPassword),
        }
    }

    /// True for a role and its password, or one of its tokens in its place.
    async fn check_secret(&self, user: &str, secret: &str, peer: Option<IpAddr>) -> Result<bool, AuthenticationError> {
        // No password is the token of a gateway, so its check would take time for nothing.
        if Registry::is_gateway_token(secret) {
            return Ok(false);
        }
        if !Registry::is_role_token(secret) {
            if self.guesses.are_reached(user, peer, self.registry.clock().monotonic()) {
                return Err(AuthenticationError::TooManyGuesses);
            }
            return self.check_password(user, secret, peer).await;
        }
        match self.find_role(secret).await {
            Ok(role) => Ok(*role == *user),
            Err(AuthenticationError::UnknownToken) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Role of a token, also of one that another process has made just now.
    async fn find_role(&self, token: &str) -> Result<Arc<str>, AuthenticationError> {
        self.find_by_token(|registry| registry.role_token(token).map(|(role, _)| Arc::clone(&role.name))).await
    }

    async fn check_password(
        &self,
        user: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<bool, AuthenticationError> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.password_checks).acquire_owned().await;
        let permit = permit.map_err(|_closed| AuthenticationError::NotChecked)?;
        // Guesses that came at once have all found room: those before this one have failed since.
        if self.guesses.are_reached(user, peer, self.registry.clock().monotonic()) {
            return Err(AuthenticationError::TooManyGuesses);
        }
        let (registry, guesses) = (Arc::clone(&self.registry), Arc::clone(&self.guesses));
        let (user, password) = (user.to_owned(), password.to_owned());
        let check = tokio::task::spawn_blocking(move || {
            let is_right = registry.authenticate(&user, &password);
            let checked = match is_right || is_known_or_absent(&registry, &user) {
                true => Ok(is_right),
                false => Err(AuthenticationError::NotChecked),
            };
            // Before the next one is looked at, and also where the client has gone away.
            if checked == Ok(false) {
                guesses.note_failure(&user, peer, registry.clock().monotonic());
            }
            // A client that goes away leaves its check behind: the permit ends with the check, not with the client.
            drop(permit);
            checked
        });
        check.await.map_err(not_checked)?
    }

    /// Gateway of a token.
    async fn find_gateway(&self, token: &str) -> Result<Arc<Gateway>, AuthenticationError> {
        self.find_by_token(|registry| registry.authenticate_gateway(token)).await
    }

    /// Owner of a token. One that memory does not know may have been added just now by another process: the registry's
    /// file is looked at before it is refused. Where it cannot be looked at, the token may be right.
    async fn find_by_token<T>(&self, find: impl Fn(&Registry) -> Option<T>) -> Result<T, AuthenticationError> {
        if let Some(found) = find(&self.registry) {
            return Ok(found);
        }
        let registry = Arc::clone(&self.registry);
        let refreshed = tokio::task::spawn_blocking(move || registry.refresh()).await.map_err(not_checked)?;
        let unknown = match refreshed {
            Ok(()) => AuthenticationError::UnknownToken,
            Err(error) => not_checked(error),
        };
        find(&self.registry).ok_or(unknown)
    }

    /// Records a sign-in. A name is recorded where a role has it: of others nobody knows that they are not passwords.
    fn note_sign_in<T: Known>(
        &self,
        found: &Result<T, AuthenticationError>,
        account: Option<&str>,
        peer: Option<IpAddr>,
    ) {
        let Some(audit) = &self.audit else { return };
        let entry = |outcome| AuditEntry::new(self.interface, SIGN_IN, outcome).from_peer(peer);
        audit.note(match found {
            Ok(known) => known.named_in(entry(AuditOutcome::Allowed)),
            Err(error) => {
                let entry = entry(AuditOutcome::Refused).because(error.reason());
                match account.filter(|account| self.registry.role(account).is_some()) {
                    Some(role) => entry.of_role(role),
                    None => entry,
                }
            }
        });
    }

    /// Counts a failure, or forgets those of a peer that has proven itself. `account` is the name that was shown, where one was.
    fn counted<T: Known>(
        &self,
        found: Result<T, AuthenticationError>,
        account: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<T, AuthenticationError> {
        self.note_sign_in(&found, account, peer);
        match &found {
            Ok(_) => {
                self.failures.clear(peer);
                if let Some(peer) = peer {
                    self.known_peers.insert(peer);
                }
            }
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

/// Owner of a credential, as an entry of audit names it.
trait Known {
    fn named_in(&self, entry: AuditEntry) -> AuditEntry;
}

impl Known for Principal {
    fn named_in(&self, entry: AuditEntry) -> AuditEntry {
        match self {
            Self::Role(name) => entry.of_role(name),
            Self::Gateway(gateway) => entry.of_gateway(&gateway.name),
        }
    }
}

impl Known for Arc<str> {
    fn named_in(&self, entry: AuditEntry) -> AuditEntry {
        entry.of_role(self)
    }
}

impl Known for Arc<Gateway> {
    fn named_in(&self, entry: AuditEntry) -> AuditEntry {
        entry.of_gateway(&self.name)
    }
}

/// Name that was shown.
fn account(credentials: &Credentials) -> Option<String> {
    match credentials {
        Credentials::Basic { user, .. } => Some(user.clone()),
        Credentials::Token(_) => None,
    }
}

/// True where the answer about a role is sure: it is known, or the registry's file says that there is none.
fn is_known_or_absent(registry: &Registry, user: &str) -> bool {
    registry.role(user).is_some() || registry.refresh().map_err(not_checked).is_ok()
}

fn not_checked(error: impl std::fmt::Display) -> AuthenticationError {
    tracing::error!("a credential could not be checked: {error}");
    AuthenticationError::NotChecked
}

/// Iterations of a registry that has no administrator yet: PostgreSQL's own default.
const SCRAM_ITERATIONS_WITHOUT_ADMIN: u32 = 4_096;

#[cfg(test)]
mod tests {
    use zonelake_registry::RoleLimits;
    use zonelake_schemas::clock::SystemClock;

    use super::*;

    #[test]
    fn guesses_that_come_at_once_are_limited_as_those_that_come_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(SystemClock::default()));
        let registry = registry.unwrap();
        registry.add_role("reader", RoleLimits::default()).unwrap();
        let authenticator = Authenticator::new(Arc::new(registry));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let guess = |guess: u32| {
            let (user, password) = ("reader".to_owned(), format!("guess-{guess}"));
            let authenticator = authenticator.clone();
            let guessed = async move {
                authenticator.authenticate_reader(Credentials::Basic { user, password }, Some(peer)).await.err()
            };
            runtime.spawn(guessed)
        };
        let guesses: Vec<_> = (0..300).map(guess).collect();
        let answers = guesses.into_iter().map(|guessed| runtime.block_on(guessed).unwrap());
        let refused = answers.filter(|error| *error == Some(AuthenticationError::TooManyGuesses)).count();
        // 20 are looked at, then one each three seconds.
        assert!(refused >= 100, "only {refused} of 300 were not looked at");
    }

    #[test]
    fn guesses_over_scram_that_come_at_once_are_limited_as_those_that_come_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(SystemClock::default()));
        let registry = registry.unwrap();
        registry.add_role("reader", RoleLimits::default()).unwrap();
        let authenticator = Authenticator::new(Arc::new(registry));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let peer: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        // 300 connections have all got keys before the first of them shows a proof.
        for _ in 0..300 {
            assert!(!runtime.block_on(authenticator.role_keys("reader", peer)).unwrap().is_empty());
        }
        let end = |prove: fn(bool) -> Option<&'static str>| {
            authenticator
                .end_scram("reader", peer, |looks_at_passwords| Ok::<_, ()>(prove(looks_at_passwords)))
                .unwrap()
        };
        let answers = (0..300).map(|_| end(|_| None).unwrap_err());
        let refused = answers.filter(|error| *error == AuthenticationError::TooManyGuesses).count();
        // 20 are looked at, then one each three seconds.
        assert!(refused >= 200, "only {refused} of 300 were not looked at");
        let right = end(|looks_at_passwords| looks_at_passwords.then_some("the password"));
        assert_eq!(right.unwrap_err(), AuthenticationError::TooManyGuesses, "a right one is not looked at either");
        assert_eq!(end(|_| Some("a token")).unwrap().1, "a token");
        let broken = authenticator.end_scram("reader", peer, |_| Err::<Option<()>, _>("malformed"));
        assert_eq!(broken.unwrap_err(), "malformed");
    }

    #[test]
    fn a_credential_that_cannot_be_checked_is_not_called_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::new(SystemClock::default())).unwrap();
        let password = registry.add_role("reader", RoleLimits::default()).unwrap();
        let authenticator = Authenticator::new(Arc::new(registry));
        let file = rusqlite::Connection::open(&path).unwrap();
        let basic = |user: &str, password: &str| Credentials::Basic { user: user.into(), password: password.into() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = |credentials| runtime.block_on(authenticator.authenticate_reader(credentials, None)).err();
        let scram = |user: &str| runtime.block_on(authenticator.role_keys(user, None)).map(|keys| !keys.is_empty());

        assert_eq!(error(basic("nobody", "x")), Some(AuthenticationError::WrongPassword));
        assert_eq!(scram("nobody"), Ok(false));
        file.execute_batch("ALTER TABLE roles RENAME TO lost").unwrap();
        assert_eq!(error(basic("nobody", "x")), Some(AuthenticationError::NotChecked));
        assert_eq!(scram("nobody"), Err(AuthenticationError::NotChecked));
        // What memory knows needs no file.
        assert_eq!(error(basic("reader", "x")), Some(AuthenticationError::WrongPassword));
        assert_eq!(error(basic("reader", &password)), None);
        assert_eq!(scram("reader"), Ok(true));
        assert_eq!(authenticator.failures(), 2, "what was not checked is no failure");
    }
}
