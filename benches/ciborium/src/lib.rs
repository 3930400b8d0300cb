//! Stands in for the crate of this name. criterion needs it for one thing: to talk CBOR to the program `cargo-criterion`,
//! where that has started the benches. The published crate turns on a feature of serde that nothing else wants, and every
//! dependency that knows serde, so nearly all of them, would be compiled a second time for tests and benches. This one
//! says that it cannot; `cargo bench` never asks.

use std::fmt;
use std::io;
use std::marker::PhantomData;

/// Reading.
pub mod de {
    use super::{Absent, io};

    /// There is none.
    pub type Error<T> = Absent<T, Reading>;

    /// The way of [`Error`].
    #[derive(Debug)]
    pub struct Reading;

    /// Reads nothing.
    ///
    /// # Errors
    /// Always.
    pub fn from_reader<T, R>(_: R) -> Result<T, Error<io::Error>> {
        Err(Absent::new())
    }
}

/// Writing.
pub mod ser {
    use super::{Absent, io};

    /// There is none.
    pub type Error<T> = Absent<T, Writing>;

    /// The way of [`Error`].
    #[derive(Debug)]
    pub struct Writing;

    /// Writes nothing.
    ///
    /// # Errors
    /// Always.
    pub fn into_writer<T: ?Sized, W>(_: &T, _: W) -> Result<(), Error<io::Error>> {
        Err(Absent::new())
    }
}

/// There is no CBOR here, in either way.
#[derive(Debug)]
pub struct Absent<T, Way>(PhantomData<(T, Way)>);

impl<T, Way> Absent<T, Way> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, Way> fmt::Display for Absent<T, Way> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cargo-criterion cannot run these benches; `cargo bench` does")
    }
}

impl<T: fmt::Debug, Way: fmt::Debug> std::error::Error for Absent<T, Way> {}
