//! How soon a neighbour answers, and how much is lost (after RFC 5880's echo function).
//!
//! Once an interval a question goes out. An answer within the patience is a round trip; one that
//! doesn't come is a loss. Whether the neighbour *lives* isn't judged here: any word of it shows that
//! (`rutter-link` counts the silence). Questions that couldn't be sent, since frames were waiting,
//! measure nothing.

use std::collections::VecDeque;
use std::time::Duration;

use rutter_protocol::link::Sample;
use tokio::time::Instant;

/// The most questions that wait for their answers; more are not asked.
const MAX_OPEN: usize = 64;

/// The questions of one connection.
#[derive(Debug)]
pub(crate) struct Probe {
    last: u64,
    open: VecDeque<(u64, Instant)>,
    patience: Duration,
}

impl Probe {
    /// An answer that takes longer than `patience` is none.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { last: 0, open: VecDeque::new(), patience }
    }

    /// The number of the next question; `None`: too many wait.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        self.last += 1;
        Some(self.last)
    }

    /// That question is on its way.
    pub(crate) fn asked(&mut self, number: u64, now: Instant) {
        self.open.push_back((number, now));
    }

    /// An answer came. Questions before it were passed over by the other end, which had no room to
    /// answer: they measure nothing.
    pub(crate) fn answered(&mut self, number: u64, now: Instant) -> Option<Sample> {
        let at = self.open.iter().position(|(asked, _)| *asked == number)?;
        let (_, since) = self.open.drain(..=at).next_back()?;
        Some(Sample::Answered(now.saturating_duration_since(since)))
    }

    /// Questions that nobody answered in time.
    pub(crate) fn lost(&mut self, now: Instant) -> usize {
        let late = |since: &Instant| now.saturating_duration_since(*since) > self.patience;
        let n_lost = self.open.iter().take_while(|(_, since)| late(since)).count();
        self.open.drain(..n_lost);
        n_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_round_trip_and_none_in_time_is_a_loss() {
        let ms = Duration::from_millis;
        let mut probe = Probe::new(ms(100));
        let begin = Instant::now();
        for n in 1..=4 {
            assert_eq!(probe.next(), Some(n));
            probe.asked(n, begin + ms(10 * n));
        }
        assert_eq!(probe.answered(2, begin + ms(50)), Some(Sample::Answered(ms(30))));
        assert_eq!(probe.answered(2, begin + ms(51)), None, "once");
        assert_eq!(probe.answered(1, begin + ms(51)), None, "passed over");
        assert_eq!(probe.lost(begin + ms(130)), 0);
        assert_eq!(probe.lost(begin + ms(131)), 1);
        assert_eq!(probe.answered(3, begin + ms(132)), None, "too late");
        assert_eq!(probe.answered(4, begin + ms(132)), Some(Sample::Answered(ms(92))));
    }

    #[test]
    fn questions_that_wait_are_bounded() {
        let mut probe = Probe::new(Duration::from_secs(1));
        let now = Instant::now();
        while let Some(number) = probe.next() {
            probe.asked(number, now);
        }
        assert_eq!(probe.open.len(), MAX_OPEN);
    }
}
