//! States of a rule over a device, by its rows and the clock.

use proptest::prelude::*;
use zonelake_alerts::{Cause, CompiledRule, Machine, RuleDef, Sample, Seed, State, Transition};
use zonelake_schemas::TableDef;

const SECOND: i64 = 1_000_000;
const TABLE: &str =
    "name = \"t\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n[[field]]\nname = \"b\"\ntype = \"double\"";

fn rule(rest: &str, conditions: &str) -> CompiledRule {
    let text = format!("name = \"r\"\ntable = \"t\"\n{rest}\n[text]\nen = \"e\"\nvi = \"v\"\n{conditions}");
    let table = TableDef::from_toml(TABLE).expect("the declaration is good");
    RuleDef::from_toml(&text).expect("the rule is good").compiled(&table).expect("it fits its table")
}

const ABOVE_50: &str = "[[condition]]\nfield = \"a\"\nabove = 50.0\nclear = 45.0";

/// A machine with its rule, over seconds.
struct Watched {
    rule: CompiledRule,
    machine: Machine,
}

impl Watched {
    fn new(rule: CompiledRule) -> Self {
        let machine = Machine::new(&rule, i64::MIN);
        Self { rule, machine }
    }

    fn rows(&mut self, second: i64, values: &[Option<f64>], is_in_time: bool) -> Vec<(i64, State)> {
        let mut out = Vec::new();
        let sample = Sample { time_us: second * SECOND, is_in_time, values };
        self.machine.handle_sample(&self.rule, &sample, &mut out);
        told(&out)
    }

    fn row(&mut self, second: i64, value: f64) -> Vec<(i64, State)> {
        self.rows(second, &[Some(value)], true)
    }

    fn clock(&mut self, second: i64) -> Vec<(i64, State)> {
        let mut out = Vec::new();
        self.machine.handle_clock(&self.rule, second * SECOND, &mut out);
        told(&out)
    }
}

fn told(out: &[Transition]) -> Vec<(i64, State)> {
    out.iter().map(|transition| (transition.at_us / SECOND, transition.to)).collect()
}

#[test]
fn a_threshold_fires_once_it_has_held_for_its_duration_and_not_before() {
    let mut watched = Watched::new(rule("for = \"60s\"", ABOVE_50));
    assert_eq!(watched.row(0, 50.0), [], "the limit itself is not above it");
    assert_eq!(watched.row(10, 51.0), [(10, State::Pending)]);
    assert_eq!(watched.row(69, 60.0), []);
    assert_eq!(watched.row(70, 60.0), [(70, State::Firing)]);
    assert_eq!(watched.row(80, 60.0), [], "it fires once");
    assert_eq!(watched.row(90, 46.0), [], "it holds until it is clear");
    assert_eq!(watched.row(100, 45.0), [(100, State::Normal)]);
    assert_eq!(watched.row(110, 46.0), [], "it begins above its limit and not above where it is clear");
}

#[test]
fn a_condition_that_ceases_while_it_is_pending_begins_its_duration_anew() {
    let mut watched = Watched::new(rule("for = \"60s\"", ABOVE_50));
    assert_eq!(watched.row(0, 51.0), [(0, State::Pending)]);
    assert_eq!(watched.row(59, 40.0), [(59, State::Normal)]);
    assert_eq!(watched.row(61, 51.0), [(61, State::Pending)]);
    assert_eq!(watched.row(120, 51.0), []);
    assert_eq!(watched.row(121, 51.0), [(121, State::Firing)]);
}

#[test]
fn what_recovers_is_normal_after_its_duration_and_fires_on_where_it_comes_back_before() {
    let mut watched = Watched::new(rule("recover_for = \"60s\"", ABOVE_50));
    assert_eq!(watched.row(0, 51.0), [(0, State::Firing)], "a rule without a duration fires at once");
    assert_eq!(watched.row(10, 40.0), [(10, State::Recovering)]);
    assert_eq!(watched.row(20, 51.0), [(20, State::Firing)]);
    assert_eq!(watched.row(30, 40.0), [(30, State::Recovering)]);
    assert_eq!(watched.row(89, 40.0), []);
    assert_eq!(watched.row(90, 40.0), [(90, State::Normal)]);
}

#[test]
fn data_that_ends_is_no_data_and_not_resolved() {
    let mut watched = Watched::new(rule("no_data = \"60s\"\nrecover_for = \"10s\"", ABOVE_50));
    assert_eq!(watched.row(0, 51.0), [(0, State::Firing)]);
    assert_eq!(watched.clock(59), []);
    assert_eq!(watched.clock(1_000), [(60, State::NoData)], "from when on it was so, whenever it is noticed");
    assert_eq!(watched.clock(2_000), []);
    assert_eq!(watched.row(2_001, 60.0), [(2_001, State::Firing)], "what fired before fires on");
    assert_eq!(watched.clock(3_000), [(2_061, State::NoData)]);
    assert_eq!(watched.row(3_001, 40.0), [(3_001, State::Recovering)], "and recovers as it would have");
    assert_eq!(watched.row(3_011, 40.0), [(3_011, State::Normal)]);
    assert_eq!(watched.row(3_100, 40.0), [(3_071, State::NoData), (3_100, State::Normal)], "a gap that nobody saw");
}

