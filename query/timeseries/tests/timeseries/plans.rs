//! What statements are planned to: what leaves out files and what spares sorts.

use arrow::util::pretty::pretty_format_batches;

use crate::harness::Session;

async fn plan(sql: &str) -> String {
    let session = Session::new("Asia/Ho_Chi_Minh");
    pretty_format_batches(&session.batches(&format!("explain {sql}")).await.unwrap()).unwrap().to_string()
}

#[tokio::test]
async fn a_condition_on_a_bucket_is_one_on_the_time() {
    let plan = plan("select id from readings where time_bucket('1 hour', time) = '2026-10-24 07:00'").await;
    assert!(plan.contains("time@1 >= 1792800000000000") || plan.contains("time >= "), "{plan}");
    assert!(!plan.contains("FilterExec: time_bucket"), "{plan}");
}

#[tokio::test]
async fn a_text_compared_with_a_time_is_a_constant_of_the_type_of_the_column() {
    let plan = plan("select id from readings where time >= '2026-10-24' and time < now() - interval '1 hour'").await;
    assert!(!plan.contains("CAST"), "{plan}");
    assert!(!plan.contains("timestamptz"), "{plan}");
}

#[tokio::test]
async fn rows_in_the_order_of_time_are_in_the_order_of_buckets() {
    let sorted = "select time_bucket('1 hour', time) as bucket, n from \
         (select time, count(*) as n from readings group by time order by time limit 40) order by bucket";
    let plan = plan(sorted).await;
    assert!(plan.contains("SortPreservingMergeExec: [bucket") && !plan.contains("SortExec: expr=[bucket"), "{plan}");
}
