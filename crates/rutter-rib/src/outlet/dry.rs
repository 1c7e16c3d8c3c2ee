//! What another export policy would change, without any change.

use rutter_route::Destination;

use super::Outlet;
use crate::policy::Rules;
use crate::table::{Cursor, Table};

/// What an export policy would change for one sink, as far as the dry run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportEffect<D> {
    /// Destinations that would be told and aren't now.
    pub told: usize,
    /// Destinations that are told and wouldn't be.
    pub untold: usize,
    /// Destinations that would be told otherwise.
    pub changed: usize,
    /// The first that would be told, at most [`ExportEffect::EXAMPLES`].
    pub told_examples: Vec<D>,
    /// The first that wouldn't be told any more, as many.
    pub untold_examples: Vec<D>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<D> ExportEffect<D> {
    /// How many examples one call gives.
    pub const EXAMPLES: usize = 100;
}

impl<D: Destination> Outlet<D> {
    /// What another export policy would change of what this sink hears, by what is selected now;
    /// from `from` on, `budget` destinations at a time.
    pub fn try_export(
        &self,
        table: &Table<D>,
        export: &Rules,
        from: Cursor,
        budget: usize,
    ) -> ExportEffect<D> {
        let (range, next) = table.slice(from, budget);
        let mut effect = ExportEffect {
            told: 0,
            untold: 0,
            changed: 0,
            told_examples: Vec::new(),
            untold_examples: Vec::new(),
            next,
        };
        for destination in range.filter_map(|at| table.at(at)) {
            let now = self.wanted(table, destination);
            let then = self.wanted_by(export, table, destination);
            let example = |list: &mut Vec<D>| {
                if list.len() < ExportEffect::<D>::EXAMPLES {
                    list.push(destination.clone());
                }
            };
            match (now, then) {
                (None, Some(_)) => {
                    effect.told += 1;
                    example(&mut effect.told_examples);
                }
                (Some(_), None) => {
                    effect.untold += 1;
                    example(&mut effect.untold_examples);
                }
                (now, then) => effect.changed += usize::from(now != then),
            }
        }
        effect
    }
}
