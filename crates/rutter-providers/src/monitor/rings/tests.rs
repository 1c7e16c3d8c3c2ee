use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Now {
    Now::new(ms, 1_000_000_000 + ms)
}

#[test]
fn a_route_takes_what_is_said_and_no_more() {
    // What the module says of its room holds, and a new route takes next to nothing.
    assert_eq!(size_of::<Packed>(), 2);
    assert_eq!(Rings::MOST_BYTES, size_of::<Rings>() + 1000);
    assert!(size_of::<Rings>() <= 128, "{}", size_of::<Rings>());
    let mut rings = Rings::new(Mono(0));
    assert!(rings.rings.iter().all(|ring| ring.samples.is_none()));
    for second in 0..1000 {
        rings.note(HealthStatus::Healthy, Duration::from_millis(1), Mono(1000 * second));
    }
    let taken = rings.rings.iter().filter(|ring| ring.samples.is_some()).count();
    assert_eq!(taken, 4, "a month's first sample is due after seven hours");
}

#[test]
fn samples_are_what_held_at_their_time() {
    let mut rings = Rings::new(Mono(0));
    rings.note(HealthStatus::Healthy, Duration::from_millis(5), Mono(1_000));
    rings.note(HealthStatus::Unhealthy, Duration::from_millis(9), Mono(7_000));
    let history = rings.history(Period::FiveMinutes, at(13_000));
    let samples: Vec<_> = history.samples.iter().map(|s| (s.status, s.at)).collect();
    assert_eq!(
        samples,
        [
            (HealthStatus::Healthy, 1_000_003),
            (HealthStatus::Healthy, 1_000_006),
            (HealthStatus::Unhealthy, 1_000_009),
            (HealthStatus::Unhealthy, 1_000_012),
        ]
    );
    assert_eq!((history.uptime, history.downtime, history.idle), (0.5, 0.5, 0.0));
    let least = Duration::from_micros(4980);
    assert!((least..=Duration::from_millis(5)).contains(&history.average_latency));
}

#[test]
fn what_is_unknown_counts_neither_way_and_sleep_is_idle() {
    let mut rings = Rings::new(Mono(0));
    assert_eq!(rings.history(Period::FiveMinutes, at(2_999)), History::default());
    rings.note(HealthStatus::Napping, Duration::ZERO, Mono(30_000));
    let history = rings.history(Period::FiveMinutes, at(60_000));
    assert_eq!(history.samples.len(), 20);
    assert_eq!((history.uptime, history.downtime, history.idle), (0.0, 0.0, 1.0));
}

#[test]
fn a_ring_keeps_the_last_hundred_and_a_long_silence_fills_it() {
    let mut rings = Rings::new(Mono(0));
    rings.note(HealthStatus::Error, Duration::ZERO, Mono(0));
    rings.note(HealthStatus::Healthy, Duration::ZERO, Mono(400_000));
    let history = rings.history(Period::FiveMinutes, at(430_000));
    assert_eq!(history.samples.len(), 100);
    assert_eq!((history.uptime, history.downtime), (0.1, 0.9));
    let history = rings.history(Period::FiveMinutes, at(1 << 50));
    assert_eq!((history.samples.len(), history.uptime), (100, 1.0));
    // A clock that went back fills in nothing.
    assert_eq!(rings.history(Period::FiveMinutes, at(0)).samples.len(), 100);
}

#[test]
fn periods_have_the_originals_words() {
    let words: Vec<_> = Period::ALL.into_iter().map(Period::as_str).collect();
    assert_eq!(words, ["5m", "15m", "1h", "1d", "1mo"]);
    for period in Period::ALL {
        assert_eq!(Period::of_word(period.as_str()), Some(period));
    }
    assert_eq!(Period::of_word("2h"), None);
}

proptest! {
    #[test]
    fn two_bytes_keep_a_status_and_a_latency_to_1_in_256(micros in 0u64..=4_294_967_295) {
        for status in [
            HealthStatus::Unknown,
            HealthStatus::Healthy,
            HealthStatus::Napping,
            HealthStatus::Starting,
            HealthStatus::Unhealthy,
            HealthStatus::Error,
        ] {
            let packed = Packed::new(status, Duration::from_micros(micros));
            let kept = u64::try_from(packed.latency().as_micros()).unwrap();
            prop_assert_eq!(packed.status(), status);
            prop_assert!(kept <= micros && micros - kept <= micros / 128, "{} {}", micros, kept);
        }
    }

    /// Against one that writes down everything and looks it up.
    #[test]
    fn rings_are_as_a_list_of_all_that_was_said(
        said in proptest::collection::vec((0u64..40_000, any::<bool>()), 0..60),
        more in 0u64..400_000,
    ) {
        let mut rings = Rings::new(Mono(0));
        let mut all = vec![(0, HealthStatus::Unknown)];
        let mut now = 0;
        for (wait, is_well) in said {
            now += wait;
            let status = if is_well { HealthStatus::Healthy } else { HealthStatus::Error };
            rings.note(status, Duration::ZERO, Mono(now));
            all.push((now, status));
        }
        now += more;
        for period in Period::ALL {
            let last = now / period.step();
            let first = last.saturating_sub(99).max(1);
            let expected: Vec<_> = (first..=last)
                .map(|step| {
                    let at = step * period.step();
                    let held = all.iter().rev().find(|(since, _)| *since < at);
                    held.map_or(HealthStatus::Unknown, |(_, status)| *status)
                })
                .collect();
            let history = rings.history(period, at(now));
            let kept: Vec<_> = history.samples.iter().map(|sample| sample.status).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
