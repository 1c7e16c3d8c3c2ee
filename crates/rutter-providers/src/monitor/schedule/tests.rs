use proptest::prelude::*;

use super::super::state::Found;
use super::*;
use crate::{ProviderId, ProviderKind, Reading};

fn at(ms: u64) -> Now {
    Now::new(ms, 1_000_000 + ms)
}

fn key(name: &str) -> EntryKey {
    let provider = Arc::new(ProviderId::new(ProviderKind::File, "a.yml").unwrap());
    EntryKey { provider, name: name.into(), container: None }
}

fn route(fields: &str) -> Arc<Route> {
    let text = format!("app: {{host: 10.0.0.1, port: 80, {fields}}}");
    let Reading { mut routes, refused, .. } =
        crate::godoxy::read_file("f", &text, &|_| None, &Default::default()).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    Arc::new(routes.remove(0))
}

fn answer(found: Found) -> Answer {
    Answer { found, detail: String::new(), latency: Duration::from_millis(1) }
}

/// Whom it asks now.
fn due(schedule: &mut Schedule, now: Now) -> Vec<WatchId> {
    std::iter::from_fn(|| schedule.take_due(true, now).map(|to_ask| to_ask.id)).collect()
}

/// Asks whoever is due, and answers.
fn ask(schedule: &mut Schedule, found: Found, now: Now) -> usize {
    let ids = due(schedule, now);
    for id in &ids {
        schedule.answered(*id, answer(found), now);
    }
    ids.len()
}

#[test]
fn each_is_asked_at_once_then_after_a_jitter_and_then_each_interval() {
    let mut schedule = Schedule::new(false, 7);
    let mut seconds = Vec::new();
    for n in 0..200 {
        schedule.watch(&key(&format!("r{n}")), &route("healthcheck: {interval: 10s}"), at(1000));
    }
    assert_eq!(ask(&mut schedule, Found::Well, at(1000)), 200);
    for ms in 1001..=11_000 {
        let n = due(&mut schedule, at(ms)).into_iter().map(|id| {
            schedule.answered(id, answer(Found::Well), at(ms));
        });
        seconds.extend(std::iter::repeat_n((ms - 1000) / 1000, n.count()));
    }
    assert_eq!(seconds.len(), 200, "each once, and within 9 s");
    for second in 0..9 {
        let n = seconds.iter().filter(|s| **s == second).count();
        assert!((8..=40).contains(&n), "{n} of 200 in second {second}");
    }
    // From then on, each 10 s after its last.
    let before: Vec<_> = schedule.due.iter().copied().collect();
    for ms in 11_001..=21_000 {
        ask(&mut schedule, Found::Well, at(ms));
    }
    let after: Vec<_> = schedule.due.iter().copied().collect();
    let moved: Vec<_> =
        before.into_iter().map(|(due, id)| (due.after(Duration::from_secs(10)), id)).collect();
    assert_eq!(moved, after);
}

#[test]
fn a_jitter_is_less_than_the_interval_and_the_same_for_the_same_seed() {
    for n in 0..1000 {
        let interval = Duration::from_secs(2);
        assert!(jitter(3, WatchId(n), interval) <= interval);
        assert!(jitter(3, WatchId(n), Duration::MAX) <= MOST_JITTER);
        assert_eq!(jitter(3, WatchId(n), interval), jitter(3, WatchId(n), interval));
    }
}

#[test]
fn what_is_known_stays_if_how_it_is_asked_stays() {
    let mut schedule = Schedule::new(false, 0);
    let cell = schedule.watch(&key("a"), &route(""), at(0));
    ask(&mut schedule, Found::Well, at(0));
    assert_eq!(cell.seen().status, HealthStatus::Healthy);
    assert_eq!(schedule.next_turned(at(0)).map(|t| t.to.status), Some(HealthStatus::Healthy));
    // Other settings: the cell, what is known and the history are the same.
    let again = schedule.watch(&key("a"), &route("healthcheck: {interval: 1s}"), at(100));
    assert!(Arc::ptr_eq(&cell, &again));
    assert_eq!(cell.seen().status, HealthStatus::Healthy);
    assert!(schedule.next_due(true).unwrap() <= Mono(1100));
    // Another target: nothing is known, that is told, and it is asked at once.
    let again = schedule.watch(&key("a"), &route("scheme: https"), at(200));
    assert!(Arc::ptr_eq(&cell, &again));
    assert_eq!(cell.seen().status, HealthStatus::Unknown);
    assert_eq!(schedule.next_turned(at(200)).map(|t| t.to.status), Some(HealthStatus::Unknown));
    assert_eq!(schedule.next_due(true), Some(Mono(200)));
    assert_eq!(schedule.len(), 1);
}

