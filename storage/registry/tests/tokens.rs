//! Tokens of gateways and roles: several at once, with an end, and gone when they are revoked.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use zonelake_registry::{NewToken, Registry, RegistryError, RoleKind, RoleLimits, TokenOwner, TokenRequest};
use zonelake_schemas::clock::Clock;

/// A wall clock that the test sets.
#[derive(Debug)]
struct SetClock(AtomicI64);

impl SetClock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).expect("a test passes some hours"), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn wall_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.wall_us().unsigned_abs())
    }
}

const START_US: i64 = 1_767_225_600_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicI64::new(START_US)))
}

fn open(folder: &Path, clock: &Arc<SetClock>) -> Registry {
    Registry::open(&folder.join("registry.sqlite"), Arc::<SetClock>::clone(clock)).expect("the registry opens")
}

fn gateway() -> TokenOwner {
    TokenOwner::Gateway("formosa".into())
}

fn role() -> TokenOwner {
    TokenOwner::Role("grafana".into())
}

fn add(registry: &Registry, owner: &TokenOwner, request: TokenRequest) -> NewToken {
    registry.add_token(owner, &request).expect("the token is added")
}

#[test]
fn a_token_is_replaced_by_another_while_both_hold() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let registry = open(folder.path(), &clock);
    let first = registry.add_gateway("formosa", "vung-ang").unwrap();
    let request = TokenRequest { others_end: Some(HOUR), created_by: "admin".into(), ..TokenRequest::default() };
    let second = add(&registry, &gateway(), request);
    assert!(!format!("{second:?}").contains(&second.token));
    let opens = |token: &str| registry.authenticate_gateway(token).is_some();
    assert!(opens(&first.token) && opens(&second.token));
    clock.pass(HOUR - Duration::from_secs(1));
    assert!(opens(&first.token) && opens(&second.token));
    clock.pass(Duration::from_secs(1));
    assert!(!opens(&first.token) && opens(&second.token), "the old one has ended");
    // A later replacement does not give it more time.
    add(&registry, &gateway(), TokenRequest { others_end: Some(HOUR), ..TokenRequest::default() });
    assert!(!opens(&first.token) && opens(&second.token));

    let listed = registry.tokens(&gateway()).unwrap();
    let told: Vec<_> = listed.iter().map(|token| (&*token.name, &*token.created_by, token.expires_us)).collect();
    let (first_end, second_end) = (START_US + 3_600_000_000, START_US + 7_200_000_000);
    assert_eq!(
        told,
        [("token-3", "", None), ("token-2", "admin", Some(second_end)), ("token-1", "", Some(first_end)),]
    );
}

#[test]
fn a_token_that_is_revoked_or_has_expired_opens_nothing_and_the_others_do() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (server, cli) = (open(folder.path(), &clock), open(folder.path(), &clock));
    cli.add_gateway("formosa", "vung-ang").unwrap();
    cli.add_role_with("grafana", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
    for owner in [gateway(), role()] {
        let short = add(&cli, &owner, TokenRequest { lifetime: Some(HOUR), ..TokenRequest::default() });
        let named = add(&cli, &owner, TokenRequest { name: Some("dashboard 2".into()), ..TokenRequest::default() });
        let other = add(&cli, &owner, TokenRequest::default());
        server.refresh().unwrap();
        let find = |token: &NewToken| match owner {
            TokenOwner::Gateway(_) => server.gateway_token(&token.token).map(|(_, id)| id),
            TokenOwner::Role(_) => server.role_token(&token.token).map(|(_, id)| id),
        };
        for token in [&short, &named, &other] {
            assert_eq!(find(token), Some(token.info.id));
            assert!(server.token_holds(token.info.id));
        }
        clock.pass(HOUR);
        cli.revoke_token(&owner, "dashboard 2").unwrap();
        server.refresh().unwrap();
        for token in [&short, &named] {
            assert_eq!(find(token), None);
            assert!(!server.token_holds(token.info.id));
        }
        assert_eq!(find(&other), Some(other.info.id));
        // It cannot be revoked twice, and its name is not given out again while it is listed.
        assert!(matches!(cli.revoke_token(&owner, "dashboard 2"), Err(RegistryError::Unknown { .. })));
        let again =
            cli.add_token(&owner, &TokenRequest { name: Some("dashboard 2".into()), ..TokenRequest::default() });
        assert!(matches!(again, Err(RegistryError::Exists { .. })));
    }
    // The token of one kind is none of the other.
    let (of_gateway, of_role) =
        (add(&cli, &gateway(), TokenRequest::default()), add(&cli, &role(), TokenRequest::default()));
    assert!(cli.role_token(&of_gateway.token).is_none() && cli.gateway_token(&of_role.token).is_none());
    let swapped = format!("zr_{}", &of_gateway.token[3..]);
    assert!(cli.role_token(&swapped).is_none());
}

