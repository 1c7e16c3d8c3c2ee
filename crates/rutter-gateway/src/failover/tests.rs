use http::Method;

use super::{BodyLeft, Next, Refused, Tried, judge};

const NOTHING: Tried = Tried { sent: false, answered: false, timed_out: false, reused: false };
const SENT: Tried = Tried { sent: true, ..NOTHING };

#[test]
fn the_rules_of_failover() {
    use BodyLeft::{Kept, Spent, Whole};
    use Next::{Another, GiveUp, SameAnew};
    let reused = |t: Tried| Tried { reused: true, ..t };
    let answered = Tried { answered: true, ..SENT };
    let timed_out = Tried { timed_out: true, ..SENT };
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
        ("POST", Whole, Tried { timed_out: true, ..NOTHING }, Another),
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
    ];
    for (method, body, tried, want) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(judge(&method, body, tried), want, "{method} {body:?} {tried:?}");
    }
}
