use std::time::Duration;

use tokio::time::Instant;

use super::{Pace, Patience};

const PACE: Pace = Pace { longest: Duration::from_secs(30), min_rate: 500 };

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn silence_ends_at_the_bound() {
    let now = Instant::now();
    let mut patience = Patience::new(PACE);
    assert_eq!(patience.wait(now), now + s(30.0));
    assert_eq!(patience.wait(now + s(29.0)), now + s(30.0), "waiting on is no new patience");
}

#[test]
fn a_byte_a_second_is_cut_soon_after_the_bound() {
    let begun = Instant::now();
    let (mut now, mut patience) = (begun, Patience::new(PACE));
    let until = loop {
        let until = patience.wait(now);
        if until <= now + s(1.0) {
            break until;
        }
        now += s(1.0);
        patience.moved(now, 1);
    };
    assert!(until - begun < s(30.1), "{:?}", until - begun);
}

#[test]
fn whoever_keeps_to_the_rate_goes_on() {
    let (mut now, mut patience) = (Instant::now(), Patience::new(PACE));
    for _ in 0..100_000 {
        assert!(patience.wait(now) > now + s(25.0));
        now += s(4.0);
        patience.moved(now, 2000);
    }
}

#[test]
fn time_counts_only_while_one_waits_and_bytes_never_buy_more_than_the_bound() {
    let now = Instant::now();
    let mut patience = Patience::new(PACE);
    patience.wait(now);
    patience.moved(now + s(20.0), 0);
    // An hour in which nobody waited for the client.
    let later = now + s(3600.0);
    assert_eq!(patience.wait(later), later + s(10.0));
    patience.moved(later, usize::MAX);
    assert_eq!(patience.wait(later), later + s(30.0));
}
