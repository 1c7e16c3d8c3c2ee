//! What is held for a class, step by step, against a mapper made from nothing.

use proptest::prelude::*;
use rutter_rib::Changes;

use super::super::work::{self, Work};
use super::*;
use crate::map::{Class, Mapper};
use crate::{Nodes, RowId};

const POLICY: &str = r#"{
    "tagOwners": {"tag:way": ["a@"]},
    "acls": [
        {"action": "accept", "src": ["a@"], "dst": ["a@:*", "10.1.0.0/16:*"]},
        {"action": "accept", "src": ["b@"], "dst": ["b@:*", "autogroup:internet:*"]},
        {"action": "accept", "src": ["*"], "dst": ["10.9.0.0/16:*"]},
    ],
    "grants": [{"src": ["b@"], "dst": ["10.1.0.0/16"], "ip": ["*"], "via": ["tag:way"]}],
}"#;

const PREFIXES: [&str; 5] =
    ["10.1.1.0/24", "10.9.1.0/24", "10.9.0.0/16", "100.64.0.0/29", "0.0.0.0/0"];

struct Held {
    table: Table<Prefix>,
    nodes: Nodes,
    policy: PolicyFile,
    now: Now,
    incarnation: u64,
    work: Work,
    readers: BTreeMap<NodeId, Arc<Reader>>,
}

impl Held {
    fn new() -> Self {
        let now = Now::new(0, 1_700_000_000_000);
        let settings = Settings::default();
        let policy = PolicyFile::parse("policy", POLICY).unwrap();
        let rules = settings.policy(&AutoApprovers::default());
        let (name, home) = ("nodes".parse().unwrap(), "home".parse().unwrap());
        let mut table = Table::new(name, home, rules, now, 7).unwrap();
        policy.enforce(now, &mut table, &settings, &PolicyFile::default(), 3).unwrap();
        let nodes = Nodes::new(NodeId(0), RowId(0));
        let work = Work::new(Mapper::new(now.wall, &nodes, &policy.access, &table));
        let readers = BTreeMap::new();
        Self { table, nodes, policy, now, incarnation: 0, work, readers }
    }

    fn any(&self, of: u8) -> Option<NodeId> {
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        (!ids.is_empty()).then(|| ids[usize::from(of) % ids.len()])
    }

    /// A session that begins and says what it has.
    fn serves(&mut self, id: NodeId, which: u8) {
        self.incarnation += 1;
        let (now, table) = (self.now, &mut self.table);
        let incarnation = Incarnation(self.incarnation);
        let Ok(session) = self.nodes.connect(now, table, id, incarnation) else { return };
        let chosen = (0..PREFIXES.len()).filter(|at| which & (1 << at) != 0);
        let prefixes = chosen.map(|at| prefix(PREFIXES[at])).collect();
        self.nodes.announce(now, table, &session, &prefixes).unwrap();
        for prefix in &prefixes {
            self.nodes.approve(now, table, (id, prefix), ("ann", ""), false).unwrap();
        }
        self.readers.insert(id, Arc::new(Reader::new(id)));
    }

    fn step(&mut self, (what, of, which): (u8, u8, u8)) {
        self.now = self.now.plus(Duration::from_secs(1));
        let roster = match (what, self.any(of)) {
            (0, _) | (_, None) => {
                let owner = ["a@", "b@", "c@", "tag:way"][usize::from(of) % 4];
                let mut new = node(self.nodes.next_id().0, "a@");
                new.owner = match owner.strip_prefix("tag:") {
                    Some(_) => Owner::Tags(vec![owner.parse().unwrap()].try_into().unwrap()),
                    None => Owner::User(owner.parse().unwrap()),
                };
                self.nodes.add(new).unwrap();
                true
            }
            (1, Some(id)) => {
                self.nodes.remove(self.now, &mut self.table, id).unwrap();
                self.readers.remove(&id);
                true
            }
            (2, Some(id)) => {
                self.nodes.set_expiry(id, Some(self.now.wall)).unwrap();
                self.nodes.expire(self.now, &mut self.table);
                self.readers.remove(&id);
                true
            }
            (3, Some(id)) => {
                let owner = Owner::User("c@".parse().unwrap());
                self.nodes.set_owner(self.now, &mut self.table, id, owner).unwrap();
                true
            }
            (4, Some(id)) => self
                .nodes
                .rename(id, format!("other-{}", self.incarnation).parse().unwrap())
                .is_ok(),
            (5, Some(id)) => {
                self.readers.remove(&id);
                if let Some(session) = self.table.session_of(&SourceId::node(id.0)) {
                    let _ = self.nodes.disconnect(self.now, &mut self.table, &session, "cut");
                }
                false
            }
            (_, Some(id)) => {
                self.serves(id, which);
                false
            }
        };
        let mut changes = Changes::default();
        loop {
            let progress = self
                .table
                .expire(self.now, 1024)
                .and(self.table.work(self.now, 1024))
                .and(self.table.commit(self.now, 1024, &mut changes));
            if progress.is_done() {
                break;
            }
        }
        let touched: BTreeSet<Prefix> =
            changes.changes.iter().map(|change| change.destination).collect();
        self.bring(touched, roster);
    }

