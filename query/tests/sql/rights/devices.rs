//! When devices were heard of, as roles are told it.

use zonelake_query::Caller;
use zonelake_registry::{Grant, Place, RoleKind, RoleLimits, Visibility};

use crate::harness::lines;
use crate::rights::world::World;

#[tokio::test]
async fn a_role_is_told_when_its_devices_were_heard_of_in_tables_that_it_sees_there_and_in_no_others() {
    let world = World::new().await;
    let engine = world.full.engine();
    let zone = |code: &str| Place::Zone(code.into());
    let devices = Grant::table("devices", zone("vung-ang"), Visibility::Hidden);
    let elsewhere = Grant::table("environment", zone("phu-vinh"), Visibility::Hidden);
    let there = Grant::table("environment", zone("vung-ang"), Visibility::Hidden);
    let roles = [
        // Nothing of any table, then of one at another place, then of one at theirs.
        ("bare", vec![devices.clone()], 0),
        ("elsewhere", vec![devices.clone(), elsewhere], 0),
        ("there", vec![devices, there], 3),
    ];
    for (name, grants, heard) in roles {
        let registry = world.full.registry_arc();
        registry.add_role_with(name, RoleKind::Own, RoleLimits::default(), &grants).unwrap();
        let sql = "select count(*), count(last_seen), count(last_time), count(distinct zone) from system.devices";
        let answer = engine.execute(sql, &Caller { name: name.into() }).await.unwrap().collect().await.unwrap();
        let told: Vec<String> = answer.iter().flat_map(lines).collect();
        assert_eq!(told, [format!("3 | {heard} | {heard} | 1")], "{name}");
    }
}
