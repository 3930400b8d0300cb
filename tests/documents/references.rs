//! Paths, links and tests that a document names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Paths in `code` and targets of links that do not exist, as `file:line: fault`.
pub(crate) fn broken(root: &Path, page: &Path) -> Vec<String> {
    let name = page.strip_prefix(root).unwrap_or(page).display().to_string();
    let mut faults = Vec::new();
    for (number, line) in text_lines(page) {
        let missing = code_spans(&line).into_iter().filter(|span| is_path(root, span) && !exists(root, span));
        faults.extend(missing.map(|span| format!("{name}:{number}: `{span}` does not exist")));
        let dead = links(&line).into_iter().filter(|link| !leads_somewhere(page, link));
        faults.extend(dead.map(|link| format!("{name}:{number}: the link to {link} leads nowhere")));
    }
    faults
}

/// Tests that a page names and no source has. A test's name is a sentence: code of five words or more.
pub(crate) fn missing_tests(root: &Path, page: &Path) -> Vec<String> {
    let spans = text_lines(page).into_iter().flat_map(|(_, line)| code_spans(&line));
    let is_test = |span: &String| {
        span.matches('_').count() >= 4 && span.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase())
    };
    let mut wanted: BTreeSet<String> = spans.filter(is_test).collect();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && file != "target" && !file.starts_with('.') {
                folders.push(path);
            } else if file.ends_with(".rs") {
                let source = fs::read_to_string(&path).unwrap_or_default();
                wanted.retain(|test| !source.contains(&format!("fn {test}(")));
            }
        }
    }
    wanted.into_iter().collect()
}

/// Lines outside of fenced blocks, with their numbers.
fn text_lines(page: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(page).expect("a document is text");
    let mut in_fence = false;
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence {
            lines.push((number, line.to_owned()));
        }
    }
    lines
}

fn code_spans(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// True for text that begins with a folder of the clone and has only letters of paths.
fn is_path(root: &Path, span: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let Some((first, _)) = span.split_once('/') else { return false };
    !first.is_empty() && !first.starts_with('.') && span.chars().all(is_letter) && root.join(first).is_dir()
}

/// True for files, folders, and decisions by number.
fn exists(root: &Path, span: &str) -> bool {
    let path = root.join(span.trim_end_matches('/'));
    if path.exists() {
        return true;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let numbered = format!("{}-", name.to_string_lossy());
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with(&numbered))
}

fn links(line: &str) -> Vec<String> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    if link.contains("://") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let folder = page.parent().expect("a page is in a folder");
    let target = if file.is_empty() { page.to_owned() } else { folder.join(file) };
    target.exists() && (heading.is_empty() || headings(&target).contains(heading))
}

/// Names by which links find the headings of a page.
fn headings(page: &Path) -> BTreeSet<String> {
    let lines = text_lines(page).into_iter().filter(|(_, line)| line.starts_with('#'));
    let name = |(_, line): (usize, String)| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    lines.map(name).collect()
}
