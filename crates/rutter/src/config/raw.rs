//! What was written: every key of the file, in the words of `docs/config.md`.

mod agent;
mod data;
mod edge;
mod fabric;
mod listen;
mod nodes;
mod overlay;
mod providers;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rutter_gateway::{CheckMethod, StatusRange};
use rutter_rib::{HopKind, Policy, Rules};
use rutter_route::{ClusterId, DestinationKind, Prefix, ServiceName, SinkMode, TableName};

use super::Period;
use super::section::section;

pub(crate) use agent::{Agent, AgentProbe, AgentRoutes};
pub(crate) use data::Data;
pub(crate) use edge::{Acl, Hosts, Mode, MtlsProfile, ProxyProtocol, ShortLinks, Streams, Verdict};
pub(crate) use fabric::{
    Fabric, FabricFallback, FabricKeys, FabricLink, FabricLinks, FabricLiveness, FabricNeighbour,
    FabricProfile,
};
pub(crate) use listen::{CertificateFiles, Listen, Tls, Traffic};
pub(crate) use nodes::{Nodes, NodesDamping, NodesHa};
pub(crate) use overlay::{
    AtEnd, Lookup as OverlayLookup, Overlay, OverlayBridge, OverlayExport, OverlayImport,
    OverlayNetwork, OverlayPeer, Topology as OverlayTopology, Transit as OverlayTransit,
};
pub(crate) use providers::{DockerEngine, Monitors, Providers, ProxmoxCluster};

section! {
    /// The whole file. The sections `controller`, `gateway`, `agent`, `overlay` and `fabric` switch a
    /// role on; the first two may stand empty.
    File {
        /// The domain under which names stand: `alice` is `alice.DOMAIN`.
        domain: ServiceName = Is("localhost"),
        /// Where the registry, the CA and the token of the local command are kept. One process
        /// holds it at a time. `off`: nothing is kept, which a gateway by a Mesh Router backend can do
        /// with.
        data: Data = Says("`/var/lib/rutter` for root, else `$XDG_DATA_HOME/rutter` or `~/.local/share/rutter`"),
        /// This cluster's name in path lists, by which loops are known.
        cluster: ClusterId = Is("local"),
        /// What is logged, and how.
        log: Log = Says("as below"),
        /// Where it listens. Each speaks for one surface; two on one address are refused.
        listeners: Listeners = Says("as below"),
        /// The controller: names, registrations, tokens, the API.
        controller: Controller = Says("off"),
        /// The gateway: forwards people's requests to services.
        gateway: Gateway = Says("off"),
        /// The agent: registers services of this host at a controller, or makes it a node.
        agent: Agent = Says("off"),
        /// The overlay: exchanges prefixes with peers and keeps the kernel's tables.
        overlay: Overlay = Says("off"),
        /// The fabric: speaks with other clusters.
        fabric: Fabric = Says("off"),
        /// Nodes, which advertise subnets and are told who leads where: a part of the controller.
        nodes: Nodes = Says("off; on in `rutter up`"),
        /// Where routes come from beside agents and people: files, container engines, Proxmox. A part
        /// of the controller.
        providers: Providers = Says("none"),
        /// Tables of routes beside `services` and `gateway/services`, which are always there with
        /// their role, and the policy of any.
        tables: BTreeMap<TableName, Table> = Says("none beside those two")
    }
}

section! {
    /// What is logged, and how. Logs go to standard error.
    Log {
        /// `text` for people, `json` for programs.
        format: super::resolved::LogFormat = Is("text"),
        /// A level, or a list such as `info,rutter_gateway=debug`. `RUST_LOG` goes before it.
        level: String = Is("info")
    }
}

