use proptest::prelude::*;

use super::*;

const OURS: u8 = 77;

fn rule(family: Family, priority: u32, input: Option<&str>, table: u32) -> Rule {
    let input = input.map(|name| name.parse().unwrap());
    Rule { input, ..Rule::new(family, priority, Verdict::Table(table)) }
}

#[test]
fn what_is_missing_is_added_and_only_ours_is_removed() {
    let wanted = BTreeSet::from([
        rule(Family::V4, 100, Some("br100"), 100),
        rule(Family::V6, 100, Some("br100"), 100),
    ]);
    let found = |rule: Rule, protocol| FoundRule { rule, protocol };
    let found = [
        found(rule(Family::V4, 0, None, 255), 2),
        found(rule(Family::V4, 100, Some("br100"), 100), OURS),
        found(rule(Family::V4, 100, Some("br100"), 100), OURS),
        found(rule(Family::V4, 101, None, 100), OURS),
        found(rule(Family::V4, 102, None, 100), 4),
        found(rule(Family::V4, 103, None, 200), OURS),
    ];
    let of_table = |rule: &Rule| rule.verdict == Verdict::Table(100);
    let expected = RuleDifference {
        add: vec![rule(Family::V6, 100, Some("br100"), 100)],
        // The second of two that are alike, and what isn't wanted any more.
        remove: vec![rule(Family::V4, 100, Some("br100"), 100), rule(Family::V4, 101, None, 100)],
    };
    assert_eq!(difference(&wanted, &found, OURS, of_table), expected);
}

#[test]
fn anothers_rule_that_says_the_same_does_the_job() {
    let same = rule(Family::V4, 100, None, 100);
    let found = [FoundRule { rule: same.clone(), protocol: 3 }];
    assert!(difference(&BTreeSet::from([same]), &found, OURS, |_| true).is_empty());
    assert!(difference(&BTreeSet::new(), &found, OURS, |_| true).is_empty());
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    let input = proptest::option::of(prop_oneof![Just("br1"), Just("br2")]);
    (family, 100u32..104, input, 100u32..102).prop_map(|(f, p, i, t)| rule(f, p, i, t))
}

proptest! {
    #[test]
    fn a_difference_that_is_applied_leaves_none(
        wanted in proptest::collection::btree_set(any_rule(), 0..6),
        found in proptest::collection::vec((any_rule(), prop_oneof![Just(OURS), Just(3u8)]), 0..10),
    ) {
        let mut found: Vec<_> =
            found.into_iter().map(|(rule, protocol)| FoundRule { rule, protocol }).collect();
        let foreign = |found: &[FoundRule]| -> Vec<FoundRule> {
            found.iter().filter(|f| f.protocol != OURS).cloned().collect()
        };
        let before = foreign(&found);
        let difference = super::difference(&wanted, &found, OURS, |_| true);
        found.extend(difference.add.into_iter().map(|rule| FoundRule { rule, protocol: OURS }));
        for rule in difference.remove {
            let ours = FoundRule { rule, protocol: OURS };
            let at = found.iter().position(|f| *f == ours).unwrap();
            found.remove(at);
        }
        prop_assert!(super::difference(&wanted, &found, OURS, |_| true).is_empty());
        prop_assert_eq!(foreign(&found), before);
        for rule in &wanted {
            prop_assert!(found.iter().any(|f| f.rule == *rule));
        }
    }
}
