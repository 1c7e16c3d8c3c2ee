//! Batches become what the table and the index should hold.

use rutter_route::{SourceId, SourceKind};

use super::to_index::label;

#[test]
fn labels_are_the_words_of_mesh_router() {
    let cases = [
        (SourceKind::Agent, "u1", "agent"),
        (SourceKind::Tunnel, "u1", "tunnel"),
        (SourceKind::Provider, "vpn-eu:u1", "vpn-eu"),
        (SourceKind::Provider, "files", "provider"),
    ];
    for (kind, name, want) in cases {
        assert_eq!(label(&SourceId::new(kind, name).unwrap()), want);
    }
}

mod relay {
    //! Two tables and two outlets, as in the running gateway, without its tasks.

    use std::collections::{BTreeMap, HashSet};
    use std::time::Duration;

    use rutter_rib::{Batch, Changes, Outlet, OutletSpec, Policy, Table};
    use rutter_route::{
        Advertisement, Attributes, Health, Incarnation, Now, Observer, PathId, Priority, Service,
        Session, SourceInfo, SourceState, Standing,
    };

    use crate::feed::RouteSpec;
    use rutter_link::relay::{self, take};

    use crate::table::to_index::{ToIndex, Unreachable};

    const NOW: Now = Now { mono: rutter_route::Mono(1000), wall: rutter_route::Wall(1000) };

    struct End {
        table: Table<Service>,
        outlet: Outlet<Service>,
    }

    impl End {
        fn new(name: &str, unreachable: bool) -> Self {
            let cluster = "c".parse().unwrap();
            let policy = Policy::default();
            let table = Table::new(name.parse().unwrap(), cluster, policy, NOW, 1).unwrap();
            let spec = OutletSpec { unreachable, ..OutletSpec::all("next") };
            Self { table, outlet: Outlet::new(spec, 1) }
        }

        fn commit(&mut self) {
            let mut changes = Changes::default();
            while !self.table.work(NOW, 1000).is_done() {}
            while !self.table.commit(NOW, 1000, &mut changes).is_done() {}
            self.outlet.note(&self.table, &changes);
        }

        fn batch(&mut self) -> Batch<Service> {
            self.commit();
            self.outlet.next(NOW, &self.table, 10_000)
        }
    }

    /// Controller, gateway, and what the index would hold.
    struct Chain {
        controller: End,
        gateway: End,
        session: Session,
        unreachable: Unreachable,
        to_index: ToIndex,
        index: BTreeMap<Service, Vec<RouteSpec>>,
    }

    fn session(source: &str) -> Session {
        Session { source: source.parse().unwrap(), incarnation: Incarnation(1) }
    }

    impl Chain {
        fn new() -> Self {
            let mut chain = Self {
                controller: End::new("services", true),
                gateway: End::new("gateway/services", false),
                session: session("controller/main"),
                unreachable: Unreachable::default(),
                to_index: ToIndex::default(),
                index: BTreeMap::new(),
            };
            let up = SourceState::Up(SourceInfo::default());
            chain.gateway.table.source(NOW, &chain.session.clone(), up.clone()).unwrap();
            for source in ["agent/alice", "tunnel/alice", "provider/file:routes.yml"] {
                chain.controller.table.source(NOW, &session(source), up.clone()).unwrap();
            }
            chain
        }

        fn advertise(&mut self, source: &str, service: &str, hop: &str, priority: i32) {
            let mut attributes = Attributes::via(hop.parse().unwrap());
            attributes.priority = Priority::whole(priority);
            let mut route = Advertisement::new(service.parse().unwrap(), attributes);
            route.path = hop.parse().unwrap();
            self.controller.table.advertise(NOW, &session(source), route);
        }

        /// Carries everything through.
        fn run(&mut self) -> &BTreeMap<Service, Vec<RouteSpec>> {
            let batch = self.controller.batch();
            assert_eq!(take(NOW, &mut self.gateway.table, &self.session, &batch), []);
            let mut updates = self.unreachable.take(&batch);
            let held = || self.index.keys().cloned().collect::<HashSet<_>>();
            let own = self.gateway.batch();
            updates.extend(self.to_index.take(own, &self.unreachable, held));
            for (service, routes) in updates {
                match routes {
                    Some(routes) => self.index.insert(service, routes),
                    None => self.index.remove(&service),
                };
            }
            &self.index
        }