    /// As the distributor does it.
    fn bring(&mut self, touched: BTreeSet<Prefix>, roster: bool) {
        let Self { table, nodes, work, readers, .. } = self;
        let touched: Vec<Prefix> = touched.into_iter().collect();
        let (networks, mut ids) = work.look(work::routers(table, &touched));
        let classes: Vec<_> = work.classes.keys().cloned().collect();
        work.bring(table, &classes, &networks);
        if roster {
            let mapper = Mapper::new(self.now.wall, nodes, &self.policy.access, table);
            let (networks, others) = work.patch(mapper).ok().unwrap();
            work.bring(table, &classes, &networks);
            ids.extend(others);
        }
        // Whose session has just begun or said what it has.
        let is_placed = |(id, reader): &(&NodeId, &Arc<Reader>)| {
            work.places.get(id).is_some_and(|place| Arc::ptr_eq(&place.reader, reader))
        };
        ids.extend(readers.iter().filter(|r| !is_placed(r)).map(|(id, _)| *id));
        let gone = work.places.keys().filter(|id| !readers.contains_key(id));
        gone.copied().collect::<Vec<_>>().into_iter().for_each(|id| work.remove(id));
        let ids: Vec<NodeId> = ids.into_iter().filter(|id| readers.contains_key(id)).collect();
        let mut new = Vec::new();
        for (id, class) in work.classes_of(table, nodes, &ids) {
            new.extend(work.place(readers[&id].clone(), class));
        }
        let networks = work.networks();
        work.bring(table, &new, &networks);
    }

    fn is_what_a_fresh_mapper_says(&self) {
        let Self { table, nodes, .. } = self;
        let fresh = Mapper::new(self.now.wall, nodes, &self.policy.access, table);
        let networks = fresh.networks(table);
        for id in self.readers.keys() {
            let wanted = fresh.class_of(nodes, table, *id);
            let class = self.work.places[id].class.clone();
            let rest = |class: &Option<Class>| class.as_ref().map(Class::without_own);
            assert_eq!(rest(&class), rest(&wanted), "{id:?}");
            let (Some(class), Some(wanted)) = (class, wanted) else { continue };
            // A standby that leaves without having been used is seen by nobody, and a prefix that
            // one has alone by now is one of which it is told nothing that isn't so.
            let alone = |own: &&Prefix| table.candidates(own).len() <= 1;
            assert!(class.own().filter(|own| !alone(own)).eq(wanted.own()), "{id:?}");
            let held = &self.work.classes[&class];
            assert_eq!(held.map, fresh.map(table, &class, &networks), "{id:?}");
            assert!(held.readers.contains_key(id));
        }
        let n_held: usize = self.work.classes.values().map(|held| held.readers.len()).sum();
        let n_placed = self.work.places.values().filter(|p| p.class.is_some()).count();
        assert_eq!(n_held, n_placed);
        assert!(self.work.classes.values().all(|held| !held.readers.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_held_step_by_step_is_what_a_mapper_made_from_nothing_says(
        steps in prop::collection::vec((0_u8..12, any::<u8>(), any::<u8>()), 1..40),
    ) {
        let mut held = Held::new();
        for step in steps {
            held.step(step);
            held.is_what_a_fresh_mapper_says();
        }
    }
}