#[test]
fn a_device_that_was_silent_before_anyone_looked_is_not_told_to_be() {
    let mut watched = Watched::new(rule("no_data = \"60s\"", ""));
    assert_eq!(watched.clock(1_000), []);
    assert_eq!(watched.rows(10, &[], false), [], "a row of long ago");
    assert_eq!(watched.clock(1_000), []);
    assert_eq!(watched.rows(1_001, &[], true), []);
    assert_eq!(watched.clock(1_061), [(1_061, State::NoData)]);
    assert_eq!(watched.rows(1_100, &[], true), [(1_100, State::Normal)]);
}

#[test]
fn rows_that_come_behind_their_silence_are_never_told_to_be_before_it() {
    let mut watched = Watched::new(rule("no_data = \"60s\"", ABOVE_50));
    assert_eq!(watched.row(0, 10.0), []);
    assert_eq!(watched.clock(60), [(60, State::NoData)]);
    assert_eq!(watched.row(30, 10.0), [(60, State::Normal)]);
    assert_eq!(watched.row(40, 51.0), [(60, State::Firing)]);
    assert_eq!(watched.row(70, 10.0), [(70, State::Normal)]);
}

#[test]
fn rows_older_than_the_horizon_change_no_state_and_a_late_or_repeated_row_nothing() {
    let mut watched = Watched::new(rule("", ABOVE_50));
    for second in 0..100 {
        assert_eq!(watched.rows(second, &[Some(99.0)], false), [], "a spool of two weeks pages nobody");
    }
    assert_eq!(watched.row(100, 40.0), []);
    assert_eq!(watched.row(99, 99.0), [], "it is late");
    assert_eq!(watched.row(100, 99.0), [], "it is there already");
    assert_eq!(watched.row(101, 99.0), [(101, State::Firing)]);
}

#[test]
fn two_conditions_hold_at_once_though_their_values_come_in_rows_of_their_own() {
    let both = format!("{ABOVE_50}\n[[condition]]\nfield = \"b\"\nbelow = 10.0");
    let mut watched = Watched::new(rule("horizon = \"100s\"", &both));
    assert_eq!(watched.rows(0, &[Some(60.0), None], true), []);
    assert_eq!(watched.rows(5, &[None, Some(11.0)], true), []);
    assert_eq!(watched.rows(10, &[None, Some(9.0)], true), [(10, State::Firing)]);
    assert_eq!(watched.rows(8, &[Some(60.0), None], true), [], "each field has a watermark of its own");
    assert_eq!(watched.rows(100, &[None, Some(9.0)], true), []);
    assert_eq!(watched.rows(109, &[None, Some(9.0)], true), [(109, State::Normal)], "the other one is of long ago");
}

#[test]
fn a_mean_and_a_rate_of_change_fire_when_their_window_says_so() {
    let mean = "[[condition]]\nfield = \"a\"\nmeasure = \"mean\"\nwindow = \"5m\"\nabove = 50.0";
    let mut watched = Watched::new(rule("", mean));
    let mut fired = Vec::new();
    for minute in 0..20 {
        fired.extend(watched.row(minute * 60, if minute < 10 { 0.0 } else { 80.0 }));
    }
    assert_eq!(fired, [(13 * 60, State::Firing)], "four of the last five values are 80");
    let rate = "[[condition]]\nfield = \"a\"\nmeasure = \"rate\"\nwindow = \"5m\"\nper = \"1h\"\nabove = 100.0";
    let mut watched = Watched::new(rule("", rate));
    let mut fired = Vec::new();
    for minute in 0..20_i32 {
        let value = if minute < 10 { 0.0 } else { f64::from(minute - 9) * 4.0 };
        fired.extend(watched.row(i64::from(minute) * 60, value));
    }
    assert_eq!(fired, [(11 * 60, State::Firing)], "8 in four to five minutes is more than 100 an hour, and 4 is not");
}

#[test]
fn a_rule_that_is_stopped_says_so_once_and_its_successor_counts_on() {
    let mut watched = Watched::new(rule("", ABOVE_50));
    watched.row(0, 60.0);
    let mut out = Vec::new();
    watched.machine.stop(9 * SECOND, Cause::RightLost, &mut out);
    watched.machine.stop(9 * SECOND, Cause::RightLost, &mut out);
    assert_eq!(told(&out), [(9, State::Stopped)]);
    let seed = seed(&out[0]);
    let mut next = Machine::succeeding(&watched.rule, &seed, 10 * SECOND);
    let mut out = Vec::new();
    let sample = |second: i64| Sample { time_us: second * SECOND, is_in_time: true, values: &[Some(60.0)] };
    next.handle_sample(&watched.rule, &sample(10), &mut out);
    assert!(out.is_empty(), "the rule was not there then");
    next.handle_sample(&watched.rule, &sample(11), &mut out);
    assert_eq!((out[0].number, out[0].to), (3, State::Firing));
}

