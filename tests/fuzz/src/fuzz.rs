//! The fuzzer: libFuzzer over the target that `ZONELAKE_FUZZ_TARGET` names. `tests/fuzz/run` builds and starts it.

#![no_main]

use std::sync::OnceLock;

use zonelake_fuzz::bound::Bounded;
use zonelake_fuzz::{Target, target};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let chosen = TARGET.get_or_init(|| {
        let name = std::env::var("ZONELAKE_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("ZONELAKE_FUZZ_TARGET is {name:?}, which is no target"))
    });
    ALLOCATOR.run(|| (chosen.run)(input));
});
