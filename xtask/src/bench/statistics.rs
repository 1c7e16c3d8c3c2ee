//! Several runs as one figure.

use std::fmt;

/// The median of some runs, with the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Spread {
    /// `None` of no run.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get((values.len() - 1) / 2)?;
        Some(Self { median: (lower + upper) / 2.0, least, greatest })
    }
}

/// With as many decimals as the formatter is told.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(3);
        let Self { median, least, greatest } = self;
        write!(f, "{median:.decimals$} ({least:.decimals$}..{greatest:.decimals$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let text = |values: &[f64]| Spread::of(values.iter().copied()).map(|s| format!("{s:.1}"));
        assert_eq!(text(&[3.0, 1.0, 2.0]).as_deref(), Some("2.0 (1.0..3.0)"));
        assert_eq!(text(&[4.0, 1.0, 2.0, 3.0]).as_deref(), Some("2.5 (1.0..4.0)"));
        assert_eq!(text(&[]), None);
    }
}
