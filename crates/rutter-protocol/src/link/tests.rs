use std::time::Duration;

use rutter_route::Now;

use super::{Link, LinkSettings, Sample};
use crate::wire::Metrics;

fn at(ms: u64) -> Now {
    Now::new(ms, ms)
}

fn answered(ms: u64) -> Sample {
    Sample::Answered(Duration::from_millis(ms))
}

/// How often what counts changed over samples 250 ms apart.
fn moves(link: &mut Link, from: u64, samples: impl IntoIterator<Item = Sample>) -> usize {
    let times = (from..).step_by(250);
    times.zip(samples).filter(|(ms, sample)| link.sample(at(*ms), *sample)).count()
}

#[test]
fn case_08_a_path_over_a_link_has_sums_and_the_least() {
    let path = Metrics { latency_us: 1000, bandwidth_kbps: 100_000, ..Metrics::default() };
    let link = Metrics {
        hops: 1,
        latency_us: 5000,
        bandwidth_kbps: 50_000,
        reliability_ppm: 900_000,
        cost: 2,
    };
    let whole = Metrics { latency_us: 6000, ..link };
    assert_eq!(path.over(link), whole);
    let unknown = Metrics { bandwidth_kbps: 0, ..link };
    assert_eq!(path.over(unknown).bandwidth_kbps, 100_000);
}

#[test]
fn what_counts_moves_once_when_a_link_has_become_slower_for_good() {
    let mut link = Link::new(LinkSettings::default(), Metrics::default());
    assert_eq!(link.metrics().hops, 1);
    assert_eq!(moves(&mut link, 0, vec![answered(20); 40]), 1);
    assert_eq!(link.metrics().latency_us, 10_000);
    let moved = moves(&mut link, 10_000, vec![answered(80); 80]);
    assert!((1..=2).contains(&moved), "{moved}");
    assert!((36_000..=40_000).contains(&link.metrics().latency_us), "{:?}", link.metrics());
}

#[test]
fn a_queue_that_fills_for_a_moment_moves_nothing() {
    let mut link = Link::new(LinkSettings::default(), Metrics::default());
    moves(&mut link, 0, vec![answered(20); 40]);
    let before = link.metrics();
    let mut samples = vec![answered(200); 4];
    samples.extend(vec![answered(20); 60]);
    assert_eq!(moves(&mut link, 10_000, samples), 0);
    assert_eq!(link.metrics(), before);
}

#[test]
fn jitter_within_the_band_moves_nothing_however_long() {
    let mut link = Link::new(LinkSettings::default(), Metrics::default());
    moves(&mut link, 0, vec![answered(20); 40]);
    let samples = (0..10_000).map(|n| answered(if n % 2 == 0 { 16 } else { 24 }));
    assert_eq!(moves(&mut link, 10_000, samples), 0);
}

#[test]
fn lost_probes_count_as_reliability_and_come_back() {
    let mut link = Link::new(LinkSettings::default(), Metrics::default());
    let lossy = (0..200).map(|n| if n % 5 == 0 { Sample::Lost } else { answered(1) });
    assert!(moves(&mut link, 0, lossy) >= 1);
    let is = link.metrics().reliability_ppm;
    assert!((700_000..900_000).contains(&is), "{is}");
    moves(&mut link, 60_000, vec![answered(1); 400]);
    assert!(link.metrics().reliability_ppm > 970_000);
}

#[test]
fn what_is_configured_counts_where_nothing_is_measured() {
    let settings = LinkSettings { measure: false, ..LinkSettings::default() };
    let configured = Metrics { latency_us: 7000, cost: 3, ..Metrics::default() };
    let mut link = Link::new(settings, configured);
    assert_eq!(moves(&mut link, 0, vec![answered(500); 100]), 0);
    assert_eq!(link.metrics(), Metrics { hops: 1, ..configured });
}
