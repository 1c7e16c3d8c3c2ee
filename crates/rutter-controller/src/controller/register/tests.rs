use std::time::Duration;

use rutter_registry::{Leases, Page};
use rutter_route::{Now, Standing, Verdict};

use super::*;
use crate::Error;
use crate::tests::{START, World, claim, registration};

const LEASE: Duration = Duration::from_secs(600);

async fn stored(world: &World, now: Now) -> Vec<StoredLease> {
    world.registry.leases(now.wall, Page::first(100)).await.unwrap()
}

#[tokio::test]
async fn a_registration_replaces_its_sources_set_and_no_other() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let register = |source, endpoints: &'static [&str]| {
        world.controller.register(START, registration(&alice, source, endpoints))
    };
    let registered = register("agent", &["https://192.0.2.1:443"]).await.unwrap();
    assert_eq!(registered.lease, LEASE);
    assert_eq!(registered.routes[0].destination.to_string(), "alice.localhost");
    assert_eq!(registered.routes[0].verdict, Verdict::Stands(Standing::Eligible));
    register("tunnel", &["http://10.77.0.5:80"]).await.unwrap();
    register("agent", &["https://192.0.2.2:443", "https://192.0.2.3:443"]).await.unwrap();
    assert_eq!(
        world.told.says("agent/uid-1"),
        ["alice.localhost https://192.0.2.2:443", "alice.localhost https://192.0.2.3:443"]
    );
    assert_eq!(world.told.says("tunnel/uid-1"), ["alice.localhost http://10.77.0.5:80"]);
    // An empty set says that there is nothing.
    register("agent", &[]).await.unwrap();
    assert_eq!(world.told.sources(), ["tunnel/uid-1"]);
    assert_eq!(stored(&world, START).await.len(), 1);
}

#[tokio::test]
async fn a_source_is_bound_to_its_users_name_and_lease() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let mut what = registration(&alice, "backup", &[]);
    what.claims = vec![claim(Some("web"), "http://192.0.2.1:80")];
    world.controller.register(START, what).await.unwrap();
    let set = world.told.set("provider/backup:uid-1").unwrap();
    assert_eq!(set.routes[0].destination.to_string(), "web.alice.localhost");
    assert_eq!(set.info.lease, Some(LEASE));
    assert_eq!(set.info.owner.unwrap().as_str(), "uid-1");
    let services = set.info.credential.unwrap().services.unwrap();
    assert_eq!(services, ["alice.localhost".parse().unwrap()]);
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let good = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, good.clone()).await.unwrap();
    let before = stored(&world, START).await;
    let refused = |what| world.controller.register(START, what);

    let loopback = registration(&alice, "agent", &["https://192.0.2.9:443", "http://127.0.0.1:80"]);
    let error = refused(loopback.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Address { index: 1, .. }), "{error}");
    let many = registration(&alice, "agent", &["https://192.0.2.1:443"; 17]);
    let error = refused(many).await.unwrap_err();
    assert!(matches!(error, Error::TooManyRoutes { given: 17, most: 16 }), "{error}");
    let stranger = registration(&"nobody".parse().unwrap(), "agent", &["https://192.0.2.1:443"]);
    assert!(matches!(refused(stranger).await.unwrap_err(), Error::UnknownUser));
    let mut long = good;
    long.claims = vec![claim(Some(&["l".repeat(60).as_str(); 4].join(".")), "http://192.0.2.1:80")];
    assert!(matches!(refused(long).await.unwrap_err(), Error::Parse(_)));

    assert_eq!(stored(&world, START).await, before);
    assert_eq!(world.told.says("agent/uid-1"), ["alice.localhost https://192.0.2.1:443"]);
    // Who is on this machine may register loopback.
    let local = Registration { registrant: Registrant::Local, ..loopback };
    assert_eq!(refused(local).await.unwrap().routes.len(), 2);
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_sources() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    for i in 0..rutter_registry::MAX_SOURCES_OF_USER {
        let what = registration(&alice, &format!("s{i}"), &["http://192.0.2.1:80"]);
        world.controller.register(START, what).await.unwrap();
    }
    let what = registration(&alice, "more", &["http://192.0.2.1:80"]);
    let error = world.controller.register(START, what).await.unwrap_err();
    assert!(matches!(error, Error::Bound(_)), "{error}");
    assert_eq!(world.told.sources().len(), rutter_registry::MAX_SOURCES_OF_USER);
}

#[tokio::test]
async fn a_restart_brings_back_what_remains_of_each_lease_under_its_session() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let register = |now, source, endpoints: &'static [&str]| {
        let what = registration(&alice, source, endpoints);
        let controller = world.controller.clone();
        async move { controller.register(now, what).await.unwrap() }
    };
    register(START, "tunnel", &["http://10.77.0.5:80"]).await;
    let later = START.plus(Duration::from_secs(400));
    register(later, "agent", &["https://192.0.2.1:443"]).await;
    let session = world.told.set("agent/uid-1").unwrap().incarnation;
    // In the new process the clock that never jumps begins anew, 250 s later.
    let again = Now { mono: rutter_route::Mono(5), ..later.plus(Duration::from_secs(250)) };
    let world = world.restart(again).await;
    assert!(world.controller.is_ready());
    assert_eq!(world.told.sources(), ["agent/uid-1"], "the tunnel's lease has ended");
    let set = world.told.set("agent/uid-1").unwrap();
    assert_eq!(set.incarnation, session);
    assert_eq!(set.info.lease, Some(Duration::from_secs(350)));
    let resolved = world.controller.resolve(again, "alice").await.unwrap().unwrap();
    assert_eq!(resolved.least_left(), Some(Duration::from_secs(350)));
    // The lease goes on under the same session when it is renewed.
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(again, what).await.unwrap();
    let set = world.told.set("agent/uid-1").unwrap();
    assert_eq!((set.incarnation, set.info.lease), (session, Some(LEASE)));
}

