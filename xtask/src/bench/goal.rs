//! What is wanted, beside what was reached.

/// What is wanted: at most so much.
pub(super) struct Goal {
    what: String,
    reached: f64,
    wanted: f64,
}

impl Goal {
    pub(super) fn new(what: impl Into<String>, reached: f64, wanted: f64) -> Self {
        Self { what: what.into(), reached, wanted }
    }

    /// The line that a report ends with, one a goal.
    pub(super) fn line(&self) -> String {
        let Self { what, reached, wanted } = self;
        let verdict = if reached <= wanted { "ok" } else { "short" };
        format!("goal {what}: reached {reached:.2}, wanted {wanted:.2}, {verdict}")
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
}
