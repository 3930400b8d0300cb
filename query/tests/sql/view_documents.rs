//! The documents of the views: each view stands in them with an example, in both languages the same, and each example is answered.

use zonelake_schemas::views::VIEWS;

use crate::view_rows::Place;

const ENGLISH: &str = include_str!("../../../docs/domain.md");
const VIETNAMESE: &str = include_str!("../../../docs/vi/domain.md");

/// Statements of a document, without their comments.
fn examples(document: &str) -> Vec<String> {
    let blocks = document.split("```sql\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
    let statements = blocks.flat_map(|block| block.split_terminator(";\n").map(str::to_owned).collect::<Vec<_>>());
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    statements.map(|statement| lines(&statement)).collect()
}

#[tokio::test]
async fn each_view_has_an_example_in_both_languages_and_each_example_is_answered() {
    let examples_of = examples(ENGLISH);
    assert_eq!(examples(VIETNAMESE), examples_of);
    for view in VIEWS {
        let named = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == view.name);
        assert!(examples_of.iter().any(|example| named(example)), "{} has no example", view.name);
        for document in [ENGLISH, VIETNAMESE] {
            assert!(
                document.contains(&format!("| `{}` |", view.name)) || document.contains(&format!("`{}`,", view.name)),
                "{}",
                view.name
            );
        }
    }
    let place = Place::new();
    for example in examples_of {
        place.answer(&example).await;
    }
}
