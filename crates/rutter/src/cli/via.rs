//! `rutter via`: the IPv6 prefix of a site's IPv4 network, and back.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;
use rutter_nodes::via::{self, SiteId, Via};
use rutter_route::{NodeId, Prefix};
use serde::Serialize;

use super::nodes::all;
use super::{Global, Output};
use crate::client::Client;

#[derive(Debug, Args)]
#[command(after_help = "\
IPv4 networks of several sites may overlap: each gets an IPv6 prefix of its own (4via6), under which a
router of the site advertises it. Site numbers are 0 to 65535, `7` or `0xbb`.

Examples:
  rutter via 7 10.1.1.0/24                        fd7a:115c:a1e0:b1a:0:7:a01:100/120
  rutter via fd7a:115c:a1e0:b1a:0:7:a01:100/120   site 7, 10.1.1.0/24
  rutter agent --join ... --advertise-routes fd7a:115c:a1e0:b1a:0:7:a01:100/120

Where a controller is at hand, it also tells if one site is announced for different networks.")]
pub(crate) struct ViaCommand {
    /// The site's number, or a 4via6 prefix to be read
    #[arg(value_name = "SITE|PREFIX")]
    site: String,
    /// The site's IPv4 network
    #[arg(value_name = "CIDR")]
    network: Option<Prefix>,
}

/// A network of a site, both ways.
#[derive(Debug, Serialize)]
struct Told {
    site: u16,
    network: Prefix,
    prefix: Prefix,
    /// What the network's first address is called.
    name: String,
    warnings: Vec<String>,
}

impl ViaCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let via = match self.network {
            Some(network) => Via::new(self.site.parse()?, network)?,
            None => self.site.parse().map_err(|error| match self.site.parse::<SiteId>() {
                Ok(site) => {
                    anyhow::anyhow!("which network of site {site}? `rutter via {site} 10.1.1.0/24`")
                }
                Err(_) => anyhow::Error::from(error),
            })?,
        };
        let first = match via.network().address() {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let told = Told {
            site: via.site().0,
            network: via.network(),
            prefix: via.prefix(),
            name: via::name(via.site(), first),
            warnings: warnings(global, via.site()).await,
        };
        let to_prefix = self.network.is_some();
        print(global.output(), &told, to_prefix)
    }
}

fn print(output: Output, told: &Told, to_prefix: bool) -> anyhow::Result<()> {
    output.print(told, |told| {
        let mut out = match to_prefix {
            true => format!("{}\n", told.prefix),
            false => format!("site {}, {}\n", told.site, told.network),
        };
        for warning in &told.warnings {
            out.push_str(&format!("warning: {warning}\n"));
        }
        out
    })
}

/// What looks wrong with what nodes announce of the site; nothing without a controller, since the
/// arithmetic needs none.
async fn warnings(global: &Global, site: SiteId) -> Vec<String> {
    let announced = async {
        let nodes = all(&Client::find(&global.data()?)?).await?;
        let routes = nodes.into_iter().flat_map(|node| node.routes);
        let announced = routes.filter(|route| route.advertised);
        anyhow::Ok(
            announced
                .filter_map(|route| Some((NodeId(route.node), route.prefix.parse().ok()?)))
                .filter(|(_, prefix)| Via::of_prefix(prefix).is_ok_and(|via| via.site() == site))
                .collect::<Vec<_>>(),
        )
    };
    match announced.await {
        Ok(announced) => via::check(announced).iter().map(ToString::to_string).collect(),
        Err(error) => {
            tracing::debug!(%error, "what nodes announce");
            Vec::new()
        }
    }
}