        fn shown(&mut self) -> Vec<String> {
            let index = self.run();
            let hops = |r: &Vec<RouteSpec>| {
                r.iter()
                    .map(|s| match &s.hop {
                        crate::routes::Hop::Endpoint(e) => format!("{} {e}", s.label),
                        other => format!("{} {other:?}", s.label),
                    })
                    .collect::<Vec<_>>()
            };
            index.iter().map(|(s, r)| format!("{s}: {}", hops(r).join(", "))).collect()
        }
    }

    const DIRECT: &str = "https://203.0.113.5:443";
    const TUNNEL: &str = "http://10.77.0.5:80";

    #[test]
    fn routes_come_change_rank_and_go_as_the_controller_says() {
        let mut chain = Chain::new();
        chain.advertise("tunnel/alice", "alice.nsl.sh", TUNNEL, 2);
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: tunnel {TUNNEL}")]);
        chain.advertise("agent/alice", "alice.nsl.sh", DIRECT, 1);
        let both = [format!("alice.nsl.sh: agent {DIRECT}, tunnel {TUNNEL}")];
        assert_eq!(chain.shown(), both);
        assert_eq!(chain.shown(), both, "nothing new changes nothing");
        chain.advertise("agent/alice", "alice.nsl.sh", DIRECT, 3);
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: tunnel {TUNNEL}, agent {DIRECT}")]);
        let path: PathId = TUNNEL.parse().unwrap();
        let alice: Service = "alice.nsl.sh".parse().unwrap();
        chain.controller.table.withdraw(NOW, &session("tunnel/alice"), &alice, &path);
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: agent {DIRECT}")]);
        let gone = SourceState::Gone;
        chain.controller.table.source(NOW, &session("agent/alice"), gone).unwrap();
        assert_eq!(chain.shown(), [""; 0]);
    }

    #[test]
    fn a_service_whose_routes_are_all_barred_is_known_but_has_none() {
        let mut chain = Chain::new();
        chain.advertise("agent/alice", "alice.nsl.sh", DIRECT, 1);
        chain.run();
        let away = SourceState::Offline { why: "gone quiet".into() };
        let agent = session("agent/alice");
        chain.controller.table.source(NOW, &agent, away).unwrap();
        assert_eq!(chain.shown(), ["alice.nsl.sh: "]);
        let up = SourceState::Up(SourceInfo::default());
        chain.controller.table.source(NOW, &agent, up).unwrap();
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: agent {DIRECT}")]);
        chain.controller.table.source(NOW, &agent, SourceState::Gone).unwrap();
        assert_eq!(chain.shown(), [""; 0]);
    }

    #[test]
    fn an_impaired_standing_is_carried_and_ranks_at_both_ends() {
        let mut chain = Chain::new();
        chain.advertise("agent/alice", "alice.nsl.sh", DIRECT, 1);
        chain.advertise("tunnel/alice", "alice.nsl.sh", TUNNEL, 2);
        let draining = SourceState::Draining;
        chain.controller.table.source(NOW, &session("agent/alice"), draining).unwrap();
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: tunnel {TUNNEL}, agent {DIRECT}")]);
        let last = &chain.index.values().next().unwrap()[1];
        assert_eq!(last.standing, Standing::Draining);
    }

