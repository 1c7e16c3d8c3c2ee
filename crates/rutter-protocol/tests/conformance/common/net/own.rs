//! What clusters originate, and take back.

use rutter_protocol::Input;
use rutter_rib::{Kind, Table};
use rutter_route::{
    Advertisement, Attributes, ClusterId, Incarnation, PathId, Session, SourceId, SourceInfo,
    SourceKind, SourceState,
};

use super::{BOOT, Net, at};

impl Net {
    /// Cluster `by` originates a destination, or does so with other tags.
    pub(crate) fn originate<D: Kind>(&mut self, by: &str, table: &str, to: &str, tags: &[&str]) {
        let mut is = Attributes::via("http://127.0.0.1:80".parse().unwrap());
        tags.iter().for_each(|tag| is.tags.insert(tag.parse().unwrap()).unwrap());
        let (now, session) = (at(self.now), agent());
        let table = self.table_mut::<D>(by, table);
        if !table.speaks(&session.source) {
            table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        }
        table.advertise(now, &session, Advertisement::new(to.parse().unwrap(), is));
        self.input(by, Input::Tick);
    }

    pub(crate) fn take_back<D: Kind>(&mut self, by: &str, table: &str, to: &str) {
        self.withdraw::<D>(by, table, to, &agent());
    }

    /// A cluster takes back its own claim on itself.
    pub(crate) fn take_itself_back(&mut self, by: &str) {
        let source = SourceId::new(SourceKind::Controller, by).unwrap();
        let session = Session { source, incarnation: Incarnation(BOOT) };
        self.withdraw::<ClusterId>(by, "fabric", by, &session);
    }

    fn withdraw<D: Kind>(&mut self, by: &str, table: &str, to: &str, session: &Session) {
        let now = at(self.now);
        let table = self.table_mut::<D>(by, table);
        assert!(table.withdraw(now, session, &to.parse().unwrap(), &PathId::default()));
        self.input(by, Input::Tick);
    }

    fn table_mut<D: Kind>(&mut self, at: &str, table: &str) -> &mut Table<D> {
        let book = &mut self.nodes.get_mut(at).unwrap().engine.book;
        book.table_mut::<D>(&table.parse().unwrap()).unwrap()
    }
}

/// In whose name a cluster's own routes are said.
fn agent() -> Session {
    Session { source: "agent/alice".parse().unwrap(), incarnation: Incarnation(1) }
}
