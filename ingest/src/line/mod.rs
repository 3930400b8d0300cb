//! Line protocol, as InfluxDB and Telegraf write it, brought to the columns of a table:
//!
//! ```text
//! environment,device=kk-01,zone=vung-ang pm2_5=21.53,temperature=31.2 1735689600000000000
//! ```
//!
//! The measurement is the table. The tag `device` (or a string field of that name) is required; `quality`, `province`,
//! `zone` and `site` are the columns of these names; any other tag is a text field. The timestamp stands at the end, in
//! nanoseconds unless the precision says otherwise; without one, the time is the server's. Comments begin with `#`.
//!
//! - [`precision`]: the unit of timestamps
//! - [`parse`]: lines to names and values, without meaning
//! - [`tags`]: tags that are left out or taken as other columns
//! - [`fault`]: a line that cannot be stored
//! - [`mod@column`]: a column that grows row by row
//! - [`table_rows`]: lines of one table to columns
//! - [`decoder`]: the decoder of a stream of lines for one table
//! - [`body`]: the lines of one request, of many tables
//! - [`rejected_content`]: what was sent, for the table `rejected`

pub(crate) mod body;
pub(crate) mod column;
pub(crate) mod decoder;
pub(crate) mod fault;
pub(crate) mod parse;
pub(crate) mod precision;
pub(crate) mod rejected_content;
pub(crate) mod table_rows;
pub(crate) mod tags;
