//! What is wanted, beside what was reached.

/// What is wanted: at most so much, or at least.
pub(super) struct Goal {
    what: String,
    reached: f64,
    wanted: f64,
    at_least: bool,
}

impl Goal {
    /// At most so much is wanted.
    pub(super) fn new(what: impl Into<String>, reached: f64, wanted: f64) -> Self {
        Self { what: what.into(), reached, wanted, at_least: false }
    }

    /// At least so much is wanted.
    pub(super) fn at_least(what: impl Into<String>, reached: f64, wanted: f64) -> Self {
        Self { at_least: true, ..Self::new(what, reached, wanted) }
    }

    /// The line that a report ends with, one a goal.
    pub(super) fn line(&self) -> String {
        let Self { what, reached, wanted, at_least } = self;
        let is_reached = if *at_least { reached >= wanted } else { reached <= wanted };
        let verdict = if is_reached { "ok" } else { "short" };
        let least = if *at_least { "at least " } else { "" };
        format!("goal {what}: reached {reached:.2}, wanted {least}{wanted:.2}, {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_by_at_most_as_much() {
        assert_eq!(Goal::new("x", 0.75, 0.75).line(), "goal x: reached 0.75, wanted 0.75, ok");
        assert_eq!(Goal::new("x", 0.8, 0.75).line(), "goal x: reached 0.80, wanted 0.75, short");
    }

    #[test]
    fn a_goal_of_at_least_is_reached_by_as_much_or_more() {
        let line = |reached| Goal::at_least("x", reached, 20.0).line();
        assert_eq!(line(20.0), "goal x: reached 20.00, wanted at least 20.00, ok");
        assert_eq!(line(19.0), "goal x: reached 19.00, wanted at least 20.00, short");
    }
}
