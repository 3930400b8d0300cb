//! Prepared statements of a connection. Their texts are kept, and their trees for as many as the memory of their role allows;
//! the others are parsed again when they are used.

use std::sync::Arc;

use zonelake_query::{Description, PreparedMemory, PreparedShare};

use crate::error::PgError;
use crate::statement::commands::Command;
use crate::statement::parse::parse_commands;

/// Prepared statement.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Text of the command; without one the text is empty.
    text: Option<Arc<str>>,
    /// The command, where its tree is kept.
    kept: Option<Arc<Command>>,
    /// OIDs of the types of the parameters as the client declares them; 0 leaves a type open.
    pub declared: Vec<u32>,
    /// Count of the parameters that the statement takes.
    pub parameters: usize,
    /// True for a command that may be executed in a failed transaction.
    pub ends_transaction: bool,
    /// Parameters and columns, as planned under the variables of that epoch.
    pub description: Option<(u64, Arc<Description>)>,
    /// Memory of text and tree.
    _shares: Vec<Arc<PreparedShare>>,
}

impl Prepared {
    /// Statement of a text, whose command is `command`; none where the text is empty.
    pub(crate) fn new(
        memory: &Arc<PreparedMemory>,
        user: &Arc<str>,
        text: &str,
        command: Option<Command>,
        declared: Vec<u32>,
    ) -> Result<Self, PgError> {
        let in_text = command.as_ref().and_then(Command::with_parameters).map_or(0, |query| query.parameters.len());
        let parameters = in_text.max(declared.len());
        let ends_transaction = command.as_ref().is_some_and(Command::ends_transaction);
        let mut shares = vec![Arc::new(memory.reserve_text(user, text)?)];
        let tree = memory.reserve_tree(user, text);
        let is_kept = tree.is_some();
        shares.extend(tree.map(Arc::new));
        let text = command.is_some().then(|| text.into());
        let kept = command.filter(|_| is_kept).map(Arc::new);
        Ok(Self { text, kept, declared, parameters, ends_transaction, description: None, _shares: shares })
    }

    /// True for an empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_none()
    }

    /// The text as the client sent it.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The command, parsed again where its tree is not kept; none where the text is empty.
    pub(crate) fn command(&self) -> Result<Option<Arc<Command>>, PgError> {
        match (&self.kept, &self.text) {
            (Some(command), _) => Ok(Some(Arc::clone(command))),
            (None, Some(text)) => Ok(parse_commands(text)?.pop().map(Arc::new)),
            (None, None) => Ok(None),
        }
    }
}
