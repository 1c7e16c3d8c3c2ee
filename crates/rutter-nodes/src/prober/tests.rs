use super::*;

const T: Duration = Duration::from_secs(5);
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

fn at(seconds: u64) -> Now {
    Now::new(seconds * 1000, 0)
}

fn sessions(of: &[(NodeId, u64)]) -> BTreeMap<NodeId, u64> {
    of.iter().copied().collect()
}

fn silent(prober: &mut Prober, now: Now, live: &[(NodeId, u64)]) -> Vec<NodeId> {
    let live = sessions(live);
    let verdicts = prober.end(now, T, |id| live.get(&id).copied());
    assert!(verdicts.iter().all(|(_, is)| matches!(is, Health::Unhealthy { .. })));
    verdicts.into_iter().map(|(id, _)| id).collect()
}

/// Both were asked before, and answered.
fn settled() -> Prober {
    let mut prober = Prober::default();
    prober.begin(at(0), T, &sessions(&[(A, 1), (B, 1)]));
    for id in [A, B] {
        assert_eq!(prober.answered(id, 1), Some(Health::Healthy));
    }
    assert_eq!(silent(&mut prober, at(5), &[(A, 1), (B, 1)]), []);
    prober
}

#[test]
fn who_answers_is_well_and_who_doesnt_in_time_isnt() {
    let mut prober = settled();
    let both = [(A, 1), (B, 1)];
    assert_eq!(prober.begin(at(10), T, &sessions(&both)), [A, B].into());
    assert_eq!(prober.deadline(), Some(Deadline(at(15).mono)));
    assert_eq!(prober.answered(B, 1), Some(Health::Healthy));
    assert_eq!(prober.answered(B, 1), None, "once is enough");
    assert_eq!(silent(&mut prober, at(14), &both), [], "there is time yet");
    assert_eq!(silent(&mut prober, at(15), &both), [A]);
    assert_eq!(prober.deadline(), None);
    // What comes late isn't waited for; the next cycle asks again.
    assert_eq!(prober.answered(A, 1), None);
    prober.begin(at(20), T, &sessions(&both));
    assert_eq!(prober.answered(A, 1), Some(Health::Healthy));
}

#[test]
fn silence_of_several_is_told_at_once() {
    let mut prober = settled();
    let both = [(A, 1), (B, 1)];
    prober.begin(at(10), T, &sessions(&both));
    assert_eq!(silent(&mut prober, at(15), &both), [A, B]);
}

#[test]
fn a_session_that_is_gone_has_no_verdict() {
    let mut prober = settled();
    prober.begin(at(10), T, &sessions(&[(A, 1), (B, 1)]));
    assert_eq!(silent(&mut prober, at(15), &[(B, 1)]), [B]);
}

#[test]
fn another_session_than_the_one_asked_is_not_judged_and_its_answer_is_its_own() {
    let mut prober = settled();
    prober.begin(at(10), T, &sessions(&[(A, 1), (B, 1)]));
    assert_eq!(prober.answered(A, 2), None);
    assert_eq!(silent(&mut prober, at(15), &[(A, 2), (B, 1)]), [B]);
}

#[test]
fn the_first_silence_of_a_session_is_no_verdict_and_the_second_is() {
    let mut prober = settled();
    let live = [(A, 2), (B, 1)];
    prober.begin(at(10), T, &sessions(&live));
    assert_eq!(silent(&mut prober, at(15), &live), [B], "the new one spares itself alone");
    prober.begin(at(20), T, &sessions(&live));
    assert_eq!(silent(&mut prober, at(25), &live), [A, B]);
}

#[test]
fn who_shares_nothing_meanwhile_is_new_again() {
    let mut prober = settled();
    prober.begin(at(10), T, &sessions(&[(B, 1)]));
    prober.answered(B, 1);
    let live = [(A, 1), (B, 1)];
    prober.begin(at(20), T, &sessions(&live));
    prober.answered(B, 1);
    assert_eq!(silent(&mut prober, at(25), &live), []);
}

#[test]
fn one_that_flaps_keeps_no_other_from_being_judged() {
    let mut prober = settled();
    for n in 2..10 {
        let now = at(10 * n);
        let live = [(A, n), (B, 1)];
        prober.begin(now, T, &sessions(&live));
        assert_eq!(silent(&mut prober, at(10 * n + 5), &live), [B]);
    }
}

#[test]
fn with_nobody_to_ask_nothing_is_due() {
    let mut prober = settled();
    assert!(prober.begin(at(10), T, &BTreeMap::new()).is_empty());
    assert_eq!(prober.deadline(), None);
}
