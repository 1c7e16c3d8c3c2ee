use rutter_route::{AnyDestination, Now};

use super::convergence::{MAX_OPEN, SETTLE, Settling};
use super::{Convergence, Reason};

fn at(ms: u64) -> Now {
    Now::new(ms, ms)
}

fn cluster(name: &str) -> AnyDestination {
    AnyDestination::Cluster(name.parse().unwrap())
}

#[test]
fn a_reason_is_named_as_serde_names_it() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
}

#[test]
fn a_measurement_is_from_the_first_change_to_the_last_before_rest() {
    let mut settling = Settling::new(1);
    let mut total = Convergence::default();
    let table = "fabric".parse().unwrap();
    settling.changed(at(1000), &table, [cluster("c")]);
    settling.changed(at(1040), &table, [cluster("c")]);
    settling.changed(at(2900), &table, [cluster("c")]);
    settling.close(at(4800), &mut total);
    assert_eq!(total.n, 0, "it changed less than the settling time ago");
    settling.close(at(4900), &mut total);
    assert_eq!((total.n, total.max_ms), (1, 1900));
    assert_eq!(total.buckets, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(settling.next_deadline(), None);
}

#[test]
fn destinations_are_measured_apart_and_a_later_change_is_a_new_measurement() {
    let mut settling = Settling::new(1);
    let mut total = Convergence::default();
    let table = "fabric".parse().unwrap();
    settling.changed(at(0), &table, [cluster("a")]);
    settling.changed(at(10), &table, [cluster("b")]);
    settling.changed(at(500), &table, [cluster("a")]);
    settling.close(at(10_000), &mut total);
    assert_eq!((total.n, total.sum_ms), (2, 500));
    settling.changed(at(20_000), &table, [cluster("a")]);
    settling.close(at(30_000), &mut total);
    assert_eq!((total.n, total.sum_ms, total.max_ms), (3, 500, 500));
}

#[test]
fn no_more_than_the_bound_is_measured_at_a_time() {
    let mut settling = Settling::new(1);
    let mut total = Convergence::default();
    let table = "fabric".parse().unwrap();
    for n in 0..MAX_OPEN + 10 {
        settling.changed(at(0), &table, [cluster(&format!("c{n}"))]);
    }
    settling.close(at(SETTLE.as_millis() as u64), &mut total);
    assert_eq!(total.n as usize, MAX_OPEN);
    settling.changed(at(9000), &table, [cluster("later")]);
    assert!(settling.next_deadline().is_some(), "there is room again");
}
