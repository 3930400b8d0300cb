//! A second opinion on line protocol: the parser of InfluxDB itself (`influxdb-line-protocol`) over the same bytes.
//!
//! Either both parsers accept a block of lines, with the same values, or its text has one of the listed [`DIFFERENCES`].
//! Two independent parsers that agree on millions of inputs are better evidence than either one's tests.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt32Type,
};
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use zonelake_ingest::{Decoded, Refusal};
use zonelake_schemas::columns::{LOG_FIXED, log};
use zonelake_schemas::wire::control::RefusedCode;

use crate::payloads::NOW_US;

/// A way in which the two parsers differ on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// Description, for a reader of this list.
    pub what: &'static str,
    /// A block of lines that shows the difference.
    pub example: &'static str,
    /// Tells a text in which the difference can show.
    pub is_in: fn(&str) -> bool,
}

/// All differences. A text that has none of them is read alike by both parsers.
pub const DIFFERENCES: [Difference; 9] = [
    Difference {
        what: "Zonelake takes carriage returns and tabs around a line for blanks; InfluxDB takes them for text, or ends a name",
        example: "t,device=a raw=1\r\n",
        is_in: |text| text.contains(['\r', '\t', '\0']),
    },
    Difference {
        what: "in names, Zonelake has no escape of a backslash and none of a line feed; a name may end with a backslash",
        example: "t,device=a\\ raw=1\nt,device=a\\\\ raw=1\n",
        is_in: |text| text.contains("\\\\") || text.contains("\\\n") || text.contains("\\=") || text.ends_with('\\'),
    },
    Difference {
        what: "a comment ends with its line in Zonelake, whatever quotes and backslashes are in it",
        example: "# x =\"\nt,device=a raw=1\n",
        is_in: |text| text.lines().any(|line| line.trim_start().starts_with('#') && line.contains(['"', '\\'])),
    },
    Difference {
        what: "Zonelake takes each number that Rust reads, NaN and infinities too, and integers of any length",
        example: "t,device=a raw=.5,wide=NaN,count=99999999999999999999i\n",
        is_in: |text| text.split(['=', ',', ' ', '\n']).any(is_wider_number),
    },
    Difference {
        what: "Zonelake takes blanks at the end of a line without a timestamp",
        example: "t,device=a raw=1 \n",
        is_in: |text| text.split('\n').any(|line| line.ends_with(' ')),
    },
    Difference {
        what: "Zonelake takes a timestamp with a plus sign",
        example: "t,device=a raw=1 +5\n",
        is_in: |text| text.contains(" +"),
    },
    Difference {
        what: "Zonelake takes a timestamp right behind a closing quote",
        example: "t,device=a note=\"x\"5\n",
        is_in: |text| text.split('"').skip(1).any(|rest| rest.starts_with(|next: char| "+-0123456789".contains(next))),
    },
    Difference {
        what: "InfluxDB takes a comma in a key and an equals sign in a tag's value without an escape",
        example: "t,device=a raw=1,wi,de=2\nt,device=a=b raw=1\n",
        is_in: |text| parse_lines(text).flatten().any(|line| has_loose_name(&line)),
    },
    Difference {
        what: "Zonelake leaves out what is blank before it looks for a comment or a quote; InfluxDB splits lines first",
        example: "",
        is_in: |_| false,
    },
];
