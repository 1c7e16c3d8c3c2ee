//! The section of agents.

use std::net::IpAddr;
use std::path::PathBuf;

use rutter_route::{HostName, Prefix, ServiceName};

use crate::config::Period;
use crate::config::section::section;

section! {
    /// The agent. It registers services, or it is a node: a router of the networks behind this host, or
    /// a user of others' (`routes`); or both.
    Agent {
        /// Where to join: `URL#TOKEN`, as `rutter up` prints it. Or use `join_file`. A node without
        /// services joins by a pre-auth key, as `rutter preauthkeys create` prints the line; or without
        /// a token, `URL[#.PIN]`, and a person lets it in.
        join: String = Says("`join_file`"),
        /// A file with that line, so that the token needn't stand here.
        join_file: PathBuf = Says("`join`"),
        /// The name to ask for, such as `alice`.
        name: ServiceName = Required,
        /// What to register: `[NAME=][SCHEME://]HOST:PORT[,health=/path][,priority=N][,source=tunnel]`.
        services: Vec<String> = Says("required without `routes`"),
        /// This host as a node.
        routes: AgentRoutes = Says("off"),
        /// The address to register, where neither the service's own nor STUN's is right.
        address: HostName = Says("the service's own over loopback, else found by STUN"),
        /// Where the agent's identity is kept.
        state: PathBuf = Says("the directory `agent` in `data`")
    }
}

section! {
    /// This host as a node: the networks that it advertises, and whether it uses those of others. At
    /// least one of both.
    AgentRoutes {
        /// Where the node joins, where the agent has services too: they are two keys with two tokens.
        join: String = Says("`agent.join`; beside services without its token, so that a person lets the node in"),
        /// The networks behind this host; others reach them by it once they are approved.
        advertise_routes: Vec<Prefix> = Is("[]"),
        /// This host offers itself as a way to everywhere.
        advertise_exit_node: bool = Is("false"),
        /// Routes to others' networks go into this host's kernel, in the table `main`.
        accept_routes: bool = Is("false"),
        /// The node by which this host reaches everywhere else.
        exit_node: String = Says("none"),
        /// Who asks a network behind this host from elsewhere appears there as this host, so that
        /// answers come back by it. Without it hosts there need routes by this host.
        snat: bool = Is("true"),
        /// Where others send what is for these networks: an address of each family at most.
        addresses: Vec<IpAddr> = Says("where the controller sees this host"),
        /// What shows that the networks behind this host can be reached.
        probes: Vec<AgentProbe> = Is("[]")
    }
}

section! {
    /// A host behind a router that is asked, so that a router whose network is dead loses it.
    AgentProbe {
        /// Which advertised network this tells of.
        prefix: Prefix = Required,
        /// Who is asked: `icmp://ADDRESS`, `tcp://ADDRESS:PORT`, or `http://ADDRESS:PORT/path`, which
        /// answers with 200 to 399.
        target: String = Required,
        /// How often; `1s` at least.
        interval: Period = Is("5s"),
        /// In what time it must answer.
        timeout: Period = Is("2s"),
        /// Answers in a row that bring the network back.
        healthy_threshold: u32 = Is("2"),
        /// Failures in a row by which it is lost. The first answer of all counts by itself.
        unhealthy_threshold: u32 = Is("3")
    }
}
