//! A credential that somebody has shown, while it holds: what runs under it ends with it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use zonelake_registry::{Registry, TokenId};

/// A token that was valid when it was shown. A password gives none: it is checked again with each request, and sessions under it
/// stay what they are.
#[derive(Clone)]
pub struct Credential {
    registry: Arc<Registry>,
    token: TokenId,
    changes: watch::Receiver<()>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Credential {
    /// True until the token is revoked, expires, or its owner is gone.
    pub fn holds(&self) -> bool {
        self.registry.token_holds(self.token)
    }

    /// Returns when the token holds no more: at once with a revocation in this process.
    pub async fn ended(mut self) {
        loop {
            // Before the look, so that a change behind it is not missed.
            self.changes.borrow_and_update();
            if !self.holds() {
                return;
            }
            // The wall clock may be set, so a time of expiry is looked at again.
            let left = self.registry.token_time_left(self.token).map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
            let changed = tokio::time::timeout(left, self.changes.changed()).await;
            // The sender goes with the authenticator, which lives as long as the interfaces.
            if let Ok(Err(_closed)) = changed {
                return std::future::pending().await;
            }
        }
    }
}

/// Longest time for which a change of the wall clock goes unnoticed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells those that wait for the end of a credential to look again.
#[derive(Debug, Clone)]
pub(crate) struct CredentialChanges {
    receiver: watch::Receiver<()>,
}

impl CredentialChanges {
    /// Changes of this registry from now on.
    pub(crate) fn of(registry: &Registry) -> Self {
        let (sender, receiver) = watch::channel(());
        // Fails where nobody waits.
        registry.on_credentials_changed(move || {
            sender.send(()).ok();
        });
        Self { receiver }
    }

    /// Credential of a token.
    pub(crate) fn credential(&self, registry: &Arc<Registry>, token: TokenId) -> Credential {
        Credential { registry: Arc::clone(registry), token, changes: self.receiver.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::timeout;
    use zonelake_registry::{RoleKind, RoleLimits, TokenOwner, TokenRequest};
    use zonelake_schemas::clock::Clock;

    use super::*;
    use crate::authenticator::Authenticator;

    /// A wall clock that the test sets.
    #[derive(Debug, Default)]
    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn wall_us(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_micros(self.wall_us().unsigned_abs())
        }
    }

    #[tokio::test]
    async fn a_wait_ends_with_revocation_expiry_or_the_owner_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_700_000_000_000_000)));
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::<SetClock>::clone(&clock)).unwrap();
        let registry = Arc::new(registry);
        let authenticator = Authenticator::new(Arc::clone(&registry));
        registry.add_gateway("g", "vung-ang").unwrap();
        registry.add_role_with("r", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
        let (gateway, role) = (TokenOwner::Gateway("g".into()), TokenOwner::Role("r".into()));
        let add = |owner, lifetime| {
            let request = TokenRequest { lifetime, ..TokenRequest::default() };
            registry.add_token(owner, &request).unwrap()
        };
        let wait = |token: &str| tokio::spawn(authenticator.credential(token).unwrap().ended());
        let (revoked, other) = (add(&gateway, None), add(&gateway, None));
        let short = add(&gateway, Some(Duration::from_millis(300)));
        let of_role = add(&role, None);
        let waits = [&revoked, &other, &short, &of_role].map(|token| wait(&token.token));
        let [of_revoked, of_other, of_short, of_role] = waits;
        let second = Duration::from_secs(1);

        registry.revoke_token(&gateway, &revoked.info.name).unwrap();
        timeout(second, of_revoked).await.expect("it ends with its token").unwrap();
        registry.remove_role("r").unwrap();
        timeout(second, of_role).await.expect("it ends with its role").unwrap();
        assert!(!of_short.is_finished());
        clock.0.fetch_add(300_000, Ordering::Relaxed);
        timeout(second, of_short).await.expect("it ends with its time").unwrap();
        assert_eq!(authenticator.credential(&short.token).map(|_| ()), None);
        assert!(!of_other.is_finished(), "another token of the gateway holds");
        registry.revoke_gateway("g").unwrap();
        timeout(second, of_other).await.expect("it ends with its gateway").unwrap();
    }
}
