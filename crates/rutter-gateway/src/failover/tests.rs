use std::time::Duration;

use http::Method;
use rutter_route::Mono;

use super::budget::{RetryBudget, RetryBudgetConfig};
use super::{BodyLeft, Next, Refused, Tried, judge, may_be_cut};
use crate::upstream::Silence;

const NOTHING: Tried = Tried { sent: false, answered: false, silent: None, reused: false };
const SENT: Tried = Tried { sent: true, ..NOTHING };

#[test]
fn the_rules_of_failover() {
    use BodyLeft::{Kept, Spent, Whole};
    use Next::{Another, GiveUp, SameAnew};
    let reused = |t: Tried| Tried { reused: true, ..t };
    let answered = Tried { answered: true, ..SENT };
    let timed_out = Tried { silent: Some(Silence::Response), ..SENT };
    let cut = Tried { silent: Some(Silence::Try), ..SENT };
    let not_idempotent = GiveUp(Refused::NotIdempotent);
    let spent = GiveUp(Refused::BodySpent);
    let cases = [
        // Nothing sent: any method whose body is whole goes on.
        ("GET", Kept, NOTHING, Another),
        ("POST", Kept, NOTHING, Another),
        ("POST", Whole, NOTHING, Another),
        ("PATCH", Whole, NOTHING, Another),
        ("POST", Spent, NOTHING, spent),
        ("PUT", Spent, NOTHING, spent),
        // A stale pooled connection is no fault of the route.
        ("POST", Whole, reused(NOTHING), SameAnew),
        ("GET", Kept, reused(NOTHING), SameAnew),
        // A connect that timed out sent nothing.
        ("POST", Whole, Tried { silent: Some(Silence::Response), ..NOTHING }, Another),
        // Something sent: idempotent methods only, and all of the body at hand.
        ("GET", Kept, SENT, Another),
        ("HEAD", Kept, SENT, Another),
        ("OPTIONS", Kept, SENT, Another),
        ("TRACE", Kept, SENT, Another),
        ("PUT", Kept, SENT, Another),
        ("DELETE", Kept, SENT, Another),
        ("PUT", Kept, reused(SENT), SameAnew),
        ("PUT", Whole, SENT, spent),
        ("PUT", Spent, SENT, spent),
        ("POST", Kept, SENT, not_idempotent),
        ("PATCH", Kept, SENT, not_idempotent),
        ("BREW", Kept, SENT, not_idempotent),
        ("POST", Kept, reused(SENT), not_idempotent),
        // An answer began, or didn't come in time: never again.
        ("GET", Kept, answered, GiveUp(Refused::Answered)),
        ("GET", Kept, reused(answered), GiveUp(Refused::Answered)),
        ("GET", Kept, timed_out, GiveUp(Refused::TimedOut)),
        // Silent for `try_timeout`: another route, and not the same anew.
        ("GET", Kept, cut, Another),
        ("GET", Kept, reused(cut), Another),
        ("GET", Kept, Tried { answered: true, ..cut }, GiveUp(Refused::Answered)),
        ("POST", Kept, cut, not_idempotent),
        ("PUT", Whole, cut, spent),
    ];
    for (method, body, tried, want) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(judge(&method, body, tried), want, "{method} {body:?} {tried:?}");
    }
}

#[test]
fn a_try_is_cut_only_where_the_request_could_go_on() {
    use BodyLeft::{Kept, Spent, Whole};
    let cases = [
        ("GET", Kept, true),
        ("PUT", Kept, true),
        ("PUT", Whole, false),
        ("GET", Spent, false),
        ("POST", Kept, false),
    ];
    for (method, body, want) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(may_be_cut(&method, body), want, "{method} {body:?}");
    }
}

const USUAL: RetryBudgetConfig =
    RetryBudgetConfig { budget_percent: 20, min_retries_per_second: 10 };

/// How many repeats are granted one after another.
fn granted(budget: &RetryBudget, now: Mono, config: RetryBudgetConfig) -> usize {
    (0..100_000).take_while(|_| budget.retry(now, config)).count()
}

#[test]
fn a_quiet_gateway_may_repeat_ten_a_second_saved_up_for_ten() {
    let budget = RetryBudget::new(4);
    let start = Mono(1);
    assert_eq!(granted(&budget, start, USUAL), 100);
    assert!(!budget.has_room(start, USUAL));
    let later = start.after(Duration::from_millis(9_000));
    assert_eq!(granted(&budget, later, USUAL), 0, "they count for ten seconds");
    let later = start.after(Duration::from_millis(10_000));
    assert_eq!(granted(&budget, later, USUAL), 100);
}

#[test]
fn a_fifth_of_all_workers_requests_may_be_repeated() {
    let budget = RetryBudget::new(3);
    let mut now = Mono(5_000);
    for n in 0..3_000 {
        budget.request(n, now);
        now = Mono(now.0 + 3);
    }
    assert_eq!(granted(&budget, now, USUAL), 100 + 600);
    let none = RetryBudgetConfig { budget_percent: 0, min_retries_per_second: 0 };
    assert!(!budget.has_room(Mono(1), none));
    // When those requests are long over, so is what they allowed.
    now = now.after(Duration::from_secs(3600));
    assert_eq!(granted(&budget, now, USUAL), 100);
}

#[test]
fn under_steady_load_repeats_stay_a_fifth() {
    let budget = RetryBudget::new(2);
    let mut n_granted = 0;
    // A minute of a thousand requests a second, each of which fails and would be repeated.
    for ms in 0..60_000 {
        budget.request(ms as usize, Mono(ms));
        n_granted += usize::from(budget.retry(Mono(ms), USUAL));
    }
    let allowed = 60_000 / 5 + 60 * 10;
    assert!((allowed * 9 / 10..=allowed + 100).contains(&n_granted), "{n_granted}");
}
