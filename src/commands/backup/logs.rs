//! Which files of a Delta log belong to a version of its table.

use std::fs;
use std::io;
use std::path::Path;

/// Names of the files in the folder of a log that make up its versions up to this one; all where there is no bound.
pub(super) fn files_of_version(folder: &Path, version: Option<i64>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let of = match name.as_str() {
            LAST_CHECKPOINT => hinted_version(&fs::read(folder.join(&name))?),
            _ => named_version(&name),
        };
        if of.is_some_and(|of| version.is_none_or(|version| of <= version)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Version in the name of an entry or a checkpoint; `None` for what is neither, such as a file that is being written.
fn named_version(name: &str) -> Option<i64> {
    let (digits, rest) = name.split_at_checked(VERSION_DIGITS)?;
    let is_known = rest == ".json" || rest.starts_with(".checkpoint.") && rest.ends_with(".parquet");
    (is_known && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Version that the hint for readers names.
fn hinted_version(hint: &[u8]) -> Option<i64> {
    serde_json::from_slice::<serde_json::Value>(hint).ok()?["version"].as_i64()
}

/// Hint for readers: where the newest checkpoint is.
const LAST_CHECKPOINT: &str = "_last_checkpoint";
const VERSION_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_checkpoints_and_the_hint_of_later_versions_are_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        for version in 7..10 {
            write(&format!("{version:020}.json"), "{}");
        }
        write("00000000000000000007.checkpoint.parquet", "");
        write("00000000000000000009.checkpoint.parquet", "");
        write("00000000000000000008.json#1", "half an entry");
        write("_last_checkpoint", r#"{"version":9,"size":3}"#);
        let names = |version| files_of_version(folder.path(), version).expect("listed");
        assert_eq!(
            names(Some(8)),
            ["00000000000000000007.checkpoint.parquet", "00000000000000000007.json", "00000000000000000008.json"]
        );
        assert_eq!(names(Some(9)), names(None));
        assert_eq!(names(None).len(), 6);
    }
}