section! {
    /// Where it listens. A listener is `ADDRESS:PORT` (port 0: any free one) or `off`, or
    /// `{address: ADDRESS:PORT, tls: ...}` where `tls` is `own` (a certificate of the
    /// controller's CA), `off`, or `{chain: FILE, key: FILE}` in PEM form, read again by a reload.
    Listeners {
        /// `/v1`, metrics and health: of a controller, or of a gateway apart from its own. Beyond loopback over TLS by the controller's CA, unless
        /// `tls` says otherwise.
        api: Listen = Says("`127.0.0.1:7070` with a controller, otherwise off"),
        /// `rutter.v1`, which gateways and agents elsewhere speak with the controller: always over
        /// TLS by the controller's CA.
        link: Listen = Says("port 7071 where `api` listens, with a controller"),
        /// People's traffic.
        gateway: GatewayListeners = Says("as below"),
        /// Surfaces that speak other systems' words, off unless they stand here.
        compat: CompatListeners = Says("as below")
    }
}

section! {
    /// People's traffic, and other clusters'. A gateway needs at least one of them.
    GatewayListeners {
        /// Plain HTTP, unless `tls` says otherwise. With `h2c: true` beside its address it takes
        /// HTTP/2 from clients that begin with it unasked; with `redirect: https` it sends everybody
        /// to the port of `https`.
        http: Listen = Says("off; `127.0.0.1:8080` in `rutter up`"),
        /// HTTPS, by HTTP/2 or HTTP/1.1: by the files of `gateway.tls`, else by a certificate of the controller's CA for
        /// the domain.
        https: Listen = Says("off"),
        /// What neighbours of the fabric forward, by HTTP/2 or HTTP/1.1: its TLS is made with the keys of
        /// clusters, and who shows no key of a neighbour isn't let in.
        fabric: Listen = Says("off")
    }
}

section! {
    /// Surfaces that speak other systems' words.
    CompatListeners {
        /// Mesh Router's API. Beyond loopback over TLS by the controller's CA, unless `tls` says
        /// otherwise.
        mesh_router: Listen = Says("off; `127.0.0.1:8192` in `rutter up`"),
        /// MPREG's monitoring endpoints for routing between clusters, for who has a token of scope
        /// `read`. Beyond loopback over TLS by the controller's CA, unless `tls` says otherwise.
        mpreg: Listen = Says("off")
    }
}

section! {
    /// The controller.
    Controller {
        /// How long a source's claims stand unless it says them again. At least two `renew`.
        lease: Period = Is("10m"),
        /// How often a source is asked to say them again.
        renew: Period = Is("5m"),
        /// How long after its last heartbeat a user counts as online.
        online: Period = Is("2m"),
        /// The most routes of one registration.
        max_routes: usize = Is("16"),
        /// Where routes may lead.
        addresses: Addresses = Says("private and public addresses; loopback only for who came over loopback"),
        /// Networks whose hosts may read home addresses by Mesh Router's API without a token.
        trusted_gateways: Vec<Prefix> = Is("[127.0.0.0/8, \"::1/128\"]"),
        /// Everyone may read home addresses, as in the original.
        public_resolve: bool = Is("false"),
        /// Where agents find the API: what a join line begins with.
        public_url: String = Says("the address of `listeners.api`; needed where `tls` names files, since their certificate is good for a name")
    }
}

section! {
    /// Where routes may lead.
    Addresses {
        /// Networks that a route may lead to although they are refused by default.
        allow: Vec<Prefix> = Is("[]"),
        /// Networks that no route may lead to.
        deny: Vec<Prefix> = Is("[]")
    }
}

