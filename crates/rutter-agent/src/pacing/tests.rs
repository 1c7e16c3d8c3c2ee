use std::time::Duration;

use super::*;

#[test]
fn renewals_stay_within_ten_percent_and_bounds() {
    let pacing = Pacing::default();
    let cases = [
        (300, 0.0, 270.0),
        (300, 0.5, 300.0),
        (300, 1.0, 330.0),
        (0, 0.5, 1.0),
        (1_000_000, 0.5, 3600.0),
    ];
    for (every, chance, expected) in cases {
        let wait = pacing.renewal(Duration::from_secs(every), chance).as_secs_f64();
        assert!((wait - expected).abs() < 1e-6, "{every} s at {chance}: {wait}");
    }
}

#[test]
fn back_off_doubles_to_its_cap_and_never_reaches_zero() {
    let pacing = Pacing::default();
    for (n, expected) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (u32::MAX, 60.0)] {
        assert_eq!(pacing.backoff(n, 1.0).as_secs_f64(), expected, "failure {n}");
        assert_eq!(pacing.backoff(n, 0.0), Duration::from_millis(100), "failure {n}");
    }
    let tiny = Pacing { backoff_longest: Duration::from_millis(5), ..pacing };
    assert_eq!(tiny.backoff(9, 1.0), Duration::from_millis(5));
}

#[test]
fn chance_is_a_fraction_that_varies() {
    let drawn: Vec<f64> = (0..64).map(|_| chance()).collect();
    assert!(drawn.iter().all(|c| (0.0..1.0).contains(c)));
    assert!(drawn.windows(2).any(|w| w[0] != w[1]));
}
