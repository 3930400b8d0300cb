//! Choices of a grammar: what an input chooses next, and which columns a place of a statement may name.

/// What an input has not chosen yet, and where in the statement it stands.
pub(crate) struct Words<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) depth: usize,
    /// Queries of `WITH` that are in force, with their columns.
    pub(crate) ctes: Vec<(String, Vec<Column>)>,
    /// Relations of the statement so far: each has a name of its own.
    pub(crate) relations: usize,
    /// Parameters of the statement so far.
    pub(crate) parameters: usize,
}

/// Type of a value, as far as the grammar tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Time,
    Flag,
    Span,
}

/// A column that a place of a statement may name.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its name, with that of its relation.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Deepest nesting: the bounds of statements have tests of their own.
const DEPTH_MAX: usize = 5;
/// One in so many values is of a kind that its place does not ask for: what is refused is planned, too.
const ODD_ONE_IN: usize = 48;
/// Kinds of values of which most statements consist.
const KINDS: [Kind; 8] =
    [Kind::Number, Kind::Number, Kind::Text, Kind::Time, Kind::Number, Kind::Flag, Kind::Text, Kind::Span];

impl<'a> Words<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, depth: 0, ctes: Vec::new(), relations: 0, parameters: 0 }
    }

    /// One of so many; the first where nothing is left to choose by.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        let Some((first, rest)) = self.input.split_first() else { return 0 };
        self.input = rest;
        usize::from(*first) % of
    }

    pub(crate) fn pick<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.choose(of.len())]
    }

    pub(crate) fn is(&mut self, one_in: usize) -> bool {
        self.choose(one_in) == one_in - 1
    }

    pub(crate) fn kind(&mut self) -> Kind {
        KINDS[self.choose(KINDS.len())]
    }

    /// The kind that a place asks for, or now and then another one.
    pub(crate) fn wanted(&mut self, kind: Kind) -> Kind {
        if self.is(ODD_ONE_IN) { self.kind() } else { kind }
    }

    /// Something nested, or the plain form where it would be too deep.
    pub(crate) fn nested<T>(&mut self, deeper: impl FnOnce(&mut Self) -> T, plain: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= DEPTH_MAX || self.input.is_empty() {
            return plain(self);
        }
        self.depth += 1;
        let made = deeper(self);
        self.depth -= 1;
        made
    }

    /// A name for one more relation.
    pub(crate) fn relation_name(&mut self) -> String {
        self.relations += 1;
        format!("r{}", self.relations)
    }

    /// A parameter that was not there yet.
    pub(crate) fn parameter(&mut self) -> String {
        self.parameters += 1;
        format!("${}", self.parameters)
    }

    /// A column of a kind, where there is one.
    pub(crate) fn column(&mut self, kind: Kind, columns: &[Column]) -> Option<String> {
        let of_kind: Vec<&Column> = columns.iter().filter(|column| column.kind == kind).collect();
        if of_kind.is_empty() {
            return None;
        }
        Some(of_kind[self.choose(of_kind.len())].name.clone())
    }
}