#[tokio::test]
async fn an_ended_lease_is_swept_and_the_next_registration_is_a_new_session() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what.clone()).await.unwrap();
    let first = world.told.set("agent/uid-1").unwrap().incarnation;
    let almost = START.plus(LEASE - Duration::from_millis(1));
    assert_eq!(world.controller.sweep(almost).await.unwrap(), 0);
    let after = START.plus(LEASE);
    let resolved = world.controller.resolve(after, "alice").await.unwrap().unwrap();
    assert!(resolved.leases.is_empty(), "ended before anything sweeps");
    assert_eq!(world.controller.sweep(after).await.unwrap(), 1);
    assert_eq!(world.told.sources(), Vec::<String>::new());
    world.controller.register(after, what).await.unwrap();
    assert!(world.told.set("agent/uid-1").unwrap().incarnation > first);
}

#[tokio::test]
async fn a_withdrawal_takes_one_source_or_all() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    for source in ["agent", "tunnel", "backup"] {
        let what = registration(&alice, source, &["http://192.0.2.1:80", "http://192.0.2.2:80"]);
        world.controller.register(START, what).await.unwrap();
    }
    let withdraw = |source: Option<&str>| {
        let source = source.map(|s| s.parse().unwrap());
        world.controller.withdraw(alice.clone(), source)
    };
    assert_eq!(withdraw(Some("tunnel")).await.unwrap(), 2);
    assert_eq!(withdraw(Some("tunnel")).await.unwrap(), 0);
    assert_eq!(world.told.sources(), ["agent/uid-1", "provider/backup:uid-1"]);
    assert_eq!(withdraw(None).await.unwrap(), 4);
    assert_eq!(world.told.sources(), Vec::<String>::new());
    assert_eq!(stored(&world, START).await, []);
    let nobody = world.controller.withdraw("nobody".parse().unwrap(), None).await;
    assert!(matches!(nobody, Err(Error::UnknownUser)));
}

#[tokio::test]
async fn the_registry_has_it_before_the_table_hears_of_it() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    world.told.close();
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    let result = world.controller.register(START, what).await;
    assert!(matches!(result, Err(Error::Closed)));
    let world = world.restart(START).await;
    assert_eq!(world.told.says("agent/uid-1"), ["alice.localhost https://192.0.2.1:443"]);
}

#[tokio::test]
async fn a_database_that_is_gone_refuses_writes_and_leaves_reads_as_they_are() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what).await.unwrap();
    rutter_registry::Registry::close(&*world.registry).await.unwrap();
    let what = registration(&alice, "agent", &["https://192.0.2.2:443"]);
    let error = world.controller.register(START, what).await.unwrap_err();
    assert!(matches!(error, Error::Registry(_)), "{error}");
    assert_eq!(world.told.says("agent/uid-1"), ["alice.localhost https://192.0.2.1:443"]);
    let resolved = world.controller.resolve(START, "alice").await.unwrap().unwrap();
    assert_eq!(resolved.leases[0].claims[0].endpoint.to_string(), "https://192.0.2.1:443");
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_leaves_registry_and_table_alike() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    {
        let mut asked = std::pin::pin!(world.controller.register(START, what));
        // Polled once, so that the work has begun, and dropped.
        let polled = futures_poll_once(asked.as_mut()).await;
        assert!(polled.is_none(), "it waits for the registry's commit");
    }
    // The work holds the user's lock until all of it is done, and this waits for the lock.
    let next = registration(&alice, "tunnel", &["http://10.77.0.5:80"]);
    tokio::task::yield_now().await;
    world.controller.register(START, next).await.unwrap();
    assert_eq!(world.told.sources(), ["agent/uid-1", "tunnel/uid-1"]);
    assert_eq!(stored(&world, START).await.len(), 2);
}

async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn of_many_registrations_at_once_table_and_registry_keep_the_same() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    let mut all = tokio::task::JoinSet::new();
    for i in 1..=50 {
        let endpoint = format!("https://192.0.2.{i}:443");
        let what = registration(&alice, "agent", &[&endpoint]);
        let controller = world.controller.clone();
        all.spawn(async move { controller.register(START, what).await.unwrap() });
    }
    all.join_all().await;
    let told = world.told.says("agent/uid-1");
    let world = world.restart(START).await;
    assert_eq!(world.told.says("agent/uid-1"), told);
}

#[tokio::test]
async fn what_the_table_bars_does_not_resolve() {
    let world = World::new().await;
    let alice = world.user("uid-1", "alice").await;
    world.told.bar("https://192.0.2.1:443");
    let what = registration(&alice, "agent", &["https://192.0.2.1:443"]);
    world.controller.register(START, what).await.unwrap();
    let mut what = registration(&alice, "tunnel", &["http://10.77.0.5:80"]);
    what.claims.push(claim(Some("web"), "http://10.77.0.5:81"));
    world.controller.register(START, what).await.unwrap();
    let resolved = world.controller.resolve(START, "alice").await.unwrap().unwrap();
    let sources: Vec<_> = resolved.leases.iter().map(|l| l.source.as_str()).collect();
    assert_eq!(sources, ["tunnel"]);
    assert_eq!(resolved.leases[0].claims.len(), 1, "a service below the name isn't the name");
    assert!(world.controller.resolve(START, "bob").await.unwrap().is_none());
    assert!(world.controller.resolve(START, "www").await.unwrap().is_none());
}
