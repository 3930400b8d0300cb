//! The jobs of one principal, and when it may have its next one.
//!
//! Principals with jobs stand in a ring, each once. A thread takes the first one, takes one job of it, and puts it behind
//! the others again where it has more (round robin). A job is charged by its decoded bytes, and each turn pays for
//! [`TURN_BYTES`]: a principal that owes more passes its turns until it is paid (deficit round robin: Shreedhar and
//! Varghese, 1995, with the charge behind the job and not before it, since a first job is never held). So a principal
//! whose batches are large gets as many bytes as the others and not as many batches.

use std::collections::VecDeque;

/// Jobs of one principal, and its place in the ring.
#[derive(Debug)]
pub(crate) struct Turns<J> {
    jobs: VecDeque<(u64, J)>,
    /// Places that it holds.
    running: usize,
    running_max: usize,
    /// Bytes of jobs that it was given and has not paid for by turns.
    owed_bytes: u64,
    is_in_ring: bool,
}

/// What a turn came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<J> {
    /// Do this job.
    Job(J),
    /// The turn pays for a job of before.
    Passed,
    /// The principal has no job, or all places that it may hold: it leaves the ring.
    Left,
}

impl<J> Turns<J> {
    /// A principal without jobs, which may hold `running_max` places at the same time.
    pub(crate) fn new(running_max: usize) -> Self {
        Self { jobs: VecDeque::new(), running: 0, running_max, owed_bytes: 0, is_in_ring: false }
    }

    /// Adds a job of so many decoded bytes. True where the principal is to be put into the ring.
    #[must_use]
    pub(crate) fn handle_job(&mut self, bytes: u64, job: J) -> bool {
        self.jobs.push_back((bytes, job));
        self.enter()
    }

    /// Takes a turn. True beside it where the principal is to be put into the ring again.
    #[must_use]
    pub(crate) fn take_turn(&mut self) -> (Turn<J>, bool) {
        self.is_in_ring = false;
        if self.running >= self.running_max || self.jobs.is_empty() {
            return (Turn::Left, false);
        }
        self.owed_bytes = self.owed_bytes.saturating_sub(TURN_BYTES);
        if self.owed_bytes > 0 {
            return (Turn::Passed, self.enter());
        }
        let Some((bytes, job)) = self.jobs.pop_front() else { return (Turn::Left, false) };
        self.charge(bytes);
        self.running += 1;
        (Turn::Job(job), self.enter())
    }

    /// Charges bytes that a job was found to have beyond those that it was queued with.
    pub(crate) fn charge(&mut self, bytes: u64) {
        self.owed_bytes = self.owed_bytes.saturating_add(bytes);
    }

    /// Takes back the place of a job. True where the principal is to be put into the ring.
    #[must_use]
    pub(crate) fn handle_place_free(&mut self) -> bool {
        assert!(self.running > 0, "a place is given back once");
        self.running -= 1;
        self.enter()
    }

    fn enter(&mut self) -> bool {
        let enters = !self.is_in_ring && !self.jobs.is_empty() && self.running < self.running_max;
        self.is_in_ring |= enters;
        enters
    }
}

