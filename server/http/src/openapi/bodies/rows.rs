//! Bodies about rows: those that are to go, that were rejected or are to be corrected, and reference data; and errors.

use super::body::{Body, MAY_BE_ABSENT, NEEDED};

/// Objects by name.
pub(super) const BODIES: &[Body] = &[
    Body {
        name: "AddLegalHold",
        description: "Body of `POST /api/v1/legal-holds`.",
        members: &[
            ("name", "string", NEEDED, "Name of the hold."),
            ("selection", "object", NEEDED, "The rows, of all tables."),
            ("who", "string", NEEDED, "Who orders it."),
            ("why", "string", NEEDED, "Reason."),
        ],
    },
    Body {
        name: "ConcernedRows",
        description: "Response to `POST /api/v1/retention` and `POST /api/v1/deletions`.",
        members: &[
            ("rows", "integer", NEEDED, "Rows that go, or would go."),
            ("whole_files", "integer", NEEDED, "Files that have nothing else."),
            ("mixed_files", "integer", NEEDED, "Files that are rewritten without them."),
            ("id", "integer?", MAY_BE_ABSENT, "Number of the deletion, where one was ordered."),
        ],
    },
    Body {
        name: "CorrectValues",
        description: "Body of `POST /api/v1/corrections`.",
        members: &[
            ("values", "[ValueItem]", NEEDED, "The values."),
            ("who", "string", NEEDED, "Who orders it."),
            ("why", "string", NEEDED, "Reason."),
            (
                "all",
                "boolean",
                MAY_BE_ABSENT,
                "True where all rows of a zone, device and time are meant, should there be several.",
            ),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where only what would change is to be told."),
        ],
    },
    Body {
        name: "CorrectedValues",
        description: "Response to `POST /api/v1/corrections`.",
        members: &[
            ("values", "integer", NEEDED, "Values that were sent."),
            ("changed", "integer", NEEDED, "Those of them that were not so already."),
            ("rows", "integer", NEEDED, "Rows that have other values."),
            ("files", "integer", NEEDED, "Files that were written anew."),
            ("dry_run", "boolean", NEEDED, "True where nothing was changed."),
        ],
    },
    Body {
        name: "DeleteRows",
        description: "Body of `POST /api/v1/deletions`.",
        members: &[
            ("table", "string", NEEDED, "Table."),
            ("selection", "object", NEEDED, "The rows."),
            ("who", "string", NEEDED, "Who orders it."),
            ("why", "string", NEEDED, "Reason."),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where only what would go is to be told."),
        ],
    },
    Body {
        name: "Error",
        description: "What was wrong.",
        members: &[
            ("code", "string", NEEDED, "Kind of the error, for programs."),
            ("message", "string", NEEDED, "What was wrong, in words."),
        ],
    },
    Body {
        name: "HeldUntilNow",
        description: "Response to `POST /api/v1/backups/{hold}/end`.",
        members: &[(
            "held",
            "boolean",
            NEEDED,
            "True where nothing that was to be copied has gone away meanwhile; else the back-up has to begin again.",
        )],
    },
    Body {
        name: "ImportReference",
        description: "Body of `POST /api/v1/reference/{name}`: rows that take the place of all that the table has.",
        members: &[
            ("csv", "string", NEEDED, "The rows, with the header of the table."),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where they are checked and not stored."),
        ],
    },
    Body {
        name: "ImportedReference",
        description: "Response to `POST /api/v1/reference/{name}`.",
        members: &[
            ("name", "string", NEEDED, "Name in SQL."),
            ("rows", "integer", NEEDED, "Rows after the change."),
            ("added", "integer", NEEDED, "Rows that were not there before."),
            ("removed", "integer", NEEDED, "Rows that are no longer there."),
            ("digest", "string", NEEDED, "SHA-256 of the rows as they are stored, in hexadecimal."),
            ("dry_run", "boolean", NEEDED, "True where nothing was stored."),
        ],
    },
    Body {
        name: "KeptRows",
        description: "Rows that stay rejected for one reason.",
        members: &[
            ("reason", "string", NEEDED, "Reason, as of now."),
            ("rows", "integer", NEEDED, "Number of rows."),
            ("message", "string", NEEDED, "The reason in words, for the first of them."),
        ],
    },
    Body {
        name: "ReferenceItem",
        description: "A reference table.",
        members: &[
            ("name", "string", NEEDED, "Name in SQL."),
            ("rows", "integer", NEEDED, "Number of rows."),
            ("changed_us", "integer", NEEDED, "When they were stored, microseconds."),
            ("description", "string", NEEDED, "What the table says."),
        ],
    },
    Body {
        name: "ReferenceList",
        description: "Response to `GET /api/v1/reference`.",
        members: &[("tables", "[ReferenceItem]", NEEDED, "Tables in the order of their names.")],
    },
    Body {
        name: "ReferenceText",
        description: "Response to `GET /api/v1/reference/{name}`.",
        members: &[("name", "string", NEEDED, "Name in SQL."), ("csv", "string", NEEDED, "The rows, with a header.")],
    },
    Body {
        name: "RejectedGroup",
        description: "Rejected rows of one reason, table and gateway.",
        members: &[
            ("reason", "string", NEEDED, "Reason of the rejection."),
            ("table", "string", NEEDED, "Table that the rows were meant for."),
            ("gateway", "string", NEEDED, "Gateway that sent them."),
            ("rows", "integer", NEEDED, "Number of rows."),
            ("first_us", "integer", NEEDED, "Time of the first receipt, microseconds since 1970, UTC."),
            ("last_us", "integer", NEEDED, "Time of the last receipt, microseconds since 1970, UTC."),
            ("message", "string", NEEDED, "The reason in words, for one of them."),
        ],
    },
    Body {
        name: "RejectedList",
        description: "Response to `GET /api/v1/rejected`.",
        members: &[(
            "groups",
            "[RejectedGroup]",
            NEEDED,
            "Rows by reason, table and gateway. Those that were stored after all or dropped are not counted.",
        )],
    },
    Body {
        name: "RejectedPage",
        description: "Response to both: what became of one page of rows.",
        members: &[
            ("done", "integer", NEEDED, "Rows that are stored or dropped now."),
            ("kept", "[KeptRows]", NEEDED, "Rows that stay as they were."),
            ("after", "string?", NEEDED, "Where the next page begins; absent behind the last one."),
        ],
    },
    Body {
        name: "RejectedSelection",
        description: "Body of `POST /api/v1/rejected/replay` and of `POST /api/v1/rejected/drop`.",
        members: &[
            ("reasons", "[string]", MAY_BE_ABSENT, "Reasons; all where none is named."),
            ("table", "string?", MAY_BE_ABSENT, "Table that the rows were meant for; all where it is absent."),
            ("gateway", "string?", MAY_BE_ABSENT, "Gateway that sent them; all where it is absent."),
            ("zone", "string?", MAY_BE_ABSENT, "Zone of the rows; all where it is absent."),
            ("device", "string?", MAY_BE_ABSENT, "Device that the rows name; all where it is absent."),
            ("after", "string?", MAY_BE_ABSENT, "Member `after` of the response before; absent in the first request."),
        ],
    },
    Body {
        name: "SetRetention",
        description: "Body of `POST /api/v1/retention`.",
        members: &[
            ("table", "string", NEEDED, "Table."),
            (
                "zone",
                "string?",
                MAY_BE_ABSENT,
                "Code of the zone; all that have no term of their own where it is absent.",
            ),
            ("days", "integer?", MAY_BE_ABSENT, "Days that rows are kept; for ever where it is absent."),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where only what would go is to be told."),
        ],
    },
    Body {
        name: "ValueItem",
        description: "New value of one field.",
        members: &[
            (
                "line",
                "integer?",
                MAY_BE_ABSENT,
                "Line in the file that it stands in; its place in the list, from 1, where it is absent.",
            ),
            ("table", "string", NEEDED, "Table."),
            ("province", "string?", MAY_BE_ABSENT, "Code of the province; any where it is absent."),
            ("zone", "string?", MAY_BE_ABSENT, "Code of the zone; rows without a zone where it is absent."),
            ("device", "string?", MAY_BE_ABSENT, "Name of the device; rows of the zone as a whole where it is absent."),
            ("time", "string", NEEDED, "Time of the row, with its offset."),
            ("field", "string", NEEDED, "Field."),
            ("value", "scalar", NEEDED, "The value: a number, a text, true, false or null."),
        ],
    },
];