section! {
    /// The gateway.
    Gateway {
        /// Its name, by which its verdicts are known: `gateway/NAME`.
        name: String = Is("gateway"),
        /// `act`, or `observe`: it takes all routes in and ranks them, logs each difference that it
        /// would act on, and neither listens nor forwards nor probes.
        mode: SinkMode = Is("act"),
        /// The domains under which a host leads to its owner's name: `app.alice.DOMAIN` and
        /// `app-alice.DOMAIN` to `alice`.
        domains: Vec<ServiceName> = Says("the file's `domain`"),
        /// Which hosts lead to a service: `exact`, those of its name; `any_domain`, those whose first
        /// label is its name, too; or a list of domains under which names stand. A service whose name
        /// begins with `*.` has all hosts of one label more.
        hosts: Hosts = Is("exact"),
        /// The host of short links: `http://HOST/NAME/rest` leads to where the service `NAME` is
        /// served, by a redirect. Or `off`.
        short_links: ShortLinks = Is("off"),
        /// Threads that serve; 0: one a processor.
        workers: usize = Is("0"),
        /// How routes are asked whether they work.
        health: Health = Says("as below"),
        /// What requests tell of routes.
        outlier_detection: OutlierDetection = Says("as below"),
        /// How many requests may be repeated.
        retry_budget: RetryBudget = Says("as below"),
        /// What one client may take.
        limits: Limits = Says("as below"),
        /// How services are spoken to.
        upstream: Upstream = Says("as below"),
        /// The certificate of `listeners.gateway.https`, in PEM files; read again when they change.
        tls: CertificateFiles = Says("a certificate of the controller's CA"),
        /// Further certificates, each for the names in it: exact names go before wildcards, and
        /// what none of them names gets the one of `tls`.
        certificates: Vec<CertificateFiles> = Is("[]"),
        /// Certificates from a CA that speaks ACME, such as Let's Encrypt; `tls` is for all names
        /// that it has none for.
        acme: Acme = Says("as below"),
        /// For how long browsers that came by HTTPS are to come by nothing else
        /// (`Strict-Transport-Security`).
        hsts: Period = Says("nothing is said"),
        /// Networks whose `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and `X-Request-ID` are believed;
        /// others' are replaced.
        trusted_proxies: Vec<Prefix> = Is("[]"),
        /// Who may connect, at every listener.
        acl: Acl = Says("as below"),
        /// Whose PROXY headers (v1 and v2) are believed, at every listener of TCP.
        proxy_protocol: ProxyProtocol = Says("as below"),
        /// Whose client certificates are good, by names that routes and `inbound_mtls_profile` use.
        inbound_mtls_profiles: BTreeMap<String, MtlsProfile> = Says("none"),
        /// The profile of which everybody must show a certificate who comes by HTTPS. Routes have no
        /// profile of their own then.
        inbound_mtls_profile: String = Says("none"),
        /// Streams of TCP and UDP.
        streams: Streams = Says("as below"),
        /// One line a request.
        access_log: AccessLog = Says("as below"),
        /// Where its controller is, if it isn't in this process: `URL#TOKEN`, as
        /// `rutter tokens join --role gateway` prints it. Or use `join_file`.
        join: String = Says("the `controller` of this file"),
        /// A file with that line, so that the token needn't stand here.
        join_file: PathBuf = Says("`join`"),
        /// How long it forwards by what it knows while a controller elsewhere is away.
        keep_routes: Period = Is("24h"),
        /// A backend of Mesh Router's whose routes it forwards by, in a controller's place.
        mesh_router: MeshRouter = Says("off"),
        /// Where a request goes whose host leads to no service, or to one that nothing leads to:
        /// `http(s)://HOST:PORT`.
        default_backend: String = Says("it is 404 or 503"),
        /// A file with a token that lets read the API of a gateway apart from its controller, such as
        /// for Prometheus: one line, read again by a reload.
        read_token_file: PathBuf = Says("only the command on this machine may ask, by `admin.token` in `data`")
    }
}

section! {
    /// A backend of Mesh Router's, which answers for one name at a time.
    MeshRouter {
        /// Its URL, such as `http://192.0.2.1:8192`; `BACKEND_URL` of Mesh Router.
        backend: String = Required,
        /// How long an answer is fresh. `CACHE_TTL` of Mesh Router.
        cache_ttl: Period = Is("1m"),
        /// How long after that it is used while the backend is silent.
        stale_for: Period = Is("10m"),
        /// How long a name that isn't known isn't asked for again.
        negative_ttl: Period = Is("10s"),
        /// How many names are remembered, known or not.
        max_names: usize = Is("10000"),
        /// The SHA-256 fingerprint that its CA must have, `sha256:HEX`.
        ca_pin: String = Says("an `https` backend vouches for its CA; with an `http` one anybody between could name another")
    }
}

