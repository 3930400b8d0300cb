//! Files and randomness, which come into a component from outside: with them injected, a simulation owns them and the same seed gives
//! the same run.
//!
//! Product code takes them directly only in the places that are named here. Clocks are banned by `clippy.toml`, which knows types; a ban there of
//! every function of `std::fs` would need an exception at each call in the places where files are the purpose.

use crate::finding::Finding;
use crate::lexer::{Kind, Token, tokens};

/// What comes from outside, and where product code may take it: files, or folders with a slash at their end.
const PLACES: [(Outside, &[&str]); 2] = [
    (
        Outside::Files,
        &[
            // What is stored, and the spool of a gateway.
            "storage/",
            "gateway/src/spool/",
            "gateway/src/forward/",
            // Files of the user: recordings, mappings, settings, certificates, what a command reads and writes.
            "gateway/push/src/mapping/declaration.rs",
            "gateway/push/src/source/open.rs",
            "server/settings/src/load.rs",
            "server/net/src/tls.rs",
            // What scheduled reports are handed in as.
            "server/reports/src/schedule/files.rs",
            // Figures of the process, which the system shows as files.
            "server/src/process.rs",
            "src/",
            // The socket of commands, and the folder of what statements spill.
            "server/http/src/control.rs",
            "query/src/engine/environment.rs",
            "query/src/engine/memory/process.rs",
            // Programs that measure, and tests that are a file of their own.
            "loadtest/",
            "gateway/push/src/recordings.rs",
            "gateway/push/src/disguises.rs",
        ],
    ),
    (
        Outside::Randomness,
        &[
            // Secrets, which nobody may foresee.
            "storage/registry/src/credentials/secret.rs",
            "storage/registry/src/error.rs",
            "server/flight/src/authentication.rs",
            "server/flight/src/prepared.rs",
            "server/postgres/src/server.rs",
            "server/postgres/src/session/startup.rs",
            // The seed of pauses between attempts, and the pauses from it.
            "gateway/src/backoff.rs",
            "gateway/src/stream/task.rs",
            "gateway/src/pushes.rs",
            "loadtest/",
            // Names of files and of commits, which no two writers may give alike.
            "storage/parquet/src/file_ids.rs",
            "storage/tablelog/src/delta/log.rs",
            "storage/tablelog/src/delta/schema.rs",
        ],
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outside {
    Files,
    Randomness,
}

/// Uses in a product source that is not named for them, outside its tests.
pub(crate) fn find(file: &str, source: &str) -> Vec<Finding> {
    let tokens = tokens(source);
    let product = &tokens[..start_of_tests(&tokens)];
    let uses = (0..product.len()).filter_map(|at| Some((product[at].line, outside(product, at)?)));
    uses.filter(|&(_, what)| !may(file, what))
        .map(|(line, what)| {
            let text = match what {
                Outside::Files => {
                    "files are opened in the places named in tests/tidy/injected.rs; take them from outside"
                }
                Outside::Randomness => "randomness is taken in the places named in tests/tidy/injected.rs; take a seed",
            };
            Finding::new(file, line, text)
        })
        .collect()
}

fn may(file: &str, what: Outside) -> bool {
    let places = PLACES.iter().filter(|(of, _)| *of == what).flat_map(|(_, places)| places.iter());
    places.copied().any(|place| if place.ends_with('/') { file.starts_with(place) } else { file == place })
}

fn outside(tokens: &[Token], at: usize) -> Option<Outside> {
    let behind = |steps: usize| tokens.get(at + steps);
    match tokens[at].ident()? {
        "std" | "tokio" if behind(1)?.kind == Kind::PathSeparator && names(&tokens[at + 2..], "fs") => {
            Some(Outside::Files)
        }
        "getrandom" | "fastrand" if behind(1)?.kind == Kind::PathSeparator => Some(Outside::Randomness),
        // Versions of UUIDs that are random.
        "new_v4" | "now_v7" => Some(Outside::Randomness),
        _ => None,
    }
}

/// True where the next part of a path has this name, alone or in a group: `fs` or `{fs::File, io}`.
fn names(tokens: &[Token], name: &str) -> bool {
    if !tokens.first().is_some_and(|token| token.is('{')) {
        return tokens.first().is_some_and(|token| token.ident() == Some(name));
    }
    let mut depth = 0;
    let group = tokens.iter().take_while(|token| {
        depth += i32::from(token.is('{')) - i32::from(token.is('}'));
        depth > 0
    });
    let group: Vec<&Token> = group.collect();
    group.windows(2).any(|pair| (pair[0].is('{') || pair[0].is(',')) && pair[1].ident() == Some(name))
}

/// Where `#[cfg(test)] mod … {` begins: the tests of a file stand at its end.
fn start_of_tests(tokens: &[Token]) -> usize {
    let is = |token: &Token, word: &str| token.ident() == Some(word);
    tokens
        .windows(6)
        .position(|t| {
            is(&t[0], "cfg") && t[1].is('(') && is(&t[2], "test") && t[3].is(')') && t[4].is(']') && is(&t[5], "mod")
        })
        .unwrap_or(tokens.len())
}
