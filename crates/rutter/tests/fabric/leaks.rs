//! What policy keeps from a neighbour.

use crate::cluster::{Cluster, HOST, Says};
use crate::load::{ask, serve};
use crate::scene::Scene;

/// A second service of A, which C must not hear of.
const SECRET: &str = "secret.a.test";

const ROUTES: &str =
    "secret.a.test: {host: 172.16.10.2, port: 8000, healthcheck: {disable: true}}\n";

/// A tells C of no service.
const NOTHING_TO_C: &str =
    "{import: {}, export: {}, neighbours: {c: {export: {services: [nobody.a.test]}}}}";

#[test]
fn what_policy_keeps_from_a_neighbour_never_leaks_and_a_reload_counts_at_once() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let services = Some(NOTHING_TO_C.to_owned());
    let says = Says { services, routes: ROUTES.into(), ..Says::default() };
    let mut a = Cluster::saying(&scene, "a", says);
    // B doesn't tell D of what is secret.
    let only_web = format!("{{import: {{}}, export: {{services: [{HOST}]}}}}");
    let of_b = Says { services: Some(only_web), ..Says::default() };
    let mut b = Cluster::saying(&scene, "b", of_b);
    let c = Cluster::start(&scene, "c");
    let d = Cluster::start(&scene, "d");
    d.has_ways(&["b", "c"]);
    let at = |cluster: &Cluster<'_>, host: &str| {
        ask(&cluster.place.inside, cluster.gateway(), host, "").0
    };
    crate::until("D serves what it may", || at(&d, HOST), |status| *status == 200);
    crate::until("B serves the other too", || at(&b, SECRET), |status| *status == 200);
    assert_eq!((at(&d, SECRET), at(&c, SECRET)), (404, 404));
    let shown = |cluster: &Cluster<'_>| cluster.text(&["routes", "list", "--table", "services"]);
    assert!(!shown(&d).contains(SECRET) && !shown(&c).contains(SECRET));
    // By way of D, C has heard of what it may.
    crate::until("C serves what D tells", || at(&c, HOST), |status| *status == 200);

    // B tells more, then less.
    b.reloads(|says| says.services = None);
    crate::until("D serves the other", || at(&d, SECRET), |status| *status == 200);
    b.reloads(|says| says.services = Some("{import: {}}".into()));
    crate::until("D serves nothing of it", || at(&d, SECRET), |status| *status != 200);
    crate::until("nor the first", || at(&d, HOST), |status| *status != 200);
    a.reloads(|says| says.services = None);
    crate::until("D serves it by way of C", || at(&d, HOST), |status| *status == 200);
}
