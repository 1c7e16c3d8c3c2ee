//! How peers are, for people and monitoring.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rutter_book::BookClosed;
use rutter_rib::Tally;
use rutter_route::Prefix;

use super::Speaker;
use crate::board::{Life, Protocol};
use crate::{PeerName, Vni};

/// How a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name.
    pub name: PeerName,
    /// Where it is dialled.
    pub address: SocketAddr,
    /// What it speaks, or spoke last; `None`: it was never there.
    pub protocol: Option<Protocol>,
    /// Whether it is there.
    pub there: bool,
    /// How long it is there, or isn't.
    pub since: Duration,
    /// How long ago it was heard; `None`: never.
    pub heard: Option<Duration>,
    /// Its routes that import takes, over all overlays.
    pub n_accepted: usize,
    /// Its routes that import refuses, over all overlays.
    pub n_refused: usize,
    /// What went wrong last, unless it is there.
    pub error: Option<String>,
}

impl Speaker {
    /// How each peer is, by name.
    ///
    /// # Errors
    /// The book has ended.
    pub async fn statuses(&self) -> Result<Vec<PeerStatus>, BookClosed> {
        let mut tallies = Vec::new();
        for vni in self.config().overlays.keys() {
            tallies.push(self.tally(*vni).await?);
        }
        let lives = self.lives().borrow().clone();
        let talks = self.talks.lock().await;
        let port = self.config().exchange.listen.port();
        let peers: BTreeMap<_, _> = talks.iter().collect();
        Ok(peers
            .into_iter()
            .filter_map(|(name, talking)| {
                let of = |tally: &Tally| tally.of(&name.source());
                let counted = tallies.iter().map(of);
                let (n_accepted, n_refused) =
                    counted.fold((0, 0), |(a, r), n| (a + n.accepted, r + n.refused));
                let at = SocketAddr::new(talking.peer.address, port);
                let address = self.at.get(name).copied().unwrap_or(at);
                let Life { there, since, protocol, heard, error, .. } = lives.get(name)?.clone();
                Some(PeerStatus {
                    name: name.clone(),
                    address,
                    protocol,
                    there,
                    since: since.elapsed(),
                    heard: heard.at().map(|at| at.elapsed()),
                    n_accepted,
                    n_refused,
                    error,
                })
            })
            .collect())
    }

    /// Counts an overlay's routes, in slices, so that the owner of the book hears others between.
    async fn tally(&self, vni: Vni) -> Result<Tally, BookClosed> {
        let mut tally = Tally::default();
        loop {
            let slice = move |book: &rutter_rib::Book, _| {
                let done = match book.table::<Prefix>(&vni.table()) {
                    Some(table) => tally.count(table, rutter_rib::SLICE).is_done(),
                    None => true,
                };
                (tally, done)
            };
            match self.host.book().read(slice).await? {
                (tally, true) => return Ok(tally),
                (unfinished, false) => tally = unfinished,
            }
        }
    }
}
