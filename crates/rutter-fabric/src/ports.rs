//! The connections as the speaker sees them: a number each, room, credit, and an end.
//!
//! What the speaker sends goes into a connection's queue, which holds all that it was given room for;
//! what it is sent is read only as far as it gave credit. So neither way anything waits that isn't
//! counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rutter_protocol::speaker::ConnectionId;
use rutter_route::ClusterId;
use tokio::sync::{Semaphore, mpsc, watch};

/// Frames of batches that a connection takes before the first is sent.
pub(crate) const ROOM: u32 = 16;

/// ... and beside them one that opens it and one that closes it.
const BESIDE: usize = 2;

/// The most connections of one neighbour.
pub(crate) const MAX_CONNECTIONS: usize = 16;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    open: Mutex<BTreeMap<ConnectionId, Port>>,
    last: AtomicU64,
    /// Connections that aren't over, those among them that the speaker has closed already.
    carried: watch::Sender<usize>,
}

/// The speaker's end of a connection.
#[derive(Debug)]
struct Port {
    neighbour: ClusterId,
    frames: mpsc::Sender<Bytes>,
    credit: Arc<Semaphore>,
    why: Arc<Mutex<String>>,
}

/// The connection's own end.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) id: ConnectionId,
    /// What is to be sent; when it ends, the connection is to end.
    pub(crate) frames: mpsc::Receiver<Bytes>,
    /// A permit a frame that may be delivered.
    pub(crate) credit: Arc<Semaphore>,
    /// Why the speaker ends it, once it does.
    pub(crate) why: Arc<Mutex<String>>,
}

impl Ports {
    /// A connection to a neighbour; `None`: it has as many as it may have.
    pub(crate) fn open(&self, neighbour: &ClusterId) -> Option<Ends> {
        let mut open = self.lock();
        if open.values().filter(|port| port.neighbour == *neighbour).count() >= MAX_CONNECTIONS {
            return None;
        }
        let id = ConnectionId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let (frames, to_send) = mpsc::channel(ROOM as usize + BESIDE);
        let (credit, why) = (Arc::new(Semaphore::new(0)), Arc::default());
        let port = Port {
            neighbour: neighbour.clone(),
            frames,
            credit: credit.clone(),
            why: Arc::clone(&why),
        };
        open.insert(id, port);
        self.carried.send_modify(|n_carried| *n_carried += 1);
        Some(Ends { id, frames: to_send, credit, why })
    }

    /// The connection is over. Told once of each.
    pub(crate) fn leave(&self, id: ConnectionId) {
        self.lock().remove(&id);
        self.carried.send_modify(|n_carried| *n_carried = n_carried.saturating_sub(1));
    }

    /// Sends a frame. A connection that isn't there any more has told the speaker so.
    pub(crate) fn send(&self, id: ConnectionId, frame: Bytes) {
        let mut open = self.lock();
        let Some(port) = open.get(&id) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = port.frames.try_send(frame) {
            // More than there was room for: a frame is lost, so nothing after it may be heard.
            tracing::error!(connection = id.0, "a frame beyond the connection's room");
            open.remove(&id);
        }
    }

    /// So many frames more may be delivered.
    pub(crate) fn credit(&self, id: ConnectionId, frames: u32) {
        if let Some(port) = self.lock().get(&id) {
            port.credit.add_permits(frames as usize);
        }
    }

    /// The connection is to end once what was sent is out.
    pub(crate) fn close(&self, id: ConnectionId, why: String) {
        if let Some(port) = self.lock().remove(&id) {
            *port.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
    }

    /// Waits until none is left, and what was said on the last is out.
    pub(crate) async fn emptied(&self) {
        // The sender is here as long as this is.
        let mut carried = self.carried.subscribe();
        let _ended = carried.wait_for(|n_carried| *n_carried == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Port>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour() -> ClusterId {
        "b".parse().unwrap()
    }

    #[test]
    fn a_neighbours_connections_are_bounded_and_numbered_once() {
        let ports = Ports::default();
        let ends: Vec<_> = std::iter::from_fn(|| ports.open(&neighbour())).collect();
        assert_eq!(ends.len(), MAX_CONNECTIONS);
        assert!(ports.open(&"c".parse().unwrap()).is_some());
        ports.leave(ends[0].id);
        assert!(ports.open(&neighbour()).unwrap().id > ends[15].id);
    }

    #[tokio::test]
    async fn what_was_sent_before_the_end_is_still_to_be_sent() {
        let ports = Ports::default();
        let mut ends = ports.open(&neighbour()).unwrap();
        ports.send(ends.id, Bytes::from_static(b"last"));
        ports.close(ends.id, "enough".into());
        assert_eq!(ends.frames.recv().await.as_deref(), Some(&b"last"[..]));
        assert_eq!(ends.frames.recv().await, None);
        assert_eq!(*ends.why.lock().unwrap(), "enough");
        ports.leave(ends.id);
        ports.emptied().await;
    }

    #[tokio::test]
    async fn a_frame_beyond_the_room_ends_the_connection() {
        let ports = Ports::default();
        let mut ends = ports.open(&neighbour()).unwrap();
        for _ in 0..=ROOM as usize + BESIDE {
            ports.send(ends.id, Bytes::new());
        }
        assert!(ports.lock().is_empty());
        for _ in 0..ROOM as usize + BESIDE {
            assert!(ends.frames.recv().await.is_some());
        }
        assert_eq!(ends.frames.recv().await, None);
    }
}