#[test]
fn a_machine_takes_the_memory_that_is_stated() {
    let conditions = rule("", ABOVE_50).conditions;
    assert!(size_of::<Machine>() <= 100, "{}", size_of::<Machine>());
    assert!(size_of_val(&Machine::new(&rule("", ABOVE_50), 0).conditions()[0]) <= 40);
    assert_eq!(conditions.len(), 1);
}

fn seed(last: &Transition) -> Seed {
    Seed {
        state: last.to,
        from: last.from,
        since_us: last.since_us,
        at_us: last.at_us,
        seen_us: last.seen_us,
        number: last.number,
    }
}

fn rules() -> impl Strategy<Value = CompiledRule> {
    let mean = "[[condition]]\nfield = \"a\"\nmeasure = \"mean\"\nwindow = \"60s\"\nabove = 50.0\nclear = 45.0";
    let both = format!("{ABOVE_50}\n[[condition]]\nfield = \"b\"\nbelow = 50.0");
    let heads = ["", "for = \"20s\"", "recover_for = \"20s\"\nno_data = \"30s\"", "for = \"10s\"\nno_data = \"60s\""];
    let conditions = vec![ABOVE_50.to_owned(), mean.to_owned(), both];
    (prop::sample::select(heads.to_vec()), prop::sample::select(conditions))
        .prop_map(|(head, conditions)| rule(head, &conditions))
}

/// Rows as (seconds since the one before, values, whether they came in time).
fn rows(gap_min: i64) -> impl Strategy<Value = Vec<(i64, [Option<f64>; 2], bool)>> {
    let value = || prop::option::weighted(0.8, 30.0..70.0_f64);
    prop::collection::vec(
        (gap_min..40_i64, (value(), value()).prop_map(|(a, b)| [a, b]), prop::bool::weighted(0.9)),
        1..80,
    )
}

fn run(rule: &CompiledRule, mut machine: Machine, rows: &[(i64, [Option<f64>; 2], bool)]) -> Vec<Transition> {
    let (mut out, mut time_us) = (Vec::new(), 0);
    for (gap, values, is_in_time) in rows {
        time_us += gap * SECOND;
        let sample = Sample { time_us, is_in_time: *is_in_time, values: &values[..rule.conditions.len()] };
        machine.handle_sample(rule, &sample, &mut out);
    }
    out
}

proptest! {
    #[test]
    fn a_machine_that_goes_on_from_any_of_its_transitions_comes_to_the_same_ones(rule in rules(), rows in rows(1), cut in 0..100_usize) {
        let whole = run(&rule, Machine::new(&rule, i64::MIN), &rows);
        // A kill may come at any moment: of the transitions some are durable, and all rows are there again.
        let durable = cut.min(whole.len());
        let machine = match whole[..durable].last() {
            Some(last) => Machine::restored(&rule, &seed(last)),
            None => Machine::new(&rule, i64::MIN),
        };
        prop_assert_eq!(run(&rule, machine, &rows), &whole[durable..]);
    }

    #[test]
    fn transitions_are_one_behind_the_other_and_never_go_back_in_time(rule in rules(), rows in rows(0)) {
        let all = run(&rule, Machine::new(&rule, i64::MIN), &rows);
        for (number, transition) in (1..).zip(&all) {
            prop_assert_eq!(transition.number, number);
            prop_assert_ne!(transition.from, transition.to);
        }
        for pair in all.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
            prop_assert!(pair[0].at_us <= pair[1].at_us);
        }
    }

    #[test]
    fn a_month_of_back_fill_fires_nothing(rule in rules(), rows in rows(0)) {
        let late: Vec<_> = rows.into_iter().map(|(gap, values, _)| (gap * 3_600, values, false)).collect();
        prop_assert_eq!(run(&rule, Machine::new(&rule, i64::MIN), &late), vec![]);
    }

    #[test]
    fn a_value_rule_agrees_with_a_scan_of_its_rows(rows in rows(0)) {
        // Without durations a rule over one field is a trigger with two levels.
        let rule = rule("", ABOVE_50);
        let (mut wanted, mut holds, mut time, mut last) = (Vec::new(), false, 0, -1);
        for (gap, values, _) in &rows {
            time += gap;
            let Some(value) = values[0].filter(|_| time > last) else { continue };
            last = time;
            let now = value > 50.0 || (holds && value > 45.0);
            if now != holds {
                wanted.push((time, if now { State::Firing } else { State::Normal }));
            }
            holds = now;
        }
        let in_time: Vec<_> = rows.into_iter().map(|(gap, values, _)| (gap, values, true)).collect();
        prop_assert_eq!(told(&run(&rule, Machine::new(&rule, i64::MIN), &in_time)), wanted);
    }
}