/// Decoded bytes that a turn pays for: about those of a batch of a thousand rows with eight readings.
pub(crate) const TURN_BYTES: u64 = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Principals by number, and the ring of those that have jobs.
    struct Ring {
        turns: Vec<Turns<u64>>,
        ring: VecDeque<usize>,
    }

    impl Ring {
        fn of(principals: usize, running_max: usize) -> Self {
            Self { turns: (0..principals).map(|_| Turns::new(running_max)).collect(), ring: VecDeque::new() }
        }

        fn queue(&mut self, principal: usize, bytes: u64) {
            if self.turns[principal].handle_job(bytes, bytes) {
                self.ring.push_back(principal);
            }
        }

        /// The next job, as a thread takes it; `None` where the ring is empty.
        fn next(&mut self) -> Option<(usize, u64)> {
            while let Some(principal) = self.ring.pop_front() {
                let (turn, again) = self.turns[principal].take_turn();
                if again {
                    self.ring.push_back(principal);
                }
                if let Turn::Job(bytes) = turn {
                    return Some((principal, bytes));
                }
            }
            None
        }

        fn finish(&mut self, principal: usize) {
            if self.turns[principal].handle_place_free() {
                self.ring.push_back(principal);
            }
        }
    }

    #[test]
    fn a_principal_with_a_thousand_jobs_leaves_every_second_turn_to_one_with_few() {
        let mut ring = Ring::of(2, 1);
        (0..1_000).for_each(|_| ring.queue(0, 100));
        (0..3).for_each(|_| ring.queue(1, 100));
        let mut order = Vec::new();
        for _ in 0..6 {
            let (principal, _) = ring.next().unwrap();
            order.push(principal);
            ring.finish(principal);
        }
        assert_eq!(order, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn principals_get_the_same_bytes_and_not_the_same_number_of_jobs() {
        let mut ring = Ring::of(2, 1);
        let (large, small) = (64 * TURN_BYTES, TURN_BYTES);
        (0..10).for_each(|_| ring.queue(0, large));
        (0..640).for_each(|_| ring.queue(1, small));
        let mut bytes = [0; 2];
        // Until the first one that has only large jobs has had half of them.
        while bytes[0] < 5 * large {
            let (principal, of_job) = ring.next().unwrap();
            bytes[principal] += of_job;
            ring.finish(principal);
        }
        let difference = bytes[0].abs_diff(bytes[1]);
        assert!(difference <= 2 * large, "{bytes:?}");
    }

    #[test]
    fn what_a_principal_owes_stays_while_it_has_no_job_and_delays_nobody_when_it_is_alone() {
        let mut ring = Ring::of(2, 1);
        ring.queue(0, 8 * TURN_BYTES);
        assert_eq!(ring.next(), Some((0, 8 * TURN_BYTES)));
        ring.finish(0);
        // It comes again as if it had never asked for much.
        ring.queue(0, 8 * TURN_BYTES);
        (0..8).for_each(|_| ring.queue(1, TURN_BYTES / 2));
        let mut order = Vec::new();
        for _ in 0..9 {
            let (principal, _) = ring.next().unwrap();
            order.push(principal);
            ring.finish(principal);
        }
        assert_eq!(order, [1, 1, 1, 1, 1, 1, 1, 0, 1]);
        ring.queue(0, 1);
        assert_eq!(ring.next(), Some((0, 1)), "alone it has the next turn, whatever it owes");
    }

    #[test]
    fn a_principal_holds_no_more_places_than_it_may_and_has_its_turn_again_when_one_is_free() {
        let mut ring = Ring::of(2, 2);
        (0..5).for_each(|_| ring.queue(0, 1));
        assert!(ring.next().is_some() && ring.next().is_some());
        assert_eq!(ring.next(), None, "two places are held");
        ring.queue(1, 1);
        assert_eq!(ring.next(), Some((1, 1)), "others have theirs");
        ring.finish(0);
        assert_eq!(ring.next(), Some((0, 1)));
        assert_eq!(ring.next(), None);
    }

    #[test]
    fn bytes_that_are_found_later_are_owed_too() {
        let mut ring = Ring::of(2, 1);
        ring.queue(0, 1);
        assert_eq!(ring.next(), Some((0, 1)));
        ring.turns[0].charge(3 * TURN_BYTES);
        ring.finish(0);
        ring.queue(0, 1);
        (0..3).for_each(|_| ring.queue(1, 1));
        let order: Vec<usize> = (0..4)
            .map(|_| {
                let (principal, _) = ring.next().unwrap();
                ring.finish(principal);
                principal
            })
            .collect();
        assert_eq!(order, [1, 1, 1, 0]);
    }
}