    #[test]
    fn a_verdict_in_the_gateways_table_ranks_there_and_the_controllers_is_only_shown() {
        let mut chain = Chain::new();
        chain.advertise("agent/alice", "alice.nsl.sh", DIRECT, 1);
        chain.advertise("tunnel/alice", "alice.nsl.sh", TUNNEL, 2);
        let best = chain.run().values().next().unwrap()[0].clone();
        let alice: Service = "alice.nsl.sh".parse().unwrap();
        let path = relay::path_of(&best.key).unwrap();
        let bad = Health::Unhealthy {
            why: "HEAD / answered 503".into(),
            until: Some(NOW.deadline(Duration::from_secs(60))),
        };
        let by = |acts| Observer { name: "gateway/edge".into(), acts };
        let at = Some((&alice, &path));
        assert!(chain.gateway.table.health(NOW, &by(true), &chain.session.source, at, bad.clone()));
        let at = Some((&alice, &best.key.path));
        assert!(chain.controller.table.health(NOW, &by(false), &best.key.source, at, bad));
        assert_eq!(chain.shown(), [format!("alice.nsl.sh: tunnel {TUNNEL}, agent {DIRECT}")]);
        let selected = chain.controller.table.selected(&alice, rutter_rib::ViewId::DEFAULT);
        assert_eq!(selected.best().unwrap().key(), best.key, "another's verdict doesn't move it");
    }

    #[test]
    fn after_a_cut_the_snapshot_takes_back_what_went_meanwhile() {
        let mut chain = Chain::new();
        for n in 0..50 {
            chain.advertise("agent/alice", &format!("s{n}.nsl.sh"), DIRECT, 1);
        }
        chain.advertise("tunnel/alice", "s1.nsl.sh", TUNNEL, 2);
        assert_eq!(chain.run().len(), 50);
        // The controller goes on without the gateway, which then hears a snapshot.
        let path: PathId = DIRECT.parse().unwrap();
        for n in 0..25 {
            let service: Service = format!("s{n}.nsl.sh").parse().unwrap();
            chain.controller.table.withdraw(NOW, &session("agent/alice"), &service, &path);
        }
        chain.advertise("agent/alice", "new.nsl.sh", DIRECT, 1);
        chain.controller.commit();
        chain.controller.outlet.resume(None);
        let shown = chain.shown();
        assert_eq!(shown.len(), 27);
        assert!(shown.contains(&format!("s1.nsl.sh: tunnel {TUNNEL}")));
        // And the gateway's own outlet may begin anew too.
        chain.gateway.outlet.resume(None);
        chain.index.insert("ghost.nsl.sh".parse().unwrap(), Vec::new());
        assert_eq!(chain.shown(), shown);
    }

    #[test]
    fn a_service_has_the_routes_that_its_listener_can_be_passed_on_by() {
        let mut chain = Chain::new();
        let tcp = "tcp://10.0.0.1:22";
        chain.advertise("agent/alice", "tcp:alice.nsl.sh", tcp, 1);
        chain.advertise("tunnel/alice", "tcp:alice.nsl.sh", TUNNEL, 2);
        chain.advertise("agent/alice", "bob.nsl.sh", "cluster:eu", 1);
        chain.advertise("tunnel/alice", "bob.nsl.sh", TUNNEL, 2);
        chain.advertise("agent/alice", "eve.nsl.sh", "cluster:eu", 1);
        chain.advertise("agent/alice", "bob.nsl.sh/api", "discard", 1);
        chain.advertise("provider/file:routes.yml", "*.nsl.sh", "files:/srv", 1);
        // Who isn't of this machine has nothing to say of its files.
        chain.advertise("agent/alice", "mine.nsl.sh", "files:/etc", 1);
        chain.advertise("tunnel/alice", "*.nsl.sh", tcp, 1);
        // No gateway passes a stream on to another cluster.
        chain.advertise("agent/bob", "tcp:alice.nsl.sh", "cluster:eu", 1);
        let (folder, eu) = ("Files(Folder(\"/srv\"))", "Cluster(ClusterId(\"eu\"))");
        let mut shown = chain.shown();
        shown.sort();
        assert_eq!(
            shown,
            [
                format!("*.nsl.sh: file {folder}"),
                "bob.nsl.sh/api: agent Hole".into(),
                format!("bob.nsl.sh: agent {eu}, tunnel {TUNNEL}"),
                format!("eve.nsl.sh: agent {eu}"),
                "mine.nsl.sh: ".into(),
                format!("tcp:alice.nsl.sh: agent {tcp}"),
            ]
        );
    }
}
