//! Memory and processor time of a process, as Linux tells them.

/// Resources of a process at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Memory in use, bytes.
    pub memory_bytes: u64,
    /// The most that it was, bytes.
    pub memory_peak_bytes: u64,
    /// Processor time since its start, seconds.
    pub processor_seconds: f64,
}

/// Resources of a process now; zeros where it is gone or the system is not Linux.
pub(crate) fn usage(pid: u32) -> Usage {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = read("status");
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    // Behind the command in brackets: the fields from the third on; 14 and 15 are user and system time.
    let stat = read("stat");
    let ticks: f64 = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum())
        .unwrap_or(0.0);
    Usage {
        memory_bytes: kilobytes("VmRSS:"),
        memory_peak_bytes: kilobytes("VmHWM:"),
        processor_seconds: ticks / TICKS_PER_SECOND,
    }
}

/// Unit of processor times in `/proc`: `USER_HZ`, which is 100 on every architecture that Zonelake runs on.
const TICKS_PER_SECOND: f64 = 100.0;