section! {
    /// Certificates by ACME (RFC 8555): one for all names, renewed at two thirds of its life.
    Acme {
        /// The CA's directory, by HTTPS.
        directory: String = Is("https://acme-v02.api.letsencrypt.org/directory"),
        /// Where the CA may write to, such as `mailto:ops@example.com`.
        contact: Vec<String> = Is("[]"),
        /// Up to 100 host names, in lower case and without wildcards; without any nothing is ordered.
        names: Vec<String> = Is("[]"),
        /// `http-01`, proven at port 80, or `tls-alpn-01`, proven at port 443.
        challenge: rutter_gateway::AcmeChallenge = Is("http-01"),
        /// PEM files of the roots that the directory's own certificate must come from.
        roots: Vec<PathBuf> = Says("the system's roots"),
        /// Must be `true` where there are names: the CA's terms of service were read and are agreed to.
        agree_to_terms: bool = Is("false")
    }
}

section! {
    /// The access log. Written apart from requests; opened again on SIGUSR1 and by a reload.
    AccessLog {
        /// The file, or `-` for standard output.
        file: PathBuf = Says("no log is kept"),
        /// `common` (the Combined Log Format) or `json`.
        format: super::resolved::AccessLogFormat = Is("common")
    }
}

section! {
    /// How routes are asked whether they work.
    Health {
        /// How long a probe may take. `HEALTH_CHECK_TIMEOUT` of Mesh Router.
        check_timeout: Period = Is("2s"),
        /// How long a good answer is believed of a route that isn't asked again.
        /// `HEALTH_CACHE_TTL` of Mesh Router.
        cache_ttl: Period = Is("5m"),
        /// How long after a bad answer a route is asked again.
        recheck: Period = Is("5s"),
        /// How often a route that carries traffic is asked, give or take a tenth: by its health
        /// check, or by a TCP connect. `0s`: it isn't.
        check_interval: Period = Is("10s"),
        /// How long after its last request a route counts as one that carries traffic.
        used_within: Period = Is("1m"),
        /// How a health check's path is asked for.
        check_method: CheckMethod = Is("HEAD"),
        /// What a health check must answer: `200`, or a range such as `200-399`.
        check_status: StatusRange = Is("200"),
        /// Good answers in a row that bring a bad route back.
        healthy_threshold: u32 = Is("2"),
        /// Bad answers in a row that take a good route out. Of a route of which nothing is known
        /// the first answer counts.
        unhealthy_threshold: u32 = Is("2")
    }
}

section! {
    /// Outlier detection, in Envoy's words: routes that fail requests are taken out of service.
    OutlierDetection {
        /// Failures in a row that eject a route: no connection, a reset, no answer in time, or an
        /// answer of 502, 503 or 504. `0`: they never do. Mesh Router's `FAILURE_THRESHOLD` plus
        /// one.
        consecutive_gateway_failure: u32 = Is("4"),
        /// The same with every answer of 500 and above counted too. `0`: they never do.
        consecutive_5xx: u32 = Is("0"),
        /// The window in which failures must fall to count together. For each such time in
        /// service an earlier ejection is forgotten.
        interval: Period = Is("2m"),
        /// How long a first ejection lasts, unless good probes end it; the second in a row lasts
        /// twice as long, and so on.
        base_ejection_time: Period = Is("1m"),
        /// How long an ejection lasts at most.
        max_ejection_time: Period = Is("5m"),
        /// How many of a service's routes may be ejected at once, in percent, rounded down. One of
        /// two or more always may, unless this is `0`; the last in service never is.
        max_ejection_percent: u32 = Is("100")
    }
}

section! {
    /// How many requests may be repeated on another route once bytes of them were sent.
    RetryBudget {
        /// In percent of the requests of the last ten seconds.
        budget_percent: u32 = Is("20"),
        /// A second, in any case; saved up for ten seconds.
        min_retries_per_second: u32 = Is("10")
    }
}

