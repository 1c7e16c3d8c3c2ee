//! A destination that doesn't come to rest, as its explanation shows it.
//!
//! In a dispute wheel (Griffin, Shepherd and Wilfong, 2002) each of several clusters prefers the path
//! through the next to its own, so whichever path one of them takes, another takes its own back. Each
//! sees the same from inside: its best moves to a preferred route, loses it since that route was taken
//! back, and moves to it again, over and over. That is what is looked for here, in the events of one
//! destination; which clusters are on the wheel is seen by asking each of them.

use std::fmt;
use std::time::Duration;

use super::Explanation;
use crate::{Criterion, Event, RouteKey, Wall, What};

/// So many moves between the same two routes at least.
const MOVES: usize = 6;

/// ... the last of them no longer ago than this, in ms.
const LATELY: u64 = 60_000;

/// The best goes back and forth between two routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The route that is preferred while it is there.
    pub preferred: RouteKey,
    /// The one that is taken otherwise.
    pub other: RouteKey,
    /// How many moves the events that are kept tell of.
    pub n_moves: usize,
    /// In what time.
    pub within: Duration,
}

impl fmt::Display for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the best moved {} times in {} s between {} and {}: {} is preferred whenever it is \
             there, and is taken back when it is used, as in a dispute wheel of preferences",
            self.n_moves,
            self.within.as_secs(),
            self.preferred,
            self.other,
            self.preferred
        )
    }
}

impl<D> Explanation<D> {
    /// What looks like a dispute wheel from here, if anything does.
    pub fn dispute(&self) -> Option<Dispute> {
        let moves: Vec<Move<'_>> = self.events.iter().filter_map(Move::of).collect();
        let last = moves.last()?;
        if last.at.0 + LATELY < self.at.0 {
            return None;
        }
        // The last moves that go to and fro between the same two, the newest first.
        let pair = [last.from, last.to];
        let to_and_fro: Vec<&Move<'_>> = moves
            .iter()
            .rev()
            .take_while(|one| pair.contains(&one.from) && pair.contains(&one.to))
            .collect();
        let n_moves = to_and_fro.len();
        if n_moves < MOVES {
            return None;
        }
        // One way a preference decides; the other way what was preferred was gone.
        let decided = to_and_fro.iter().find(|one| one.by == Some(Criterion::Preference))?;
        let within = last.at.0.saturating_sub(to_and_fro.last()?.at.0);
        Some(Dispute {
            preferred: decided.to.clone(),
            other: decided.from.clone(),
            n_moves,
            within: Duration::from_millis(within),
        })
    }
}

/// One move of the default view's best from a route to another.
struct Move<'a> {
    at: Wall,
    from: &'a RouteKey,
    to: &'a RouteKey,
    by: Option<Criterion>,
}

impl<'a> Move<'a> {
    fn of<D>(event: &'a Event<D>) -> Option<Self> {
        match &event.what {
            What::Moved { from: Some(from), to: Some(to), decided_by, view: None } => {
                Some(Self { at: event.at, from, to, by: *decided_by })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Explanation;
    use crate::{ClusterId, Criterion, Event, EventNumber, PathId, RouteKey, Wall, What};

    fn key(source: &str) -> RouteKey {
        RouteKey { source: source.parse().unwrap(), path: PathId::default() }
    }

    /// An explanation of moves, one a second: from, to, by what.
    fn explanation(moves: &[(&str, &str, Option<Criterion>)]) -> Explanation<ClusterId> {
        let event =
            |(at, (from, to, decided_by)): (usize, &(&str, &str, Option<Criterion>))| Event {
                number: EventNumber(at as u64 + 1),
                at: Wall(1000 * at as u64),
                destination: None,
                what: What::Moved {
                    from: Some(key(from)),
                    to: Some(key(to)),
                    decided_by: *decided_by,
                    view: None,
                },
                cause: None,
            };
        Explanation {
            table: "fabric".parse().unwrap(),
            destination: "hub".parse().unwrap(),
            at: Wall(1000 * moves.len() as u64),
            views: Vec::new(),
            candidates: Vec::new(),
            events: moves.iter().enumerate().map(event).collect(),
            sinks: Vec::new(),
        }
    }

    const A: &str = "neighbour/a";
    const B: &str = "neighbour/b";
    const PREFERRED: Option<Criterion> = Some(Criterion::Preference);

    #[test]
    fn a_best_that_goes_to_and_fro_by_preference_is_a_dispute() {
        let told = explanation(&[(A, B, None), (B, A, PREFERRED)].repeat(4));
        let dispute = told.dispute().unwrap();
        assert_eq!((dispute.preferred, dispute.n_moves), (key(A), 8));
    }

    #[test]
    fn few_moves_old_moves_and_moves_by_the_path_are_none() {
        assert_eq!(explanation(&[(A, B, None), (B, A, PREFERRED)].repeat(2)).dispute(), None);
        let by_path = [(A, B, None), (B, A, Some(Criterion::Score))].repeat(4);
        assert_eq!(explanation(&by_path).dispute(), None);
        let mut old = explanation(&[(A, B, None), (B, A, PREFERRED)].repeat(4));
        old.at = Wall(1_000_000);
        assert_eq!(old.dispute(), None);
    }
}
