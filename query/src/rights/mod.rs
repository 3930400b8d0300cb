//! Rights: what the role of a statement may read, resolved when the statement begins and enforced below everything that can
//! name a table.
//!
//! - [`resolved`]: a role's grants become the rights of one statement
//! - [`row_filter`]: the rows that grants allow, as an expression
//! - [`total`]: predicates that cannot fail, which alone may come near hidden rows
//! - [`granted_table`]: a table with its hidden rows and columns taken out
//! - [`granted_rows`]: the rows of such a table, as a scan that nothing above looks into
//! - [`personal_hash`]: personal data as keyed hashes
//! - [`stamp`]: rights that something was made under which is kept
//! - [`watch`]: statements end when the rights of their role change

pub(crate) mod granted_rows;
pub(crate) mod granted_table;
pub(crate) mod personal_hash;
pub(crate) mod resolved;
pub(crate) mod row_filter;
pub(crate) mod stamp;
pub(crate) mod total;
pub(crate) mod watch;