section! {
    /// What one client may take.
    Limits {
        /// Connections open at once; more wait.
        max_connections: usize = Is("10000"),
        /// Connections of one client open at once, WebSockets among them; more are reset. A client is
        /// an IPv4 address or an IPv6 /64; `trusted_proxies` may have any number. `0`: so may
        /// everybody.
        max_connections_per_client: u32 = Is("0"),
        /// Header lines of a request; more get 431.
        max_headers: usize = Is("100"),
        /// Bytes of a request's head; more get 431.
        max_header_bytes: usize = Is("32768"),
        /// Bytes of a request's target; more get 414.
        max_target_bytes: usize = Is("8192"),
        /// Bytes of a request's body; more get 413. `0`: any number. A body is passed on as it
        /// comes and never held, so its size costs the gateway nothing.
        max_body_bytes: u64 = Is("0"),
        /// Requests at once on one HTTP/2 connection; more are refused there, and clients wait.
        max_streams: u32 = Is("100"),
        /// For the head of a request, and for an idle connection.
        header_timeout: Period = Is("1m"),
        /// In which nothing may come of a request's body while more of it is wanted; then 408.
        body_timeout: Period = Is("30s"),
        /// In which a client may take nothing of an answer that waits for it.
        send_timeout: Period = Is("1m"),
        /// Bytes a second, of bodies and of answers taken, that save a client from both; 0: any byte
        /// does.
        min_rate: u32 = Is("500"),
        /// For the TLS handshake.
        handshake_timeout: Period = Is("10s"),
        /// For requests in flight at shutdown, WebSockets and other tunnels among them.
        drain: Period = Is("10s"),
        /// For one request more on a connection that is idle at shutdown; its answer says that it
        /// was the last.
        drain_idle: Period = Is("1s"),
        /// Between `/readyz` saying 503 and the listeners' end, so that a load balancer sends its
        /// traffic elsewhere first.
        drain_delay: Period = Is("0s")
    }
}

section! {
    /// How services are spoken to.
    Upstream {
        /// For a connection, TLS included.
        connect_timeout: Period = Is("5s"),
        /// How long an upstream may be silent before its answer is given up, or its answer's body.
        response_timeout: Period = Is("5m"),
        /// How long a route may be silent before a request that may be repeated is given to
        /// another. `0s`: for as long as `response_timeout`.
        try_timeout: Period = Is("15s"),
        /// How long a request may take from its head to the head of its answer, over all routes
        /// and its upload. `0s`: for as long as something moves.
        timeout: Period = Is("0s"),
        /// How long the share of a member of a group rises to what its weight says, once it is new or
        /// well again. `0s`: it has all of it at once.
        slow_start: Period = Is("0s"),
        /// Routes tried for one request, at most.
        max_tries: usize = Is("8"),
        /// Idle connections a worker keeps, in all.
        max_idle: usize = Is("1024"),
        /// Idle connections a worker keeps to one upstream.
        max_idle_per_upstream: usize = Is("64"),
        /// How long a connection is kept idle.
        idle_timeout: Period = Is("1m"),
        /// PEM files of the only public roots to trust for `https` upstreams.
        roots: Vec<PathBuf> = Says("the system's roots")
    }
}

section! {
    /// A table of routes.
    Table {
        /// What its destinations are.
        kind: DestinationKind = Says("by its name: `services` and `gateway/services` hold services, `fabric` clusters, `nodes` and `overlay/N` prefixes; otherwise required"),
        /// What it is told to do: rules, criteria, stability, bounds.
        policy: Policy = Says("everything is accepted"),
        /// Tables that get its best routes as claims.
        feeds: Vec<TableFeed> = Is("[]"),
        /// Tables in which its next hops are looked up.
        resolves: Vec<TableResolve> = Is("[]")
    }
}

section! {
    /// One table feeds another of its kind.
    TableFeed {
        /// The table that is fed.
        to: TableName = Required,
        /// What may pass, and what becomes of it.
        export: Rules = Says("everything passes as it is")
    }
}

section! {
    /// Next hops of one kind are destinations in another table.
    TableResolve {
        /// Which next hops.
        hops: HopKind = Required,
        /// The table in which they are looked up.
        through: TableName = Required
    }
}
