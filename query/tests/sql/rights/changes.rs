//! Rights that change while statements run, and how hashes are seen.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;
use zonelake_query::{Caller, Interface, QueryEngine, QueryError, QueryErrorCode, SqlSession};
use zonelake_registry::{Grant, Place, Visibility};
use zonelake_schemas::Personal;

use crate::harness::lines;
use crate::rights::world::{World, operator_grant};

/// A statement that runs longer than any test.
const LONG: &str = "select value from generate_series(1, 1000000000000)";

async fn rows(engine: &QueryEngine, role: &str, sql: &str) -> Result<Vec<String>, QueryError> {
    let batches = engine.execute(sql, &Caller { name: role.into() }).await?.collect().await?;
    Ok(batches.iter().flat_map(lines).collect())
}

#[tokio::test]
async fn a_running_statement_ends_soon_after_a_change_of_its_roles_rights() {
    let world = World::new().await;
    let engine = world.full.engine();
    let registry = world.full.registry_arc();
    let revoked = Grant::all_tables(Place::Zone("vung-ang".into()), Visibility::Hidden);
    let changes: [(&str, &dyn Fn()); 3] = [
        ("zone", &|| registry.revoke("zone", &revoked.key).unwrap()),
        ("operator", &|| registry.grant("operator", &operator_grant("VNPT")).unwrap()),
        ("reader", &|| registry.remove_role("reader").unwrap()),
    ];
    for (role, change) in changes {
        let mut running = engine.execute(LONG, &Caller { name: role.into() }).await.unwrap().stream;
        let mut other = engine.execute(LONG, &Caller { name: "analyst".into() }).await.unwrap().stream;
        assert!(running.next().await.unwrap().is_ok() && other.next().await.unwrap().is_ok());
        change();
        let ended = async {
            loop {
                match running.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error,
                    None => panic!("{role}: it ended as if it had sent all"),
                }
            }
        };
        // It is looked for ten times a second; a busy machine has other threads first, and the statement itself never ends.
        let error = timeout(Duration::from_secs(20), ended).await.unwrap_or_else(|_| panic!("{role} still runs"));
        assert_eq!(error.code, QueryErrorCode::NotAllowed, "{role}: {error}");
        assert!(error.message.contains(role), "{error}");
        assert!(other.next().await.unwrap().is_ok(), "statements of other roles go on");
    }
    assert!(rows(&engine, "zone", "select * from environment").await.is_err(), "nothing is left to it");
    let both = rows(&engine, "operator", "select distinct operator from network order by 1").await.unwrap();
    assert_eq!(both, ["VNPT", "Viettel"]);
}

#[tokio::test]
async fn what_was_prepared_under_other_rights_is_refused() {
    let world = World::new().await;
    let engine = world.full.engine();
    let session = SqlSession::new(Caller { name: "shown".into() }, Interface::Flight);
    let registry = world.full.registry_arc();
    let stamp = engine.rights_stamp(&session).unwrap();
    let before = registry.rights_epoch();
    registry.grant("analyst", &Grant::table("energy", Place::Zone("phu-vinh".into()), Visibility::Hidden)).unwrap();
    assert!(registry.rights_epoch() > before, "each change counts");
    stamp.check(registry).expect("another role's rights are its own");
    registry.grant("shown", &Grant::table("energy", Place::Zone("phu-vinh".into()), Visibility::Hidden)).unwrap();
    let error = stamp.check(registry).unwrap_err();
    assert_eq!(error.code, QueryErrorCode::NotAllowed);
    assert!(error.message.contains("prepare the statement again"), "{error}");
}

#[tokio::test]
async fn hashes_are_seen_by_predicates_joins_and_groups_and_are_those_of_the_folder() {
    let world = World::new().await;
    let engine = world.full.engine();
    let key = world.full.registry_arc().personal_key();
    let plate = "plate-of-vung-ang-1";
    let hash = key.hash(Personal::Plate, plate);
    let ask = async |sql: &str| rows(&engine, "analyst", sql).await.unwrap();
    let with = |value: &str| format!("select count(*) from security where plate_hash = '{value}'");
    assert_eq!(ask(&with(plate)).await, ["0"], "the value is not what is compared");
    assert_eq!(ask(&with(&hash)).await, ["6"]);
    assert_eq!(ask("select count(distinct plate_hash) from security").await, ["8"]);
    assert_eq!(ask("select count(*) from (select plate_hash from security group by plate_hash)").await, ["8"]);
    let joined = "select count(*) from (select distinct plate_hash from security) s join \
                  (select distinct plate_hash from assets) a using (plate_hash)";
    assert_eq!(ask(joined).await, ["8"], "a plate has one hash in all tables");
    let kinds =
        "select data_type from information_schema.columns where table_name = 'assets' and column_name = 'latitude'";
    assert_eq!(ask(kinds).await, ["text"]);
    let min = ask("select min(plate_hash) from security where zone = 'vung-ang'").await;
    let mut hashes: Vec<String> =
        (0..4).map(|n| key.hash(Personal::Plate, &format!("plate-of-vung-ang-{n}"))).collect();
    hashes.sort_unstable();
    assert_eq!(min, hashes[..1]);
}
