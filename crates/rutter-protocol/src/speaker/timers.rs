//! What ends by time: claims, keys, restarts that were waited for, lost neighbours' routes.

use rutter_rib::Book;
use rutter_route::Now;

use super::{Output, Speaker};

impl Speaker {
    pub(crate) fn tick(&mut self, _now: Now, _book: &mut Book, _out: &mut Vec<Output>) {
        todo!("H3")
    }
}