#[test]
fn an_answer_of_who_is_asked_otherwise_by_now_is_none() {
    let mut schedule = Schedule::new(false, 0);
    let cell = schedule.watch(&key("a"), &route(""), at(0));
    let old = due(&mut schedule, at(0));
    schedule.watch(&key("a"), &route("scheme: https"), at(10));
    schedule.answered(old[0], answer(Found::Well), at(20));
    assert_eq!(cell.seen().status, HealthStatus::Unknown);
    let new = due(&mut schedule, at(20));
    assert_eq!(new.len(), 1);
    schedule.forget(&key("a"));
    schedule.answered(new[0], answer(Found::Well), at(30));
    assert_eq!((schedule.len(), schedule.next_due(true)), (0, None));
    assert_eq!(cell.seen().status, HealthStatus::Unknown);
    assert!(!schedule.has_turned());
}

#[test]
fn who_is_not_to_be_asked_is_unknown_unless_its_engine_says_something() {
    let mut unresolved = Route::clone(&route(""));
    unresolved.unresolved = Some("the guest is stopped".to_owned());
    for resting in [route("healthcheck: {disable: true}"), Arc::new(unresolved)] {
        let mut schedule = Schedule::new(false, 0);
        let cell = schedule.watch(&key("a"), &route(""), at(0));
        ask(&mut schedule, Found::Well, at(0));
        schedule.watch(&key("a"), &resting, at(10));
        assert_eq!((cell.seen().status, schedule.next_due(true)), (HealthStatus::Unknown, None));
        let says = |status| Some(Seen { status, ..Seen::default() });
        schedule.engine_says(&key("a"), says(HealthStatus::Unhealthy), at(20));
        assert_eq!(cell.seen().status, HealthStatus::Unhealthy);
        assert_eq!(due(&mut schedule, at(20)), [], "its cell is refreshed, nobody is asked");
        schedule.engine_says(&key("a"), None, at(30));
        assert_eq!((cell.seen().status, schedule.next_due(true)), (HealthStatus::Unknown, None));
        schedule.watch(&key("a"), &route(""), at(40));
        assert_eq!(schedule.next_due(true), Some(Mono(40)));
    }
}

#[test]
fn while_the_engine_has_the_word_nobody_asks_and_afterwards_somebody_does_at_once() {
    let mut schedule = Schedule::new(false, 0);
    let cell = schedule.watch(&key("a"), &route(""), at(0));
    ask(&mut schedule, Found::Ill, at(0));
    let healthy = Seen { status: HealthStatus::Healthy, ..Seen::default() };
    schedule.engine_says(&key("a"), Some(healthy), at(1000));
    for seconds in 2..60 {
        assert_eq!(due(&mut schedule, at(1000 * seconds)), []);
    }
    let uptime = cell.seen().uptime;
    assert!(uptime >= Duration::from_secs(50), "its cell goes on: {uptime:?}");
    // Its container gets another target: the engine's word is of the container.
    schedule.watch(&key("a"), &route("scheme: https"), at(60_000));
    assert_eq!(cell.seen().status, HealthStatus::Healthy);
    assert_eq!(due(&mut schedule, at(60_000)), []);
    schedule.engine_says(&key("a"), None, at(61_000));
    assert_eq!(cell.seen().status, HealthStatus::Unknown);
    assert_eq!(due(&mut schedule, at(61_000)).len(), 1);
    // Of one that isn't watched nothing is kept.
    schedule.engine_says(&key("b"), Some(Seen::default()), at(61_000));
    assert_eq!(schedule.len(), 1);
}

#[test]
fn who_is_slow_to_hear_is_told_the_last_turn_alone() {
    let mut schedule = Schedule::new(true, 0);
    schedule.watch(&key("a"), &route("healthcheck: {interval: 1s}"), at(0));
    for (n, found) in [Found::Well, Found::Ill, Found::Well, Found::Ill].into_iter().enumerate() {
        assert_eq!(ask(&mut schedule, found, at(5000 * n as u64)), 1);
    }
    let told = schedule.next_turned(at(20_000)).unwrap();
    assert_eq!((told.key, told.to.status), (key("a"), HealthStatus::Unhealthy));
    assert_eq!(schedule.next_turned(at(20_000)), None);
    // There and back again is nothing to tell.
    ask(&mut schedule, Found::Well, at(25_000));
    ask(&mut schedule, Found::Ill, at(30_000));
    assert_eq!(schedule.next_turned(at(30_000)), None);
}

