//! Listeners: their defaults, their TLS, and that no two want one address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Problems;
use crate::config::Problem;
use crate::config::raw::{self, Listen, Tls, Traffic};
use crate::config::resolved::{CompatListeners, GatewayListeners, Listener, Listeners};

/// What a listener does about TLS where nothing is said.
#[derive(Clone, Copy)]
enum Usually {
    /// Plain on loopback, the controller's CA beyond.
    Guarded,
    /// Plain.
    Plain,
    /// TLS always.
    Tls,
}

pub(super) fn resolve(file: &raw::File, to: &mut Problems) -> Listeners {
    let raw = file.listeners.clone().unwrap_or_default();
    let (gateway, compat) = (raw.gateway.unwrap_or_default(), raw.compat.unwrap_or_default());
    let files = file.gateway.as_ref().and_then(|gateway| gateway.tls.clone());
    let usual_api = || Listen::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)));
    let default_api = file.controller.is_some().then(usual_api);
    let api = raw.api.or(default_api);
    // Who reaches the API to join must reach the link that it is sent to.
    let beside_api = match &api {
        Some(Listen::At { address, .. }) => address.ip(),
        Some(Listen::Off) | None => Ipv4Addr::LOCALHOST.into(),
    };
    let default_link = file.controller.is_some().then_some(Listen::At {
        address: SocketAddr::from((beside_api, 7071)),
        tls: None,
        traffic: Traffic::default(),
    });
    let link = listener(raw.link.or(default_link), Usually::Tls);
    if link.as_ref().is_some_and(|link| link.tls != Tls::Own) {
        to.push(
            Problem::at("listeners.link", "the link speaks TLS by the controller's own CA")
                .help("leave `tls` out: who joins knows that CA by its join line"),
        );
    }
    let https = listener(gateway.https, Usually::Tls).map(|mut https| {
        if let (Tls::Own, Some(files)) = (&https.tls, files) {
            https.tls = Tls::Files(files);
        }
        https
    });
    let listeners = Listeners {
        api: listener(api, Usually::Guarded),
        link,
        gateway: GatewayListeners {
            http: listener(gateway.http, Usually::Plain),
            https,
            fabric: neighbours(gateway.fabric, to),
        },
        compat: CompatListeners {
            mesh_router: listener(compat.mesh_router, Usually::Guarded),
            mpreg: listener(compat.mpreg, Usually::Guarded),
        },
    };
    check(file, &listeners, to);
    listeners
}

/// The listener of neighbours, whose TLS nothing can be said of.
fn neighbours(raw: Option<Listen>, to: &mut Problems) -> Option<Listener> {
    if matches!(raw, Some(Listen::At { tls: Some(_), .. })) {
        to.push(
            Problem::at("listeners.gateway.fabric", "neighbours know this cluster by its key")
                .help("leave `tls` out: no certificate of anybody else counts there"),
        );
    }
    listener(raw, Usually::Plain)
}

fn listener(raw: Option<Listen>, usually: Usually) -> Option<Listener> {
    let (address, tls, traffic) = match raw? {
        Listen::Off => return None,
        Listen::At { address, tls, traffic } => (address, tls, traffic),
    };
    let tls = tls.unwrap_or(match usually {
        Usually::Plain => Tls::Off,
        Usually::Guarded if address.ip().to_canonical().is_loopback() => Tls::Off,
        Usually::Guarded | Usually::Tls => Tls::Own,
    });
    Some(Listener { address, tls, traffic })
}

