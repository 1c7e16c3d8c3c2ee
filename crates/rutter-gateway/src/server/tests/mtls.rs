//! Certificates that clients must show, over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rutter_route::Delivery;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::with_tls;
use crate::config::GatewayConfig;
use crate::feed::RouteSpec;
use crate::mtls::MtlsProfile;
use crate::testing::{
    Authority, Identity, Origin, RawClient, TestGateway, config, free, get, route,
};

const ALL: [&str; 3] = ["open.nsl.sh", "staff.nsl.sh", "more.nsl.sh"];

/// The gateway's own authority, and those of its clients.
struct Scene {
    own: Authority,
    staff: Authority,
    guests: Authority,
    directory: tempfile::TempDir,
    origin: Origin,
}

impl Scene {
    async fn new() -> Self {
        let [own, staff, guests] = ["gateway", "staff", "guests"].map(Authority::new);
        let directory = tempfile::tempdir().unwrap();
        Self { own, staff, guests, directory, origin: Origin::named("direct").await }
    }

    fn config(&self) -> GatewayConfig {
        let mut config = with_tls(self.own.sign(&ALL).write(self.directory.path()));
        for (name, authority) in [("staff", &self.staff), ("guests", &self.guests)] {
            let file = self.directory.path().join(name);
            std::fs::write(&file, &authority.certificate_pem).unwrap();
            let profile = MtlsProfile { ca_files: vec![file], system_roots: false };
            config.inbound_mtls.insert(name.into(), profile);
        }
        config
    }

    /// A route that asks for a profile.
    fn asking(&self, profile: &str) -> RouteSpec {
        let mut route = self.plain();
        let inbound_mtls_profile = (!profile.is_empty()).then(|| profile.into());
        route.delivery = Arc::new(Delivery { inbound_mtls_profile, ..Delivery::default() });
        route
    }

    fn plain(&self) -> RouteSpec {
        route("agent/a", self.origin.address)
    }