#[test]
fn tokens_go_with_their_owner_and_a_new_owner_of_the_name_has_none_of_them() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let registry = open(folder.path(), &clock);
    registry.add_gateway("formosa", "vung-ang").unwrap();
    registry.add_role("grafana", RoleLimits::default()).unwrap();
    let tokens = [gateway(), role()].map(|owner| add(&registry, &owner, TokenRequest::default()));
    registry.revoke_gateway("formosa").unwrap();
    registry.remove_role("grafana").unwrap();
    for round in 0..2 {
        for token in &tokens {
            assert!(!registry.token_holds(token.info.id), "round {round}");
            assert!(registry.gateway_token(&token.token).is_none() && registry.role_token(&token.token).is_none());
        }
        if round == 0 {
            let none = registry.add_token(&gateway(), &TokenRequest::default());
            assert!(matches!(none, Err(RegistryError::Unknown { .. })), "a revoked gateway gets no token");
            registry.add_gateway("formosa", "vung-ang").unwrap();
            registry.add_role("grafana", RoleLimits::default()).unwrap();
        }
    }
    assert!(registry.tokens(&role()).unwrap().is_empty());
}

#[test]
fn a_token_of_a_role_is_a_password_over_scram_and_a_new_password_leaves_it_so() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let registry = open(folder.path(), &clock);
    registry.add_role("grafana", RoleLimits::default()).unwrap();
    let tokens = [(); 2].map(|()| add(&registry, &role(), TokenRequest::default()));
    let before = registry.role_keys("grafana");
    registry.reset_password("grafana").unwrap();
    let after = registry.role_keys("grafana");
    for keys in [&before, &after] {
        let ids: Vec<_> = keys.iter().map(|keys| keys.token).collect();
        assert_eq!(ids, [None, Some(tokens[1].info.id), Some(tokens[0].info.id)]);
        let salts = |at: usize| (keys[at].verifier.salt, keys[at].verifier.iterations);
        assert_eq!((salts(0), salts(0)), (salts(1), salts(2)), "one exchange tries them all");
    }
    assert_ne!(before[0].verifier, after[0].verifier);
    assert_eq!(before[1].verifier, after[1].verifier);
    registry.revoke_token(&role(), &tokens[0].info.name).unwrap();
    assert_eq!(registry.role_keys("grafana").len(), 2);
    assert!(registry.role_keys("nobody").is_empty());
}

#[test]
fn the_last_use_of_a_token_is_listed_at_once_and_known_after_a_restart() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let registry = open(folder.path(), &clock);
    let token = registry.add_gateway("formosa", "vung-ang").unwrap().token;
    let last_use = |registry: &Registry| registry.tokens(&gateway()).unwrap()[0].last_used_us;
    assert_eq!(last_use(&registry), None);
    clock.pass(HOUR);
    registry.authenticate_gateway(&token).unwrap();
    let used = START_US + 3_600_000_000;
    assert_eq!(last_use(&registry), Some(used));
    registry.store_token_uses().unwrap();
    // A change of tokens reads them again, and forgets no use.
    clock.pass(HOUR);
    registry.authenticate_gateway(&token).unwrap();
    add(&registry, &gateway(), TokenRequest::default());
    assert_eq!(registry.tokens(&gateway()).unwrap()[1].last_used_us, Some(used + 3_600_000_000));
    drop(registry);
    let registry = open(folder.path(), &clock);
    assert_eq!(registry.tokens(&gateway()).unwrap()[1].last_used_us, Some(used), "what was stored");
    registry.authenticate_gateway(&token).unwrap();
    registry.revoke_token(&gateway(), "token-1").unwrap();
    let revoked = &registry.tokens(&gateway()).unwrap()[1];
    assert_eq!(revoked.last_used_us, Some(used + 3_600_000_000), "that of a revoked one is asked for most");
}

#[test]
fn an_owner_has_a_bounded_number_of_tokens_and_ended_ones_make_room() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let registry = open(folder.path(), &clock);
    registry.add_gateway("formosa", "vung-ang").unwrap();
    for _ in 1..16 {
        add(&registry, &gateway(), TokenRequest::default());
    }
    let one_more = registry.add_token(&gateway(), &TokenRequest::default());
    assert!(matches!(one_more, Err(RegistryError::Limit { limit: 16, .. })), "{one_more:?}");
    registry.revoke_token(&gateway(), "token-1").unwrap();
    for _ in 0..100 {
        let short = add(&registry, &gateway(), TokenRequest { lifetime: Some(HOUR), ..TokenRequest::default() });
        clock.pass(HOUR);
        assert!(registry.authenticate_gateway(&short.token).is_none());
    }
    assert_eq!(registry.tokens(&gateway()).unwrap().len(), 15 + 64 + 1);
    for (owner, request) in [
        (TokenOwner::Gateway("nobody".into()), TokenRequest::default()),
        (gateway(), TokenRequest { name: Some("a\nb".into()), ..TokenRequest::default() }),
        (gateway(), TokenRequest { lifetime: Some(Duration::ZERO), ..TokenRequest::default() }),
        (gateway(), TokenRequest { lifetime: Some(Duration::MAX), ..TokenRequest::default() }),
        (gateway(), TokenRequest { others_end: Some(Duration::MAX), ..TokenRequest::default() }),
    ] {
        let error = registry.add_token(&owner, &request).unwrap_err();
        assert_eq!(error.kind(), zonelake_schemas::ErrorKind::Input, "{error}");
    }
}
