//! Bodies about scheduled reports.

use super::body::{Body, MAY_BE_ABSENT, NEEDED};

/// Objects by name.
pub(super) const BODIES: &[Body] = &[
    Body {
        name: "AddReportSchedule",
        description: "Body of `POST /api/v1/report-schedules`.",
        members: &[
            ("name", "string", NEEDED, "Name."),
            ("schedule", "ScheduleDef", NEEDED, "What is made and when."),
            (
                "author",
                "string?",
                MAY_BE_ABSENT,
                "Role with whose rights it is made; the sender without one. Administrators may name others.",
            ),
            ("since_us", "integer?", MAY_BE_ABSENT, "Make also what was due from this instant on."),
            (
                "dry_run",
                "boolean",
                MAY_BE_ABSENT,
                "True where it is checked and told when it is due, and nothing is added; the status is 200 then.",
            ),
        ],
    },
    Body {
        name: "PruneReports",
        description: "Body of `POST /api/v1/report-runs/prune`.",
        members: &[
            ("before_us", "integer", NEEDED, "Files of reports that were due before this instant are removed."),
            ("schedule", "string?", MAY_BE_ABSENT, "Schedule whose files they are; all without one."),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where only what would be removed is to be told."),
        ],
    },
    Body {
        name: "PrunedReports",
        description: "Response to `POST /api/v1/report-runs/prune`.",
        members: &[
            ("removed", "integer", NEEDED, "Files that were removed, or would be."),
            ("bytes", "integer", NEEDED, "Their bytes."),
            ("kept", "[string]", NEEDED, "Paths of files that stay since they are not what was made."),
        ],
    },
    Body {
        name: "ReportFileItem",
        description: "A file of a report.",
        members: &[
            ("path", "string", NEEDED, "Path within the folder of reports."),
            ("sha256", "string", NEEDED, "SHA-256 of its bytes, in hexadecimal."),
            ("bytes", "integer", NEEDED, "Number of its bytes."),
            ("removed_us", "integer?", NEEDED, "When it was removed on purpose."),
        ],
    },
    Body {
        name: "ReportRunItem",
        description: "A report that was due.",
        members: &[
            ("schedule", "string", NEEDED, "Name of its schedule."),
            ("due_us", "integer", NEEDED, "When it was due."),
            ("number", "integer", NEEDED, "0; more where the ones before were made while the clock was ahead."),
            ("outcome", "string", NEEDED, "`made`, `empty` or `failed`."),
            ("author", "string", NEEDED, "Role with whose rights it was made, or `@local`."),
            ("done_us", "integer", NEEDED, "When it was made or given up."),
            ("note", "string?", NEEDED, "Why there are no files, or what is not in them."),
            (
                "is_ahead",
                "boolean",
                NEEDED,
                "True where it was made while the clock was ahead: of days that were not over.",
            ),
            ("files", "[ReportFileItem]", NEEDED, "Its files."),
        ],
    },
    Body {
        name: "ReportRunList",
        description: "Response to `GET /api/v1/report-runs` and what stands below it, and to `GET /api/v1/report-files/{sha256}`.",
        members: &[
            ("folder", "string", NEEDED, "Folder of the files on the server."),
            ("runs", "[ReportRunItem]", NEEDED, "Runs, the last one due first."),
            ("has_more", "boolean", NEEDED, "True where there are older ones, which are not told."),
        ],
    },
    Body {
        name: "ReportScheduleItem",
        description: "A schedule as it is now.",
        members: &[
            ("name", "string", NEEDED, "Name."),
            ("author", "string", NEEDED, "Role with whose rights it is made, or `@local`."),
            ("schedule", "ScheduleDef", NEEDED, "What is made and when."),
            ("created_us", "integer", NEEDED, "When it was added."),
            ("due_us", "integer", NEEDED, "When the next report is due, or was, where it is not made yet."),
            ("next_us", "[integer]", NEEDED, "When the three behind it are due."),
            ("attempts", "integer", NEEDED, "Attempts at that report that have failed."),
            ("failing_since_us", "integer?", NEEDED, "Since when they do."),
            ("error", "string?", NEEDED, "Why the last of them did."),
            ("last_run", "ReportRunItem?", NEEDED, "Its last run."),
        ],
    },
    Body {
        name: "ReportScheduleList",
        description: "Response to `GET /api/v1/report-schedules`.",
        members: &[("schedules", "[ReportScheduleItem]", NEEDED, "Schedules by name.")],
    },
    Body {
        name: "ScheduleDef",
        description: "What is made and when.",
        members: &[
            ("cron", "string", NEEDED, "When it is due: cron, in the time of Viet Nam."),
            ("report", "string", NEEDED, "Name of the report."),
            ("zone", "string?", MAY_BE_ABSENT, "Zone."),
            ("province", "string?", MAY_BE_ABSENT, "Province."),
            ("device", "string?", MAY_BE_ABSENT, "Station, for a file of one."),
            ("period", "ReportPeriod", NEEDED, "Days that it is of, by the time at which it is due."),
            ("format", "ReportFormat", NEEDED, "Format."),
            ("language", "ReportLanguage", NEEDED, "Language."),
            ("folder", "string?", MAY_BE_ABSENT, "Folder of its files within that of all reports."),
        ],
    },
    Body {
        name: "VerifiedReportFile",
        description: "A file that was compared with its digest.",
        members: &[
            ("path", "string", NEEDED, "Path within the folder of reports."),
            (
                "state",
                "string",
                NEEDED,
                "`unchanged`, `changed`, `missing`, `unreadable`, or `removed` where that was on purpose.",
            ),
            ("sha256", "string", NEEDED, "SHA-256 of what was made."),
            ("found", "string?", NEEDED, "SHA-256 of what is there, where it is other, or why it cannot be read."),
        ],
    },
    Body {
        name: "VerifiedReports",
        description: "Response to `POST /api/v1/report-runs/verify`.",
        members: &[
            ("files", "[VerifiedReportFile]", NEEDED, "Files, those of the last run first."),
            ("has_more", "boolean", NEEDED, "True where there are older ones, which were not compared."),
        ],
    },
    Body {
        name: "VerifyReports",
        description: "Body of `POST /api/v1/report-runs/verify`.",
        members: &[("schedule", "string?", MAY_BE_ABSENT, "Schedule whose files are compared; all without one.")],
    },
];
