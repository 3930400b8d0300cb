//! Shell blocks of a Markdown document, each with the comment before it.

/// A fenced `sh` block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its first command, from 1.
    pub(crate) line: usize,
    /// The commands.
    pub(crate) text: String,
    /// The comment before it.
    pub(crate) marker: Marker,
}

/// The comment before a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The block runs.
    Run {
        /// Name, for the reader of a failure.
        name: String,
        /// True for a block that starts a server and does not end.
        in_background: bool,
        /// Programs without which the block is left out.
        needs: Vec<String>,
    },
    /// The block is left to the reader.
    NotRun,
    /// The comment cannot be read, for this reason.
    Bad(String),
    /// There is no comment.
    None,
}

/// All `sh` blocks of a document, in order.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut fence: Option<&str> = None;
    let mut open: Option<Block> = None;
    for (line, number) in document.lines().zip(1..) {
        let trimmed = line.trim();
        match fence {
            None => {
                if let Some(language) = trimmed.strip_prefix("```") {
                    fence = Some("```");
                    let block = || Block { line: number + 1, text: String::new(), marker: marker(before) };
                    open = matches!(language.trim(), "sh" | "bash" | "shell" | "console").then(block);
                }
            }
            Some(end) if trimmed == end => {
                fence = None;
                blocks.extend(open.take());
            }
            Some(_) => {
                if let Some(block) = &mut open {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
        }
        if !trimmed.is_empty() {
            before = trimmed;
        }
    }
    blocks
}

/// The meaning of the last line before a block.
fn marker(line: &str) -> Marker {
    let Some(comment) = line.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) else {
        return Marker::None;
    };
    let comment = comment.trim();
    if let Some(reason) = comment.strip_prefix("not run:") {
        return if reason.trim().is_empty() {
            Marker::Bad("`not run:` gives no reason".into())
        } else {
            Marker::NotRun
        };
    }
    let Some(rest) = comment.strip_prefix("run:") else { return Marker::None };
    let mut parts = rest.split(',').map(str::trim);
    let name = parts.next().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Marker::Bad("`run:` gives no name".into());
    }
    let (mut in_background, mut needs) = (false, Vec::new());
    for part in parts {
        match part.strip_prefix("needs ") {
            Some(tool) => needs.push(tool.trim().to_owned()),
            None if part == "in the background" => in_background = true,
            None => return Marker::Bad(format!("`{part}` is not known behind the name of a block")),
        }
    }
    Marker::Run { name, in_background, needs }
}

#[test]
fn blocks_are_read_with_their_comments_and_other_languages_are_left_out() {
    let document = "# T\n\n<!-- run: start, in the background, needs curl -->\n```sh\na\n  b\n```\n\n```sql\nselect\n```\n<!-- not run: costs money -->\n\n\
                    - item\n\n  ```sh\n  c\n  ```\n";
    let blocks = blocks(document);
    let run = Marker::Run { name: "start".into(), in_background: true, needs: vec!["curl".into()] };
    assert_eq!(blocks[0], Block { line: 5, text: "a\n  b\n".into(), marker: run });
    assert_eq!((blocks.len(), &blocks[1].marker), (2, &Marker::None));
}

#[test]
fn a_comment_that_says_too_little_is_told_apart_from_none() {
    assert_eq!(marker("<!-- not run: builds everything -->"), Marker::NotRun);
    assert!(matches!(marker("<!-- not run: -->"), Marker::Bad(_)));
    assert!(matches!(marker("<!-- run: , needs curl -->"), Marker::Bad(_)));
    assert!(matches!(marker("<!-- run: a, slowly -->"), Marker::Bad(_)));
    assert_eq!(marker("<!-- a remark -->"), Marker::None);
    assert_eq!(marker("Text."), Marker::None);
}
