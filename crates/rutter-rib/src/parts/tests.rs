//! Each part against the plainest thing that does the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rutter_route::{Left, Wall};

use super::chunked::Chunked;
use super::intern::Interner;
use super::marks::Marks;
use super::members::Members;
use super::ring::{Ring, Story};
use super::wheel::{NEVER, Wheel};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Debug, Clone)]
enum Mark {
    Set(u32),
    TakeFrom(u32),
    Absorb(Vec<u32>),
}

fn mark() -> impl Strategy<Value = Mark> {
    // Near each other, and far apart: words, blocks of the summary, and gaps.
    let id = || prop_oneof![0..200u32, 4000..4200u32, 260_000..262_400u32];
    prop_oneof![
        6 => id().prop_map(Mark::Set),
        4 => id().prop_map(Mark::TakeFrom),
        1 => prop::collection::vec(id(), 0..20).prop_map(Mark::Absorb),
    ]
}

#[derive(Debug, Clone)]
enum Timed {
    Add(u32),
    Pop(u32),
}

fn timed() -> impl Strategy<Value = Timed> {
    prop_oneof![
        3 => (0..50u32).prop_map(Timed::Add),
        1 => Just(Timed::Add(NEVER)),
        3 => (0..50u32).prop_map(Timed::Pop),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn marks_are_a_sorted_set(script in prop::collection::vec(mark(), 0..200)) {
        let (mut marks, mut set) = (Marks::default(), BTreeSet::new());
        for step in script {
            match step {
                Mark::Set(id) => {
                    marks.set(id);
                    set.insert(id);
                }
                Mark::TakeFrom(from) => {
                    let least = set.range(from..).next().copied();
                    prop_assert_eq!(marks.take_from(from), least);
                    least.map(|id| set.remove(&id));
                }
                Mark::Absorb(ids) => {
                    let mut other = Marks::default();
                    ids.iter().for_each(|id| other.set(*id));
                    marks.absorb(&mut other);
                    prop_assert!(other.is_empty() && other.take_from(0).is_none());
                    set.extend(ids);
                }
            }
            prop_assert_eq!((marks.len(), marks.is_empty()), (set.len(), set.is_empty()));
        }
    }

    #[test]
    fn a_wheel_gives_what_is_due_in_order_and_nothing_twice(
        script in prop::collection::vec(timed(), 0..200),
    ) {
        let mut wheel = Wheel::new();
        let mut all: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for (entry, step) in script.into_iter().enumerate() {
            match step {
                Timed::Add(at) => {
                    wheel.add(at, entry);
                    if at != NEVER {
                        all.entry(at).or_default().insert(entry);
                    }
                }
                Timed::Pop(now) => {
                    let due = all.first_key_value().map(|(at, _)| *at).filter(|at| *at <= now);
                    let popped = wheel.pop(now);
                    prop_assert_eq!(popped.is_some(), due.is_some());
                    if let (Some(entry), Some(at)) = (popped, due) {
                        let bucket = all.get_mut(&at).unwrap();
                        prop_assert!(bucket.remove(&entry), "not of the first bucket");
                        if bucket.is_empty() {
                            all.remove(&at);
                        }
                    }
                }
            }
            prop_assert_eq!(wheel.next(), all.first_key_value().map(|(at, _)| *at));
            prop_assert_eq!(wheel.len(), all.values().map(BTreeSet::len).sum::<usize>());
        }
    }

    #[test]
    fn an_interner_keeps_a_value_as_long_as_it_is_counted(
        script in prop::collection::vec((0..6u8, any::<bool>()), 0..200),
    ) {
        let mut interner: Interner<u8> = Interner::new(7);
        let mut counts: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
        for (value, comes) in script {
            if comes {
                let id = interner.intern(value, |_| ());
                let (known, n) = *counts.entry(value).and_modify(|c| c.1 += 1).or_insert((id, 1));
                prop_assert_eq!(id, known, "counted {} times", n);
            } else if let Some((id, n)) = counts.get_mut(&value) {
                *n -= 1;
                let over = *n == 0;
                prop_assert_eq!(interner.release(*id), over);
                if over {
                    counts.remove(&value);
                }
            }
            prop_assert_eq!(interner.len(), counts.len());
            for value in 0..6 {
                let known = counts.get(&value).map(|(id, _)| *id);
                prop_assert_eq!(interner.find(&value), known);
                prop_assert!(known.is_none_or(|id| *interner.get(id) == value));
            }
        }
    }

    /// Destinations whose hashes don't collide keep their quota, of which the oldest quarter goes
    /// whenever one more comes; the capacity holds for all together; what is lost for a reader is
    /// what the capacity took.
    #[test]
    fn a_ring_keeps_the_newest_within_its_quotas(
        quota in 1..13usize,
        capacity in 16..40usize,
        pushes in prop::collection::vec(prop::option::of(0..5u32), 0..250),
    ) {
        let index = super::index::Index::new(7);
        // Five keys of five heads, of the 64 or more that such a ring has.
        let mut heads = BTreeSet::new();
        let keys: Vec<u32> =
            (0..).filter(|k| heads.insert(index.hash(k).bits() % 64)).take(5).collect();
        let mut ring: Ring<u32> = Ring::new(capacity, quota);
        let mut kept: Vec<(u64, Option<u32>)> = Vec::new();
        for (at, key) in pushes.iter().enumerate() {
            let key = key.map(|k| keys[k as usize]);
            let destination = key.map(|k| (k, index.hash(&k)));
            let story = Story::Left(1, Left::Withdrawn);
            let number = ring.push(Wall(at as u64), destination, story, None);
            prop_assert_eq!(number, at as u64 + 1);
            kept.push((number, key));
            let of_key = |k: &(u64, Option<u32>)| key.is_some() && k.1 == key;
            if kept.iter().filter(|k| of_key(k)).count() > quota {
                for _ in 0..=quota / 4 {
                    let oldest = kept.iter().position(of_key).unwrap();
                    kept.remove(oldest);
                }
            }
            // The capacity takes the oldest of all.
            kept.drain(..kept.len().saturating_sub(capacity));
        }
        let all: Vec<(u64, Option<u32>)> = ring.all().map(|(n, s)| (n, s.destination)).collect();
        prop_assert!(all.len() <= capacity);
        // The capacity takes the oldest: what is left is the end of what the quotas left.
        let end = &kept[kept.len() - all.len().min(kept.len())..];
        prop_assert_eq!(&all[..], end);
        for key in keys {
            prop_assert!(all.iter().filter(|(_, k)| *k == Some(key)).count() <= quota);
        }
        let last = ring.last().0;
        prop_assert_eq!(ring.after(last).map(Iterator::count), Some(0));
        prop_assert!(ring.after(last + 1).is_none());
        if let Some((first, _)) = all.first() {
            let after = ring.after(*first).map(|s| s.map(|(n, _)| n).collect::<Vec<_>>());
            let should: Vec<u64> = all.iter().skip(1).map(|(n, _)| *n).collect();
            prop_assert_eq!(after, Some(should));
            prop_assert!(all.iter().all(|(n, _)| ring.slot(*n).is_some()));
        }
    }

    #[test]
    fn members_hand_out_what_was_pushed_a_chunk_at_a_time(n in 0..5000u32) {
        let mut members = Members::default();
        (0..n).for_each(|id| members.push(id));
        prop_assert_eq!(members.len(), n as usize);
        let mut rest = members.take();
        prop_assert_eq!(members.len(), 0);
        let mut all = BTreeSet::new();
        while let Some(chunk) = rest.pop_chunk() {
            prop_assert!(!chunk.is_empty() && chunk.len() <= 1024);
            all.extend(chunk);
        }
        prop_assert_eq!(all, (0..n).collect::<BTreeSet<_>>());
    }

    #[test]
    fn chunks_keep_their_ids(n in 0..10_000u32) {
        let mut chunked = Chunked::new();
        for value in 0..n {
            prop_assert_eq!(chunked.push(value * 3), value);
        }
        prop_assert_eq!(chunked.len(), n);
        prop_assert!((0..n).all(|id| chunked[id] == id * 3));
    }
}
