//! Bodies about alert rules and hooks.

use super::body::{Body, MAY_BE_ABSENT, NEEDED};

/// Objects by name.
pub(super) const BODIES: &[Body] = &[
    Body {
        name: "AddAlertHook",
        description: "Body of `POST /api/v1/alert-hooks`.",
        members: &[("name", "string", NEEDED, "Name."), ("url", "string", NEEDED, "Address, http or https.")],
    },
    Body {
        name: "AddedAlertHook",
        description: "Response to `POST /api/v1/alert-hooks`.",
        members: &[("secret", "string", NEEDED, "Key of the signatures, shown once.")],
    },
    Body {
        name: "AlertHookItem",
        description: "A hook.",
        members: &[
            ("name", "string", NEEDED, "Name."),
            ("url", "string", NEEDED, "Address."),
            ("created_us", "integer", NEEDED, "When it was added, microseconds."),
            ("delivered_us", "integer", NEEDED, "Receipt of the last alert that was delivered, microseconds."),
        ],
    },
    Body {
        name: "AlertHookList",
        description: "Response to `GET /api/v1/alert-hooks`.",
        members: &[
            ("hooks", "[AlertHookItem]", NEEDED, "Hooks by name."),
            ("dead_letters", "[DeadLetterItem]", NEEDED, "What could not be delivered, oldest first."),
        ],
    },
    Body {
        name: "AlertRuleItem",
        description: "An alert rule as it is now.",
        members: &[
            ("name", "string", NEEDED, "Name."),
            ("version", "integer", NEEDED, "Version, from 1."),
            ("author", "string", NEEDED, "Role with whose rights it looks, or `@local`."),
            ("enabled", "boolean", NEEDED, "False where nobody looks."),
            ("changed_us", "integer", NEEDED, "When this version was written, microseconds."),
            ("declaration", "string", NEEDED, "The rule, TOML."),
        ],
    },
    Body {
        name: "AlertRuleList",
        description: "Response to `GET /api/v1/alert-rules`.",
        members: &[("rules", "[AlertRuleItem]", NEEDED, "Rules by name.")],
    },
    Body {
        name: "DeadLetterItem",
        description: "An alert that could not be delivered.",
        members: &[
            ("hook", "string", NEEDED, "Name of the hook."),
            ("key", "string", NEEDED, "Key of the alert."),
            ("body", "string", NEEDED, "What was sent."),
            ("error", "string", NEEDED, "Why it was given up."),
            ("attempts", "integer", NEEDED, "Attempts."),
            ("at_us", "integer", NEEDED, "When it was given up, microseconds."),
        ],
    },
    Body {
        name: "SetAlertRule",
        description: "Body of `POST /api/v1/alert-rules`.",
        members: &[
            ("declaration", "string", NEEDED, "The rule, TOML."),
            (
                "author",
                "string?",
                MAY_BE_ABSENT,
                "Role with whose rights it looks; administrators alone may name another one than themselves.",
            ),
            ("enabled", "boolean", MAY_BE_ABSENT, "False where nobody is to look."),
        ],
    },
    Body {
        name: "TestAlertRule",
        description: "Body of `POST /api/v1/alert-rules/test`.",
        members: &[
            ("declaration", "string", NEEDED, "The rule, TOML."),
            ("author", "string?", MAY_BE_ABSENT, "Role with whose rights it looks, as when it is set."),
            ("from_us", "integer", NEEDED, "First instant, microseconds."),
            ("until_us", "integer", NEEDED, "First instant behind the span, microseconds."),
        ],
    },
    Body {
        name: "TestedAlertRule",
        description: "Response to `POST /api/v1/alert-rules/test`.",
        members: &[(
            "transitions",
            "[TestedTransition]",
            NEEDED,
            "What would have been written to the table `alerts`, by time.",
        )],
    },
    Body {
        name: "TestedTransition",
        description: "A transition that would have been.",
        members: &[
            ("time_us", "integer", NEEDED, "From when on the state holds, microseconds."),
            ("zone", "string?", NEEDED, "Zone of the device."),
            ("device", "string?", NEEDED, "Device."),
            ("from_state", "string", NEEDED, "State before."),
            ("state", "string", NEEDED, "State."),
            ("cause", "string", NEEDED, "Why."),
            ("since_us", "integer", NEEDED, "Since when its conditions hold, or do not hold, microseconds."),
            ("value", "number?", NEEDED, "What its first condition compared."),
        ],
    },
];
