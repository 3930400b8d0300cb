//! Decoding of the lines of one request, of many tables: batches within their limits, and a watch that may end it.
#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails its test")]

mod fixture;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use fixture::{Fixture, NOW_US};
use zonelake_ingest::{DecodeLimits, DecodedLines, LinesArgs, Precision, Refusal, decode_lines};
use zonelake_schemas::wire::control::RefusedCode;

fn decode(
    fixture: &Fixture,
    lines: &str,
    limits: &DecodeLimits,
    watch: &mut dyn FnMut(usize) -> Result<(), Refusal>,
) -> Result<DecodedLines, Refusal> {
    let tables: BTreeMap<_, _> = [&fixture.table, &fixture.other, &fixture.rejected]
        .map(|table| (table.def.name.clone(), Arc::clone(table)))
        .into();
    let args = LinesArgs {
        registry: &fixture.registry,
        tables: &tables,
        rejected: &fixture.rejected,
        gateway: &fixture.gateway,
        limits,
        tags: &zonelake_ingest::TagRules::NONE,
        precision: Precision::Nanoseconds,
        now_us: NOW_US,
    };
    decode_lines(lines.as_bytes(), &args, watch)
}

#[test]
fn a_batch_ends_where_it_has_as_many_rows_or_devices_as_it_may_have() {
    let fixture = Fixture::new();
    let limits = DecodeLimits {
        batch_rows_max: 4,
        batch_devices_max: 3,
        // Fewer names than the request has: the list is emptied between two batches, and never amid one.
        dictionary_values_max: 3,
        ..DecodeLimits::default()
    };
    let mut lines = String::new();
    for n in 0..7 {
        writeln!(lines, "t,device=d{n} count={n}i\nother,device=same v={n}").unwrap();
    }
    let decoded = decode(&fixture, &lines, &limits, &mut |_| Ok(())).unwrap();
    let shape: Vec<_> = decoded.batches.iter().map(|(table, batch)| (table.def.name.as_str(), batch.rows)).collect();
    assert_eq!(shape, [("t", 3), ("other", 4), ("t", 3), ("other", 3), ("t", 1)]);
    let counts: Vec<String> = decoded
        .batches
        .iter()
        .filter(|(table, _)| table.def.name == "t")
        .flat_map(|(_, batch)| fixture.stored(batch, "count"))
        .collect();
    assert_eq!(counts, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(decoded.faulty, None);
}

#[test]
fn the_watch_is_told_of_memory_as_it_grows_and_ends_the_decoding_where_it_refuses() {
    let fixture = Fixture::new();
    let lines = "t,device=a pm=1,note=\"some text\" 1\nt,device=a nothing=1\n".repeat(10_000);
    let mut told = Vec::new();
    let decoded = decode(&fixture, &lines, &DecodeLimits::default(), &mut |bytes| {
        told.push(bytes);
        Ok(())
    });
    let decoded = decoded.unwrap();
    assert!(told.is_sorted() && told.len() > 15, "{told:?}");
    // Faulty lines count as steps and take no memory.
    assert_eq!(decoded.faulty.map(|faulty| (faulty.count, faulty.named.len())), Some((10_000, 16)));
    let last = told.last().copied().unwrap();
    let taken = decoded.batches.iter().map(|(_, batch)| batch.memory_bytes()).sum::<usize>();
    assert!(last > taken / 2 && last < 4 * taken, "told {last}, taken {taken}");

    let mut calls = 0;
    let refused = decode(&fixture, &lines, &DecodeLimits::default(), &mut |_| {
        calls += 1;
        if calls == 3 { Err(Refusal::new(RefusedCode::Unavailable, "nobody waits")) } else { Ok(()) }
    });
    assert_eq!(refused.unwrap_err().message, "nobody waits");
    assert_eq!(calls, 3);
}

#[test]
fn many_faulty_lines_cost_no_more_than_as_many_good_ones() {
    let fixture = Fixture::new();
    let ticks_of = |line: &str| {
        let lines = line.repeat(300_000);
        let once = || {
            let began = ticks_of_this_thread();
            decode(&fixture, &lines, &DecodeLimits::default(), &mut |_| Ok(())).unwrap();
            ticks_of_this_thread() - began
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let good = ticks_of("t,device=a pm=1,raw=2,ratio=0.5,count=3i\n");
    let faulty = ticks_of("t,device=a particulate_matter_of_at_most_two_and_a_half_micrometres=1\n");
    assert!(faulty <= 2 * good + 10, "faulty lines took {faulty} hundredths of a second, good ones {good}");
}

/// Time that this thread has had of a processor, in hundredths of a second (proc(5)).
fn ticks_of_this_thread() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