#[test]
fn one_failure_turns_a_route_where_the_option_says_so() {
    for (turns_at_once, expected) in [(true, HealthStatus::Error), (false, HealthStatus::Unknown)] {
        let mut schedule = Schedule::new(turns_at_once, 0);
        let cell = schedule.watch(&key("a"), &route("healthcheck: {retries: 3}"), at(0));
        ask(&mut schedule, Found::Failed, at(0));
        assert_eq!(cell.seen().status, expected);
    }
}

proptest! {
    /// Whatever comes and goes: each watched route that may be asked has one place in the queue or
    /// is being asked, nobody else has one, and none is forgotten.
    #[test]
    fn the_queue_has_each_route_once(
        steps in proptest::collection::vec((0u8..7, 0usize..4, 0u64..4000), 1..80),
    ) {
        let routes =
            [route(""), route("healthcheck: {disable: true}"), route("scheme: https")];
        let mut schedule = Schedule::new(false, 1);
        let (mut now, mut asked) = (0, Vec::new());
        for (what, n, wait) in steps {
            now += wait;
            let key = key(&format!("r{n}"));
            match what {
                0..=2 => {
                    schedule.watch(&key, &routes[usize::from(what)], at(now));
                }
                3 => schedule.forget(&key),
                4 => asked.extend(schedule.take_due(n > 0, at(now)).map(|to_ask| to_ask.id)),
                5 => {
                    if let Some(id) = asked.pop() {
                        let latency = Duration::from_millis(wait);
                        let answer = Answer { latency, ..answer(Found::Ill) };
                        schedule.answered(id, answer, at(now));
                    }
                }
                _ => {
                    let status =
                        if wait % 2 == 0 { HealthStatus::Healthy } else { HealthStatus::Unknown };
                    schedule.engine_says(&key, Some(Seen { status, ..Seen::default() }), at(now));
                }
            }
            prop_assert_eq!(schedule.by_key.len(), schedule.watched.len());
            let mut places = 0;
            for (id, watched) in &schedule.watched {
                match watched.phase {
                    Phase::Due(due) => {
                        places += 1;
                        let queues = [&schedule.due, &schedule.due_slow];
                        let n = queues.iter().filter(|queue| queue.contains(&(due, *id))).count();
                        prop_assert_eq!(n, 1);
                    }
                    Phase::Asked(_) => prop_assert!(asked.contains(id)),
                    Phase::Resting => {
                        prop_assert!(watched.route.health.is_disabled);
                        prop_assert!(!watched.state.is_engines());
                    }
                }
            }
            prop_assert_eq!(places, schedule.due.len() + schedule.due_slow.len());
            prop_assert!(schedule.turned.iter().all(|id| schedule.watched.contains_key(id)));
        }
    }
}

#[test]
fn a_hundred_thousand_routes_cost_a_place_in_the_queue_each() {
    let mut schedule = Schedule::new(false, 0);
    let route = route("");
    for n in 0..100_000 {
        schedule.watch(&key(&n.to_string()), &route, at(0));
    }
    assert_eq!(ask(&mut schedule, Found::Well, at(0)), 100_000);
    assert_eq!((schedule.len(), schedule.due.len()), (100_000, 100_000));
    // Beside its rings, of which each comes when its first sample is due.
    assert!(size_of::<Watched>() <= 448, "{}", size_of::<Watched>());
    for n in 0..100_000 {
        schedule.forget(&key(&n.to_string()));
    }
    assert_eq!((schedule.len(), schedule.due.len(), schedule.turned.len()), (0, 0, 0));
}

#[test]
fn who_is_slow_keeps_nobody_from_being_asked() {
    let mut schedule = Schedule::new(false, 0);
    for n in 0..10 {
        schedule.watch(&key(&n.to_string()), &route("healthcheck: {interval: 1s}"), at(0));
    }
    let ids = due(&mut schedule, at(0));
    for id in &ids[..9] {
        let answer = Answer { latency: Duration::from_secs(5), ..answer(Found::Ill) };
        schedule.answered(*id, answer, at(0));
    }
    schedule.answered(ids[9], answer(Found::Well), at(0));
    // All are due, the slow ones first; without a place for them the other is asked.
    let now = at(60_000);
    let asked = schedule.take_due(false, now).unwrap();
    assert_eq!((asked.id, asked.is_slow), (ids[9], false));
    assert!(schedule.take_due(false, now).is_none());
    assert_eq!(schedule.next_due(false), None);
    assert!(schedule.next_due(true).is_some());
    // With places they are asked too, and one that is quick again is slow no more.
    let slow: Vec<_> = std::iter::from_fn(|| schedule.take_due(true, now)).collect();
    assert!(slow.len() == 9 && slow.iter().all(|to_ask| to_ask.is_slow));
    schedule.answered(slow[0].id, answer(Found::Well), now);
    assert!(schedule.next_due(false).is_some());
}
