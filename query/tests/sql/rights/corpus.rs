//! Statements that try to see more than a role may. The strongest witness is a store in which the hidden rows do not exist:
//! the same statement must be answered, or refused, with the same words.

use zonelake_query::{Caller, QueryEngine};

use crate::harness::lines;
use crate::rights::world::{ROLES, World, forbidden};

/// The statements, one a line.
const CORPUS: &str = include_str!("corpus.sql");

fn statements() -> Vec<&'static str> {
    CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).collect()
}

/// What a role is told: the rows in any order, or the error.
async fn told(engine: &QueryEngine, role: &str, sql: &str) -> Result<Vec<String>, String> {
    let caller = Caller { name: role.into() };
    let answer = async { engine.execute(sql, &caller).await?.collect().await };
    match answer.await {
        Ok(batches) => {
            let mut all: Vec<String> = batches.iter().flat_map(lines).collect();
            if is_measured(sql) {
                all = all.iter().map(|line| without_times(line)).collect();
            }
            all.sort_unstable();
            Ok(all)
        }
        Err(error) => Err(format!("{:?}: {}", error.code, error.message)),
    }
}

/// An answer as it is, and an error without the value that it names: which of several rows fails first is not determined.
fn without_values(told: &Result<Vec<String>, String>) -> Result<Vec<String>, String> {
    told.clone().map_err(|error| {
        let parts = error.split('\'').enumerate();
        parts.map(|(number, part)| if number % 2 == 0 { part } else { "…" }).collect::<Vec<_>>().join("'")
    })
}

fn is_measured(sql: &str) -> bool {
    sql.starts_with("explain analyze")
}

/// A plan with its counts of rows, and without what differs from run to run: times, bytes and batches.
fn without_times(plan: &str) -> String {
    // How evenly the partitions share the rows is by chance, and so is which partition is listed first.
    let counts_rows = |metric: &str| metric.starts_with("output_rows") || metric.starts_with("input_rows");
    let keeps = |metric: &str| counts_rows(metric) && !metric.starts_with("output_rows_skew");
    let lines = plan.lines().map(|line| match line.split_once("metrics=[") {
        Some((operator, metrics)) => {
            let metrics = metrics.trim_end_matches(']').split(", ");
            let mut counts: Vec<&str> = metrics.filter(|metric| keeps(metric)).collect();
            counts.sort_unstable();
            format!("{operator}{}", counts.join(", "))
        }
        None => line.to_owned(),
    });
    lines.filter(|line| !line.contains("Duration") && !line.contains("Output Rows")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_statement_gives_what_it_gives_where_hidden_rows_do_not_exist() {
    let world = World::new().await;
    let statements = statements();
    assert!(statements.len() >= 150, "{} statements", statements.len());
    let mut failures = Vec::new();
    for role in ROLES {
        // An engine of its own for each role: an auditor sees the statements that others have sent to it.
        let (full, witness) = (world.full.engine(), world.permitted(role).await.engine());
        let forbidden = forbidden(role);
        let mut answered = 0;
        for sql in &statements {
            let (mut seen, mut wanted) = (told(&full, role, sql).await, told(&witness, role, sql).await);
            // How many rows a scan gives before the filter of a join reaches it is by chance, and so some run has to agree. What
            // hidden rows add is in every run.
            let mut runs = if is_measured(sql) { 20 } else { 1 };
            while runs > 1 && without_values(&seen) != without_values(&wanted) {
                (seen, wanted) = (told(&full, role, sql).await, told(&witness, role, sql).await);
                runs -= 1;
            }
            answered += usize::from(seen.as_ref().is_ok_and(|rows| !rows.is_empty()));
            if without_values(&seen) != without_values(&wanted) {
                failures.push(format!("{role}: {sql}\n  is told {seen:?}\n  and not {wanted:?}"));
            }
            let text = format!("{seen:?}");
            let leaked = forbidden.iter().find(|mark| text.contains(mark.as_str()) && !sql.contains(mark.as_str()));
            if let Some(mark) = leaked {
                failures.push(format!("{role}: {sql}\n  shows {mark}: {text}"));
            }
        }
        // A role that is refused everything would agree with every witness.
        let least = match role {
            "nobody" => 8,
            "operator" | "auditor" => 20,
            _ => 100,
        };
        assert!(answered >= least, "{role} is answered {answered} statements");
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Beginnings of statements whose answers are about more than rows of a zone: lists of what exists, plans, statements.
const NOT_ROWS: [&str; 10] = [
    "explain",
    "show",
    "describe",
    "from fields",
    "zones",
    "sites",
    "gateways",
    "information_schema",
    "system.",
    "provinces",
];

#[tokio::test]
async fn a_role_that_sees_all_of_a_zone_is_told_what_an_administrator_of_that_zone_alone_is() {
    let world = World::new().await;
    let full = world.full.engine();
    let witness = world.permitted("shown").await.engine();
    let mut compared = 0;
    for sql in statements() {
        if NOT_ROWS.iter().any(|word| sql.contains(word)) {
            continue;
        }
        let (seen, wanted) = (told(&full, "shown", sql).await, told(&witness, "admin", sql).await);
        assert_eq!(without_values(&seen), without_values(&wanted), "{sql}");
        compared += 1;
    }
    assert!(compared >= 120, "{compared} statements");
}

#[tokio::test]
async fn a_predicate_that_fails_on_hidden_rows_would_tell_if_it_were_evaluated_there() {
    // What the corpus probes with does fail where the rows are visible: else it would prove nothing.
    let world = World::new().await;
    let full = world.full.engine();
    let probing = statements().into_iter().filter(|sql| sql.contains("1 / (pci - 20)") || sql.contains("as int) = 1"));
    let mut failed = 0;
    for sql in probing {
        failed += usize::from(told(&full, "admin", sql).await.is_err());
        if sql.contains("from environment where cast") {
            assert!(told(&full, "zone", sql).await.is_ok(), "{sql}");
        }
    }
    assert!(failed >= 5, "{failed} fail for the administrator");
}
