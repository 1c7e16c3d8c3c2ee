//! A small table of services, for scenes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and it is test code outside of tests"
)]

use rutter_rib::*;
use rutter_route::*;

pub fn now(ms: u64) -> Now {
    Now::new(ms, 1_700_000_000_000 + ms)
}

pub fn service(name: &str) -> Service {
    Service::http(name.parse().unwrap())
}

pub fn table(policy: Policy) -> Table<Service> {
    Table::new("services".parse().unwrap(), "home".parse().unwrap(), policy, now(0), 7).unwrap()
}

pub fn up(t: &mut Table<Service>, source: &str, owner: Option<&str>) -> Session {
    let s = Session { source: source.parse().unwrap(), incarnation: Incarnation(1) };
    let owner = owner.map(|o| o.parse().unwrap());
    t.source(now(0), &s, SourceState::Up(SourceInfo { owner, ..SourceInfo::default() })).unwrap();
    s
}

pub fn route(name: &str, path: &str, priority: i32) -> Advertisement<Service> {
    let mut attributes = Attributes::via("http://10.0.0.1:80".parse().unwrap());
    attributes.priority = Priority::whole(priority);
    let path = path.parse().unwrap();
    Advertisement { path, ..Advertisement::new(service(name), attributes) }
}

pub fn settle(t: &mut Table<Service>, at: Now) -> Changes<Service> {
    let mut changes = Changes::default();
    loop {
        let progress = t.expire(at, 64).and(t.work(at, 64)).and(t.commit(at, 64, &mut changes));
        if progress.is_done() {
            return changes;
        }
    }
}

pub fn best(t: &Table<Service>, name: &str) -> Option<String> {
    t.selected(&service(name), ViewId::DEFAULT).best().map(|r| r.source.to_string())
}

pub fn standing(t: &Table<Service>, name: &str) -> Option<Standing> {
    t.candidates(&service(name)).first().map(|r| r.standing)
}