    /// A connection to that name that shows this; an error: no handshake, or it ended then.
    async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
        shows: Option<Identity>,
    ) -> std::io::Result<RawClient<TlsStream<TcpStream>>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.own.certificate.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(crate::server::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows.map(Identity::into_parts) {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TcpStream::connect(address).await?;
        Ok(RawClient::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    /// What a request for a host gets over a connection to a name; `None`: none was answered.
    async fn ask(
        &self,
        gateway: &TestGateway,
        asked: (&str, &str),
        shows: Option<Identity>,
    ) -> Option<u16> {
        self.ask_at(gateway.server.addresses()[1], asked, shows).await
    }

    async fn ask_at(
        &self,
        address: SocketAddr,
        (name, host): (&str, &str),
        shows: Option<Identity>,
    ) -> Option<u16> {
        let mut client = self.connect(address, name, shows).await.ok()?;
        let request = get("/").replace("alice.nsl.sh", host);
        // In TLS 1.3 a client hears only then that its certificate isn't good.
        client.try_send(&request).await.ok()?;
        client.answer().await.map(|answer| answer.status())
    }
}

#[tokio::test]
async fn a_listeners_profile_is_asked_of_everybody() {
    let scene = Scene::new().await;
    let mut config = scene.config();
    config.listeners[1].inbound_mtls_profile = Some("staff".into());
    let mut gateway = TestGateway::start(config).await;
    gateway.set("open.nsl.sh", vec![scene.plain()]).await;
    gateway.set("staff.nsl.sh", vec![scene.asking("staff")]).await;
    gateway.set("more.nsl.sh", vec![scene.asking("guests")]).await;
    let (staff, guest) =
        (|| Some(scene.staff.sign(&["bob"])), || Some(scene.guests.sign(&["eve"])));
    let open = ("open.nsl.sh", "open.nsl.sh");
    assert_eq!(scene.ask(&gateway, open, None).await, None);
    assert_eq!(scene.ask(&gateway, open, guest()).await, None);
    assert_eq!(scene.ask(&gateway, open, staff()).await, Some(200));
    // It is shown to all services that ask for the same, or for nothing, and to no other.
    assert_eq!(scene.ask(&gateway, ("open.nsl.sh", "staff.nsl.sh"), staff()).await, Some(200));
    assert_eq!(scene.ask(&gateway, ("more.nsl.sh", "more.nsl.sh"), staff()).await, Some(421));
}

#[tokio::test]
async fn a_routes_profile_is_asked_by_its_name_and_counts_for_no_other() {
    let scene = Scene::new().await;
    let mut gateway = TestGateway::start(scene.config()).await;
    gateway.set("open.nsl.sh", vec![scene.plain()]).await;
    for name in ["staff.nsl.sh", "more.nsl.sh"] {
        gateway.set(name, vec![scene.asking("staff")]).await;
    }
    let (staff, guest) =
        (|| Some(scene.staff.sign(&["bob"])), || Some(scene.guests.sign(&["eve"])));
    let own = ("staff.nsl.sh", "staff.nsl.sh");
    assert_eq!(scene.ask(&gateway, own, staff()).await, Some(200));
    assert_eq!(scene.ask(&gateway, own, None).await, None);
    assert_eq!(scene.ask(&gateway, own, guest()).await, None);
    assert_eq!(scene.ask(&gateway, ("open.nsl.sh", "open.nsl.sh"), None).await, Some(200));
    // By another name, whichever of the two asks.
    let others = [("open.nsl.sh", own.1), ("more.nsl.sh", own.1), (own.0, "open.nsl.sh")];
    for asked in others {
        assert_eq!(scene.ask(&gateway, asked, staff()).await, Some(421), "{asked:?}");
    }
    let plain = gateway.ask(&get("/").replace("alice", "staff")).await;
    assert_eq!(plain.status(), 403);
    assert!(plain.text().contains("CERTIFICATE_REQUIRED"));
    assert_eq!(scene.origin.seen().len(), 2, "nothing else was passed on");
}

#[tokio::test]
async fn who_shows_nothing_is_not_let_in_by_a_session_that_began_elsewhere() {
    let scene = Scene::new().await;
    let mut gateway = TestGateway::start(scene.config()).await;
    gateway.set("open.nsl.sh", vec![scene.plain()]).await;
    gateway.set("staff.nsl.sh", vec![scene.asking("")]).await;
    let connector = scene.own.connector();
    let ask = async |gateway: &TestGateway| {
        let stream = TcpStream::connect(gateway.server.addresses()[1]).await.ok()?;
        let name = ServerName::try_from("staff.nsl.sh").unwrap();
        let mut client = RawClient::new(connector.connect(name, stream).await.ok()?);
        client.try_send(get("/").replace("alice", "staff")).await.ok()?;
        client.answer().await.map(|answer| answer.status())
    };
    assert_eq!(ask(&gateway).await, Some(200));
    // From now on it asks, and the client has a ticket from before.
    gateway.set("staff.nsl.sh", vec![scene.asking("staff")]).await;
    assert_eq!(ask(&gateway).await, None);
}

#[tokio::test]
async fn a_profile_that_is_not_there_or_not_agreed_on_serves_nobody() {
    let scene = Scene::new().await;
    let mut gateway = TestGateway::start(scene.config()).await;
    let staff = || Some(scene.staff.sign(&["bob"]));
    let own = ("staff.nsl.sh", "staff.nsl.sh");
    let other = |profile| {
        let mut route = scene.asking(profile);
        route.key.source = "agent/b".parse().unwrap();
        route
    };
    gateway.set("staff.nsl.sh", vec![scene.asking("nobodys")]).await;
    assert_eq!(scene.ask(&gateway, own, staff()).await, None);
    gateway.set("staff.nsl.sh", vec![scene.asking("staff"), other("guests")]).await;
    assert_eq!(scene.ask(&gateway, own, staff()).await, Some(421));
    // Behind one that asks nobody comes in by another that doesn't, whichever is the best.
    gateway.set("staff.nsl.sh", vec![other(""), scene.asking("staff")]).await;
    assert_eq!(scene.ask(&gateway, own, None).await, None);
    assert_eq!(scene.ask(&gateway, own, staff()).await, Some(200));

    let mut without = TestGateway::start(config()).await;
    without.set("staff.nsl.sh", vec![scene.asking("staff")]).await;
    assert_eq!(without.ask(&get("/").replace("alice", "staff")).await.status(), 403);
}

#[tokio::test]
async fn profiles_are_checked_at_the_start_and_taken_by_a_reload() {
    let scene = Scene::new().await;
    let mut config = scene.config();
    let profile = |file: &str| MtlsProfile {
        ca_files: vec![scene.directory.path().join(file)],
        system_roots: false,
    };
    let refused = async |config: &GatewayConfig| {
        crate::server::Server::bind(config, Vec::new()).await.err().map(|e| e.to_string())
    };
    for (wanted, bad) in [
        ("No such file", profile("missing")),
        ("expected certificates", profile("key.pem")),
        ("inbound_mtls: expected ca_files", MtlsProfile::default()),
    ] {
        config.inbound_mtls.insert("bad".into(), bad);
        let error = refused(&config).await.expect(wanted);
        assert!(error.contains(wanted), "{error}");
    }
    config.inbound_mtls.remove("bad");
    config.listeners[1].inbound_mtls_profile = Some("nobodys".into());
    assert!(refused(&config).await.unwrap().contains("listeners.inbound_mtls_profile"));
    config.listeners[1].inbound_mtls_profile = None;

    let mut before = config.clone();
    before.inbound_mtls.remove("staff");
    let mut gateway = TestGateway::start(before).await;
    gateway.set("staff.nsl.sh", vec![scene.asking("staff")]).await;
    let staff = || Some(scene.staff.sign(&["bob"]));
    let own = ("staff.nsl.sh", "staff.nsl.sh");
    assert_eq!(scene.ask(&gateway, own, staff()).await, None);
    gateway.server.reload(&config).unwrap();
    assert_eq!(scene.ask(&gateway, own, staff()).await, Some(200));
}

#[tokio::test]
async fn at_a_place_of_its_own_a_service_is_asked_for_no_less() {
    let scene = Scene::new().await;
    let open = ("open.nsl.sh", "open.nsl.sh");
    let closed = ("staff.nsl.sh", "staff.nsl.sh");
    let staff = || Some(scene.staff.sign(&["bob"]));
    for profile in [None, Some("staff".into())] {
        let of_listener = profile.is_some();
        let mut config = scene.config();
        config.streams.address = Ipv4Addr::LOCALHOST.into();
        config.listeners[1].inbound_mtls_profile = profile;
        let mut gateway = TestGateway::start(config).await;
        let place = free().await;
        let at = format!("@:{}", place.port());
        gateway.set(&format!("open.nsl.sh{at}"), vec![scene.plain()]).await;
        gateway.set(&format!("staff.nsl.sh{at}"), vec![scene.asking("staff")]).await;
        // The same name asks for nothing at the gateway's own listeners.
        gateway.set("staff.nsl.sh", vec![scene.plain()]).await;
        assert_eq!(scene.ask_at(place, closed, None).await, None);
        assert_eq!(scene.ask_at(place, closed, staff()).await, Some(200));
        let without = if of_listener { None } else { Some(200) };
        assert_eq!(scene.ask_at(place, open, None).await, without);
        let misdirected = scene.ask_at(place, ("open.nsl.sh", "staff.nsl.sh"), None).await;
        assert_eq!(misdirected, (!of_listener).then_some(421));
    }
}

#[tokio::test]
async fn a_path_that_asks_is_not_reached_by_what_its_host_asks_for() {
    let scene = Scene::new().await;
    let mut gateway = TestGateway::start(scene.config()).await;
    let set = async |gateway: &mut TestGateway, service: &str, route| {
        gateway.feed.apply(vec![(service.parse().unwrap(), Some(vec![route]))]).await;
    };
    set(&mut gateway, "staff.nsl.sh", scene.plain()).await;
    set(&mut gateway, "staff.nsl.sh/admin", scene.asking("staff")).await;
    let status = async |gateway: &TestGateway, path: &str, shows| {
        let mut client =
            scene.connect(gateway.server.addresses()[1], "staff.nsl.sh", shows).await.ok()?;
        client.try_send(get(path).replace("alice", "staff")).await.ok()?;
        client.answer().await.map(|answer| answer.status())
    };
    let staff = || Some(scene.staff.sign(&["bob"]));
    assert_eq!(status(&gateway, "/admin/x", staff()).await, Some(200));
    // The handshake asks before it is known which path will be wanted.
    assert_eq!(status(&gateway, "/admin/x", None).await, None);
    assert_eq!(status(&gateway, "/", staff()).await, Some(200));

    set(&mut gateway, "staff.nsl.sh", scene.asking("guests")).await;
    let guest = || Some(scene.guests.sign(&["eve"]));
    assert_eq!(status(&gateway, "/", guest()).await, Some(200));
    assert_eq!(status(&gateway, "/admin/x", guest()).await, Some(421));
    assert_eq!(status(&gateway, "/admin/x", staff()).await, None);
}
