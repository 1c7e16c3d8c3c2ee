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
