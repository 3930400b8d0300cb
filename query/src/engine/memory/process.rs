//! Memory of the process and of the machine, as Linux tells it.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Memory that the process has taken for itself, in bytes; none where the system does not tell.
pub(crate) fn taken_bytes() -> Option<usize> {
    field_bytes(&read_to_string("/proc/self/status").ok()?, "RssAnon:")
}

/// Memory up to which the process is in no danger: four fifths of what the machine or its container has.
pub(crate) fn safe_bytes() -> usize {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| field_bytes(&text, "MemTotal:"));
    let bytes = machine.into_iter().chain(container_bytes()).min();
    bytes.map_or(usize::MAX, |bytes| bytes / 5 * 4)
}

/// Value of a line `Name:   123 kB`.
fn field_bytes(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1_024)
}

/// Limit of the control group of the process, or of one that it is in.
fn container_bytes() -> Option<usize> {
    let groups = read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new("/sys/fs/cgroup").join(own);
    let limit = |dir: PathBuf| read_to_string(dir.join("memory.max")).ok()?.trim().parse::<usize>().ok();
    own.ancestors().map(Path::to_path_buf).filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(field_bytes("VmRSS:\t 9 kB\nRssAnon:\t     123 kB\n", "RssAnon:"), Some(123 * 1_024));
        assert_eq!(field_bytes("RssAnon: many", "RssAnon:"), None);
        assert!(taken_bytes().is_some_and(|bytes| bytes > 100_000 && bytes < safe_bytes()));
    }
}
