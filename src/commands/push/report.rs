//! What a push says: the progress while it runs, and the result of each file.

use chrono::DateTime;
use indicatif::{ProgressBar, ProgressStyle};
use zonelake_push::{FileReport, PastPush, ProgressSink, PushProgress, PushReport};
use zonelake_server::FailureKind;

use crate::error::CliError;

/// Says what became of a file: what is stored on standard output, what is not on standard error.
pub(super) fn tell(file: &FileReport) {
    let totals = &file.totals;
    println!(
        "{}: {} rows, {} readings stored; {} rows were there before",
        file.file, totals.rows, totals.readings, file.rows_before
    );
    for note in &file.notes {
        eprintln!("{}: {note}", file.file);
    }
    if file.bad_rows > 0 {
        eprintln!("{}: {} rows could not be read and are left out", file.file, file.bad_rows);
    }
    if file.bad_cells > 0 {
        eprintln!("{}: {} cells could not be read; the table rejected has them", file.file, file.bad_cells);
    }
    for bad in &file.first_bad {
        eprintln!("  {}, column {:?}: {:?}: {}", bad.position, bad.column, bad.value, bad.reason);
    }
    if totals.rejected_rows + totals.rejected_readings > 0 {
        eprintln!(
            "{}: the server rejected {} rows and {} single readings; the table rejected has them",
            file.file, totals.rejected_rows, totals.rejected_readings
        );
        for rejection in &totals.rejections {
            eprintln!("  {}: {} times, first: {}", rejection.reason, rejection.count, rejection.first);
        }
    }
}

/// Says what became of an earlier push.
pub(super) fn tell_past(push: &PastPush) {
    let begun =
        DateTime::from_timestamp_micros(push.begun_us).map(|time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    let state = if push.is_done { "stored" } else { "broken off; the same push goes on" };
    println!(
        "{}  {}  {}: {} rows, {} of them new, {state}",
        begun.unwrap_or_default(),
        push.table,
        push.file,
        push.rows,
        push.rows_added
    );
}

/// The end of a push: files that failed, a line each, and such of which nothing was acceptable.
pub(super) fn result(report: &PushReport) -> Result<(), CliError> {
    if let Some((last, others)) = report.failed.split_last() {
        others.iter().for_each(|error| eprintln!("zonelake: {error}"));
        return Err(CliError::from_kind(last.kind(), last));
    }
    let sum = |of: fn(&FileReport) -> u64| report.files.iter().map(of).sum::<u64>();
    let rejected = sum(|file| file.totals.rejected_rows + file.bad_rows);
    if rejected > 0 && sum(|file| file.totals.rows + file.rows_before) == 0 {
        let message = format!("none of {rejected} rows was acceptable; what was sent is in the table rejected");
        return Err(CliError::new(FailureKind::NothingAcceptable, message));
    }
    Ok(())
}

/// The progress bar: bytes that are durable. It is drawn on a terminal only.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template(
            "{prefix} [{wide_bar}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} {msg}",
        );
        bar.set_style(style.expect("the template is valid"));
        Self { bar }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl ProgressSink for Bar {
    fn handle_progress(&self, progress: &PushProgress<'_>) {
        if let Some(total) = progress.bytes_total {
            self.bar.set_length(total);
        }
        self.bar.set_prefix(format!("{}/{} {}", progress.file_index + 1, progress.files, progress.file));
        let rows = progress.rows_before + progress.totals.rows;
        self.bar.set_message(match &progress.broken {
            Some(reason) => format!("{rows} rows; trying again: {reason}"),
            None => format!("{rows} rows"),
        });
        self.bar.set_position(progress.bytes_durable);
    }
}
