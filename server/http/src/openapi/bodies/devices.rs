//! Bodies about devices and sites.

use super::body::{Body, MAY_BE_ABSENT, NEEDED};

/// Objects by name.
pub(super) const BODIES: &[Body] = &[
    Body {
        name: "AddSite",
        description: "Body of `POST /api/v1/sites`, and its response.",
        members: &[
            ("zone", "string", NEEDED, "Code of the zone."),
            ("code", "string", NEEDED, "Code within the zone."),
            ("name", "string", NEEDED, "Name for people."),
        ],
    },
    Body {
        name: "DeviceChangeItem",
        description: "A change of a device.",
        members: &[
            ("changed_us", "integer", NEEDED, "Time of the change, microseconds."),
            ("changed_by", "string", NEEDED, "A role, `@local`, or the gateway that announced it."),
            ("attribute", "string", NEEDED, "Attribute; another `serial` is a replacement, another `site` a move."),
            ("before", "string?", NEEDED, "What it was."),
            ("after", "string?", NEEDED, "What it became."),
        ],
    },
    Body {
        name: "DeviceChanges",
        description: "What is to be said of a device: an attribute that is absent stays, null takes it away.",
        members: &[
            ("state", "DeviceState", MAY_BE_ABSENT, "State."),
            ("site", "string?", MAY_BE_ABSENT, "Code of its site. Rows of before stay where they were measured."),
            ("kind", "string?", MAY_BE_ABSENT, "What it is."),
            ("model", "string?", MAY_BE_ABSENT, "Maker and type."),
            ("serial", "string?", MAY_BE_ABSENT, "Serial number; another one says that the device was replaced."),
            ("owner", "string?", MAY_BE_ABSENT, "Who it belongs to."),
            ("position", "Position?", MAY_BE_ABSENT, "Where it stands."),
            ("tags", "[string]?", MAY_BE_ABSENT, "Words to find it by."),
            ("interval_seconds", "integer?", MAY_BE_ABSENT, "Seconds between two rows of it."),
        ],
    },
    Body {
        name: "DeviceItem",
        description: "One device.",
        members: &[
            ("province", "string", NEEDED, "Code of the province."),
            ("zone", "string", NEEDED, "Code of the zone."),
            ("device", "string", NEEDED, "Name within the zone."),
            ("state", "DeviceState", NEEDED, "State."),
            ("site", "string?", NEEDED, "Code of its site."),
            ("kind", "string?", NEEDED, "What it is."),
            ("model", "string?", NEEDED, "Maker and type."),
            ("serial", "string?", NEEDED, "Serial number."),
            ("owner", "string?", NEEDED, "Who it belongs to."),
            ("position", "Position?", NEEDED, "Where it stands."),
            ("tags", "[string]", NEEDED, "Words to find it by."),
            ("interval_seconds", "integer?", NEEDED, "Seconds between two rows of it."),
            (
                "registered_us",
                "integer?",
                NEEDED,
                "Since when rows of it are stored where it is now, microseconds; null for one that has none yet.",
            ),
        ],
    },
    Body {
        name: "DeviceLine",
        description: "A device of a file, and what the file says of it.",
        members: &[
            ("line", "integer?", MAY_BE_ABSENT, "Line of the file, for messages."),
            ("zone", "string", NEEDED, "Code of the zone."),
            ("device", "string", NEEDED, "Name of the device within the zone."),
            ("set", "DeviceChanges", MAY_BE_ABSENT, "What is said of it."),
        ],
    },
    Body {
        name: "DeviceList",
        description: "Response to `GET /api/v1/devices`: one page.",
        members: &[
            ("devices", "[DeviceItem]", NEEDED, "Devices by zone and name."),
            (
                "after",
                "string?",
                MAY_BE_ABSENT,
                "Where the next page begins: the parameter `after` of the next request. Absent behind the last page.",
            ),
        ],
    },
    Body {
        name: "DevicePage",
        description: "Response to `GET /api/v1/devices/{zone}/{name}`.",
        members: &[
            ("device", "DeviceItem", NEEDED, "The device."),
            ("history", "[DeviceChangeItem]", NEEDED, "What has changed of it, the latest first."),
        ],
    },
    Body {
        name: "DevicePolicy",
        description: "Body of `POST /api/v1/zones/{zone}/device-policy`, and its response.",
        members: &[("new_devices", "NewDevices", NEEDED, "What becomes of devices that nobody knows.")],
    },
    Body {
        name: "ImportDevices",
        description: "Body of `POST /api/v1/devices`: devices of a file, all of which are stored or none.",
        members: &[
            ("devices", "[DeviceLine]", NEEDED, "Devices, and what the file says of each."),
            ("dry_run", "boolean", MAY_BE_ABSENT, "True where they are checked and not stored."),
        ],
    },
    Body {
        name: "ImportedDeviceList",
        description: "Response to `POST /api/v1/devices`.",
        members: &[
            ("added", "integer", NEEDED, "Devices that were not known."),
            ("changed", "integer", NEEDED, "Devices of which something else is said now."),
            ("unchanged", "integer", NEEDED, "Devices of which the same is said as before."),
            ("dry_run", "boolean", NEEDED, "True where nothing was stored."),
            (
                "kept",
                "KeptDeviceRows?",
                MAY_BE_ABSENT,
                "What became of rows that were rejected before their devices were approved; absent where none was, or no server runs.",
            ),
        ],
    },
    Body {
        name: "KeptDeviceRows",
        description: "Rows that were rejected before their devices were approved.",
        members: &[
            ("stored", "integer", NEEDED, "Rows that are stored now."),
            ("kept", "integer", NEEDED, "Rows that stay rejected, for other reasons."),
            (
                "error",
                "string?",
                MAY_BE_ABSENT,
                "Why some could not be looked at; `zonelake rejected replay` does the rest.",
            ),
        ],
    },
    Body {
        name: "Position",
        description: "Place on the earth.",
        members: &[
            ("latitude", "number", NEEDED, "Degrees north, -90 to 90."),
            ("longitude", "number", NEEDED, "Degrees east, -180 to 180."),
        ],
    },
    Body {
        name: "SetDevice",
        description: "Response to `PATCH /api/v1/devices/{zone}/{name}`.",
        members: &[
            ("device", "DeviceItem", NEEDED, "The device as it is now."),
            (
                "kept",
                "KeptDeviceRows?",
                MAY_BE_ABSENT,
                "What became of rows that were rejected before it was approved; absent where it was not, or no server runs.",
            ),
        ],
    },
    Body {
        name: "SiteItem",
        description: "One site.",
        members: &[
            ("province", "string", NEEDED, "Code of the province."),
            ("zone", "string", NEEDED, "Code of the zone."),
            ("code", "string", NEEDED, "Code within the zone."),
            ("name", "string", NEEDED, "Name for people."),
        ],
    },
    Body {
        name: "SiteList",
        description: "Response to `GET /api/v1/sites`.",
        members: &[("sites", "[SiteItem]", NEEDED, "Sites by zone and code.")],
    },
];