fn check(file: &raw::File, listeners: &Listeners, to: &mut Problems) {
    let all: Vec<_> = listeners.all().collect();
    for (n, (name, listener)) in all.iter().enumerate() {
        let earlier = all.iter().take(n);
        let same = earlier.clone().find(|(_, other)| collide(listener.address, other.address));
        if let Some((other, _)) = same {
            to.push(
                Problem::at(name, format!("{} is also the address of `{other}`", listener.address))
                    .help("each listener speaks for one surface: give it a port of its own"),
            );
        }
    }
    let fabric = file.fabric.as_ref().and_then(|fabric| fabric.listen);
    if let Some((name, _)) =
        all.iter().find(|(_, l)| fabric.is_some_and(|at| collide(l.address, at)))
    {
        to.at("fabric.listen", format!("this is also the address of `{name}`"));
    }
    for (name, listener) in &all {
        let plain = *name == "listeners.gateway.http" && listener.tls == Tls::Off;
        to.unless(
            plain || listener.traffic == Traffic::default(),
            name,
            "`h2c` and `redirect` are for `listeners.gateway.http` without TLS",
        );
    }
    let redirects = listeners.gateway.http.as_ref().is_some_and(|http| http.traffic.redirect);
    to.unless(
        !redirects || listeners.gateway.https.is_some(),
        "listeners.gateway.http",
        "`redirect: https` leads nowhere without `listeners.gateway.https`",
    );
    if let Some(acme) = file.gateway.as_ref().and_then(|gateway| gateway.acme.as_ref()) {
        super::acme::check_listeners(acme, &listeners.gateway, to);
    }
    let public = file.controller.as_ref().and_then(|controller| controller.public_url.as_ref());
    let by_files = listeners.api.as_ref().is_some_and(|api| matches!(api.tls, Tls::Files(_)));
    if by_files && public.is_none() && file.controller.is_some() {
        to.push(
            Problem::at("listeners.api", "its certificate is good for a name, which isn't told")
                .help("write `public_url: https://NAME:PORT` in `controller`"),
        );
    }
    let (controller, gateway) = (file.controller.is_some(), file.gateway.is_some());
    let traffic = &listeners.gateway;
    let observes = file.gateway.as_ref().is_some_and(|g| g.mode.unwrap_or_default().observes());
    let any = traffic.http.is_some() || traffic.https.is_some() || traffic.fabric.is_some();
    if gateway && !observes && !any {
        to.push(
            Problem::at("gateway", "the gateway has nowhere to listen")
                .help("write `listeners: {gateway: {http: 127.0.0.1:8080}}`"),
        );
    }
    if !gateway && any {
        to.push(
            Problem::at("listeners.gateway", "there is no gateway to listen for")
                .help("write `gateway:` too"),
        );
    }
    let others = file.overlay.is_some() || file.fabric.is_some();
    if !controller && !gateway && !others && listeners.api.is_some() {
        to.push(
            Problem::at("listeners.api", "there is neither controller nor gateway to listen for")
                .help("write `controller:`, `gateway:`, `overlay:` or `fabric:` too"),
        );
    }
    if file.gateway.as_ref().is_some_and(|gateway| gateway.read_token_file.is_some()) {
        check_read_token(controller, listeners, to);
    }
    for name in ["listeners.link", "listeners.compat.mesh_router", "listeners.compat.mpreg"] {
        if !controller && all.iter().any(|(on, _)| *on == name) {
            to.push(
                Problem::at(name, "there is no controller to listen for")
                    .help("write `controller:` too"),
            );
        }
    }
}

/// The token of a file is for a gateway that has an API and no registry.
fn check_read_token(controller: bool, listeners: &Listeners, to: &mut Problems) {
    let at = "gateway.read_token_file";
    if controller {
        to.push(
            Problem::at(at, "the controller in this file knows who may read")
                .help("leave it out: `rutter tokens create --scope read prometheus` makes a token"),
        );
    } else if listeners.api.is_none() {
        to.push(
            Problem::at(at, "there is no API to read")
                .help("write `listeners: {api: 127.0.0.1:7070}` too"),
        );
    }
}

/// Whether the system would refuse the second of the two. Port 0 never collides.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = |ip: IpAddr| ip.is_unspecified();
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || everywhere(a.ip()) || everywhere(b.ip()))
}
