//! Telling nodes their maps: one a class, made and encoded once.

use rutter_link::EncodedMap;

/// What one node is told: the map of its class, then what changes. A reader that falls behind, or
/// whose class becomes another, is told the whole map again.
#[derive(Debug)]
pub struct MapReader {}

impl MapReader {
    /// The next thing to tell. Cancelled, it has told nothing.
    pub async fn next(&mut self) -> Option<EncodedMap> {
        todo!("H2")
    }

    /// The node uses the map up to this number.
    pub fn applied(&mut self, number: u64) {
        let _ = number;
        todo!("H2")
    }
}
