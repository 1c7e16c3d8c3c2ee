//! From answers to a verdict. Pure.

use rutter_link::Seen;

/// Counts answers and failures in a row.
#[derive(Debug)]
pub(super) struct Judge {
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    /// `None`: nothing is known.
    is_healthy: Option<bool>,
    /// How many in a row spoke against the verdict.
    n_against: u32,
}

impl Judge {
    pub(super) fn new(healthy_threshold: u32, unhealthy_threshold: u32) -> Self {
        Self { healthy_threshold, unhealthy_threshold, is_healthy: None, n_against: 0 }
    }

    /// Hears what came of a question; the verdict, if it is another now.
    pub(super) fn hear(&mut self, failure: Option<String>) -> Option<Seen> {
        let answered = failure.is_none();
        if self.is_healthy == Some(answered) {
            self.n_against = 0;
            return None;
        }
        self.n_against = self.n_against.saturating_add(1);
        let threshold = match self.is_healthy {
            None => 1,
            Some(true) => self.unhealthy_threshold,
            Some(false) => self.healthy_threshold,
        };
        if self.n_against < threshold {
            return None;
        }
        (self.is_healthy, self.n_against) = (Some(answered), 0);
        Some(match failure {
            None => Seen::Healthy,
            Some(why) => Seen::Unhealthy { why, left: None },
        })
    }
}
