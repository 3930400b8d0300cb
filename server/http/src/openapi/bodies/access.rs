//! Bodies about gateways and roles, their tokens and grants.

use super::body::{Body, MAY_BE_ABSENT, NEEDED};

/// Objects by name.
pub(super) const BODIES: &[Body] = &[
    Body {
        name: "AddGateway",
        description: "Body of `POST /api/v1/gateways`.",
        members: &[
            ("name", "string", NEEDED, "Name of the gateway, unique on the server."),
            ("zone", "string", NEEDED, "Code of the zone that it sends for."),
        ],
    },
    Body {
        name: "AddRole",
        description: "Body of `POST /api/v1/roles`.",
        members: &[
            ("name", "string", NEEDED, "Name of the role."),
            (
                "kind",
                "string?",
                MAY_BE_ABSENT,
                "Kind of the role: `administrator`, `province_analyst`, `zone_operator`, `network_operator`, `auditor` or `own`, which one without a kind is.",
            ),
            ("limits", "LimitChanges", MAY_BE_ABSENT, "Limits of the role; those that are absent are the server's."),
            (
                "grants",
                "[GrantItem]",
                MAY_BE_ABSENT,
                "What the role may read; without grants it reads nothing but public reference data.",
            ),
        ],
    },
    Body {
        name: "AddToken",
        description: "Body of `POST /api/v1/gateways/{name}/tokens` and `POST /api/v1/roles/{name}/tokens`.",
        members: &[
            ("name", "string?", MAY_BE_ABSENT, "Name of the token; one that is absent is called after its number."),
            (
                "expires_seconds",
                "integer?",
                MAY_BE_ABSENT,
                "Seconds for which it holds; without them it holds until it is revoked.",
            ),
            (
                "others_end_seconds",
                "integer?",
                MAY_BE_ABSENT,
                "Seconds after which the other tokens of the same owner end.",
            ),
        ],
    },
    Body {
        name: "AddedGateway",
        description: "Response to `POST /api/v1/gateways`.",
        members: &[
            ("name", "string", NEEDED, "Name of the gateway."),
            ("token", "string", NEEDED, "First token of the gateway, shown this once."),
        ],
    },
    Body {
        name: "AddedToken",
        description: "Response with a new token.",
        members: &[
            ("name", "string", NEEDED, "Name of the token."),
            ("state", "string", NEEDED, "`valid`, `expired` or `revoked`."),
            ("created_us", "integer", NEEDED, "Time at which it was made."),
            (
                "created_by",
                "string",
                NEEDED,
                "Administrator who has made it; `@local` on the machine, and empty where nobody wrote it down.",
            ),
            ("expires_us", "integer?", NEEDED, "Time of its end, where it has one."),
            ("last_used_us", "integer?", NEEDED, "Time of its last use."),
            ("revoked_us", "integer?", NEEDED, "Time of its revocation."),
            ("token", "string", NEEDED, "The token, shown this once."),
        ],
    },
    Body {
        name: "GatewayItem",
        description: "One gateway.",
        members: &[
            ("name", "string", NEEDED, "Name of the gateway."),
            ("province", "string", NEEDED, "Code of the province."),
            ("zone", "string", NEEDED, "Code of the zone."),
            ("created_us", "integer", NEEDED, "Time of adding, microseconds since 1970, UTC."),
            (
                "revoked_us",
                "integer?",
                NEEDED,
                "Time of revocation, microseconds since 1970, UTC; absent while the gateway may write.",
            ),
            ("grants", "[WriteGrantItem]", NEEDED, "What it may write."),
        ],
    },
    Body {
        name: "GatewayList",
        description: "Response to `GET /api/v1/gateways`.",
        members: &[("gateways", "[GatewayItem]", NEEDED, "Gateways in the order of their names.")],
    },
    Body {
        name: "GrantItem",
        description: "A grant, the body of `POST /api/v1/roles/{name}/grants`. Personal data are `hidden`, `hashed` or `shown`; what is absent is as the kind of the role has it.",
        members: &[
            ("table", "string?", MAY_BE_ABSENT, "Table; absent for all tables that no grant of the role names."),
            ("place", "string", NEEDED, "`everywhere`, `province:CODE` or `zone:CODE`."),
            ("only", "OnlyItem?", MAY_BE_ABSENT, "Rows of one value alone."),
            ("plate", "string?", MAY_BE_ABSENT, "Number plates."),
            ("person", "string?", MAY_BE_ABSENT, "Persons."),
            ("position", "string?", MAY_BE_ABSENT, "Positions."),
        ],
    },
    Body {
        name: "GrantKeyItem",
        description: "What a grant is about, the body of `POST /api/v1/roles/{name}/revoke`.",
        members: &[
            ("table", "string?", MAY_BE_ABSENT, "Table; absent for all tables that no grant of the role names."),
            ("place", "string", NEEDED, "`everywhere`, `province:CODE` or `zone:CODE`."),
            ("only", "OnlyItem?", MAY_BE_ABSENT, "Rows of one value alone."),
        ],
    },
    Body {
        name: "LimitChanges",
        description: "Changes of limits, the body of `PATCH /api/v1/roles/{name}`: a limit that is absent stays, null takes it away.",
        members: &[
            (
                "statement_seconds_max",
                "integer?",
                MAY_BE_ABSENT,
                "Seconds from the arrival of a statement to its last row.",
            ),
            ("memory_bytes_max", "integer?", MAY_BE_ABSENT, "Memory of one statement, bytes."),
            ("running_max", "integer?", MAY_BE_ABSENT, "Statements that run at the same time."),
        ],
    },
    Body {
        name: "OnlyItem",
        description: "A column that the table declares in `rights_by`, and its value.",
        members: &[("column", "string", NEEDED, "Column."), ("value", "string", NEEDED, "Value.")],
    },
    Body {
        name: "RoleItem",
        description: "One role; a limit that is null is the server's.",
        members: &[
            ("name", "string", NEEDED, "Name of the role."),
            ("kind", "string", NEEDED, "Kind of the role."),
            ("statement_seconds_max", "integer?", NEEDED, "Seconds from the arrival of a statement to its last row."),
            ("memory_bytes_max", "integer?", NEEDED, "Memory of one statement, bytes."),
            ("running_max", "integer?", NEEDED, "Statements that run at the same time."),
            ("grants", "[GrantItem]", NEEDED, "What the role may read."),
        ],
    },
    Body {
        name: "RoleList",
        description: "Response to `GET /api/v1/roles`.",
        members: &[("roles", "[RoleItem]", NEEDED, "Roles in the order of their names.")],
    },
    Body {
        name: "RolePassword",
        description: "Response with a new password.",
        members: &[
            ("name", "string", NEEDED, "Name of the role."),
            ("password", "string", NEEDED, "Password of the role, shown this once."),
        ],
    },
    Body {
        name: "TokenItem",
        description: "One token. Times are microseconds since 1970, UTC.",
        members: &[
            ("name", "string", NEEDED, "Name of the token."),
            ("state", "string", NEEDED, "`valid`, `expired` or `revoked`."),
            ("created_us", "integer", NEEDED, "Time at which it was made."),
            (
                "created_by",
                "string",
                NEEDED,
                "Administrator who has made it; `@local` on the machine, and empty where nobody wrote it down.",
            ),
            ("expires_us", "integer?", NEEDED, "Time of its end, where it has one."),
            ("last_used_us", "integer?", NEEDED, "Time of its last use."),
            ("revoked_us", "integer?", NEEDED, "Time of its revocation."),
        ],
    },
    Body {
        name: "TokenList",
        description: "List of tokens.",
        members: &[("tokens", "[TokenItem]", NEEDED, "Tokens of one gateway or role, the newest first.")],
    },
    Body {
        name: "WriteGrantItem",
        description: "Grant of a gateway.",
        members: &[
            ("table", "string?", MAY_BE_ABSENT, "Table; null for all of them."),
            ("zone", "string", NEEDED, "Code of the zone."),
            (
                "devices",
                "string?",
                MAY_BE_ABSENT,
                "Devices: a name, its beginning with `*` behind it, or `*` for all, which is so without it.",
            ),
        ],
    },
];
