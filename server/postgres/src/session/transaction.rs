//! Transactions as clients see them. Statements only read, and each sees one moment, so only variables are ever
//! committed or rolled back. What counts is that clients find the states that they expect.

use crate::error::PgError;
use crate::protocol::messages::TransactionStatus;
use crate::session::variables::Variables;

/// Transaction of a connection, open or not.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    is_failed: bool,
    savepoints: Vec<String>,
    /// Variables at the start of the transaction.
    before: Variables,
    /// Variables that SET LOCAL has changed, with the values that COMMIT sets them back to.
    local: Vec<(String, String)>,
}

/// Most savepoints of one transaction.
const SAVEPOINTS_MAX: usize = 1_000;

/// End of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    /// No transaction was open.
    None,
    Committed,
    RolledBack,
}

impl Transaction {
    /// Status as ReadyForQuery has it.
    pub(crate) fn status(&self) -> TransactionStatus {
        match &self.open {
            None => TransactionStatus::Idle,
            Some(open) if open.is_failed => TransactionStatus::Failed,
            Some(_) => TransactionStatus::Open,
        }
    }

    /// Opens a transaction; `false` where one is open already.
    pub(crate) fn begin(&mut self, variables: &Variables) -> bool {
        if self.open.is_some() {
            return false;
        }
        let before = variables.clone();
        self.open = Some(Open { is_failed: false, savepoints: Vec::new(), before, local: Vec::new() });
        true
    }

    /// Commits the open transaction; a failed one is rolled back.
    pub(crate) fn commit(&mut self, variables: &mut Variables) -> TransactionEnd {
        match self.open.take() {
            None => TransactionEnd::None,
            Some(open) if open.is_failed => {
                *variables = open.before;
                TransactionEnd::RolledBack
            }
            Some(open) => {
                // Backwards, so that of several changes of a variable the oldest value is the last one set.
                for (name, value) in open.local.iter().rev() {
                    // The value was accepted before, so it is accepted again.
                    variables.set(name, value).ok();
                }
                TransactionEnd::Committed
            }
        }
    }

    /// Rolls the open transaction back, and its variables with it.
    pub(crate) fn roll_back(&mut self, variables: &mut Variables) -> TransactionEnd {
        match self.open.take() {
            None => TransactionEnd::None,
            Some(open) => {
                *variables = open.before;
                TransactionEnd::RolledBack
            }
        }
    }

    /// Notes that a statement has failed: nothing runs until the transaction ends or goes back to a savepoint.
    pub(crate) fn fail(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_failed = true;
        }
    }

    /// Notes the value of a variable that SET LOCAL is about to change.
    pub(crate) fn note_local(&mut self, name: &str, before: &str) {
        if let Some(open) = &mut self.open {
            open.local.push((name.to_owned(), before.to_owned()));
        }
    }

    /// Opens a savepoint.
    pub(crate) fn savepoint(&mut self, name: String) -> Result<(), PgError> {
        let open = self.in_block("SAVEPOINT")?;
        if open.savepoints.len() == SAVEPOINTS_MAX {
            return Err(PgError::new("54000", format!("a transaction has at most {SAVEPOINTS_MAX} savepoints")));
        }
        open.savepoints.push(name);
        Ok(())
    }

    /// Releases a savepoint and those after it.
    pub(crate) fn release(&mut self, name: &str) -> Result<(), PgError> {
        let open = self.in_block("RELEASE SAVEPOINT")?;
        let at = open.position(name)?;
        // Those after it go with it, as PostgreSQL has it.
        open.savepoints.truncate(at);
        Ok(())
    }

    /// Goes back to a savepoint, which undoes a failure since.
    pub(crate) fn roll_back_to(&mut self, name: &str) -> Result<(), PgError> {
        let open = self.in_block("ROLLBACK TO SAVEPOINT")?;
        let at = open.position(name)?;
        // The savepoint itself stays, so that a client can go back to it again.
        open.savepoints.truncate(at + 1);
        open.is_failed = false;
        Ok(())
    }

    fn in_block(&mut self, what: &str) -> Result<&mut Open, PgError> {
        self.open
            .as_mut()
            .ok_or_else(|| PgError::new("25P01", format!("{what} can only be used in transaction blocks")))
    }
}

impl Open {
    fn position(&self, name: &str) -> Result<usize, PgError> {
        self.savepoints
            .iter()
            // The newest savepoint of a name hides older ones.
            .rposition(|known| known == name)
            .ok_or_else(|| PgError::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_transaction_goes_on_behind_its_savepoint_or_ends() {
        let mut variables = Variables::default();
        let mut transaction = Transaction::default();
        assert_eq!(transaction.savepoint("a".into()).unwrap_err().sqlstate, "25P01");
        assert!(transaction.begin(&variables));
        assert!(!transaction.begin(&variables));
        transaction.savepoint("a".into()).unwrap();
        transaction.fail();
        assert_eq!(transaction.status(), TransactionStatus::Failed);
        assert_eq!(transaction.roll_back_to("b").unwrap_err().sqlstate, "3B001");
        transaction.roll_back_to("a").unwrap();
        assert_eq!(transaction.status(), TransactionStatus::Open);
        transaction.fail();
        assert_eq!(transaction.commit(&mut variables), TransactionEnd::RolledBack);
        assert_eq!(transaction.status(), TransactionStatus::Idle);
    }

    #[test]
    fn variables_end_with_the_transaction_as_they_were_said_to() {
        let mut variables = Variables::default();
        let mut transaction = Transaction::default();
        transaction.begin(&variables);
        transaction.note_local("timezone", "UTC");
        variables.set("timezone", "+07:00").unwrap();
        variables.set("application_name", "kept").unwrap();
        transaction.commit(&mut variables);
        assert_eq!((variables.get("timezone"), variables.get("application_name")), (Some("UTC"), Some("kept")));
        transaction.begin(&variables);
        variables.set("application_name", "undone").unwrap();
        transaction.roll_back(&mut variables);
        assert_eq!(variables.get("application_name"), Some("kept"));
    }
}
