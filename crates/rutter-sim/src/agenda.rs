//! What is to happen when: events by time, those of one moment in the order in which they were
//! put in. So one seed gives one order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events by time.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Entry<E>>,
    put: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), put: 0 }
    }

    pub(crate) fn put(&mut self, at: u64, event: E) {
        self.put += 1;
        self.heap.push(Entry { at, number: self.put, event });
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// The heap gives the greatest: the earliest, and of one moment the first put in.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::Agenda;

    #[test]
    fn events_come_by_time_and_then_in_the_order_in_which_they_were_put() {
        let mut agenda = Agenda::new();
        for (at, name) in [(5, 'd'), (1, 'a'), (5, 'e'), (2, 'b'), (2, 'c')] {
            agenda.put(at, name);
        }
        let order: String = std::iter::from_fn(|| agenda.pop().map(|(_, name)| name)).collect();
        assert_eq!(order, "abcde");
    }
}
