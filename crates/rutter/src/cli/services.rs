//! `rutter services`, `rutter providers`: what files and containers ask for, and what became of it.

mod api;
mod shown;

use clap::{Args, Subcommand, ValueEnum};

use self::api::{Providers, Service, events, services};
use super::Global;
use crate::client::Client;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter services list
  rutter services list --state denied    whose name another has, and who that is
  rutter services show blog              all that is known by a name, and how it was
  rutter services health                 one word a service
  rutter services events                 what came, changed, went, failed and returned

Why traffic goes where it goes is told by `rutter routes explain NAME`.")]
pub(crate) enum Services {
    /// List services, whatever became of them
    List(List),
    /// Show what is known by a name, and how it was
    Show {
        /// What is asked for, an alias, or a key as `list` shows it
        name: String,
    },
    /// Say how services are, by name
    Health {
        /// What is said of each
        #[arg(long, value_enum, default_value = "plain", value_name = "FORM")]
        form: Form,
    },
    /// Say what happened last
    Events,
}

/// Which services.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this pool
    #[arg(long, value_enum, value_name = "POOL")]
    pool: Option<Pool>,
    /// Only of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
}

/// The pools.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Pool {
    /// Served by HTTP
    Http,
    /// Served as streams
    Stream,
    /// Known and not served
    Excluded,
}

/// What may have become of a service.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum State {
    /// It is served
    Served,
    /// It isn't known where it leads now
    Unresolved,
    /// Another has its place
    Denied,
    /// The table has no room for it
    NotTaken,
    /// It is shown only
    Excluded,
    /// It would not be what was written
    Refused,
}

/// What is said of a service's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Status, uptime and latency
    Plain,
    /// The same and what was seen
    Detail,
    /// The status alone
    Simple,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rutter providers list                  who is heard, and what each has
  rutter services list --provider apps")]
pub(crate) enum ProvidersCommand {
    /// List providers, in the order of the configuration
    List,
}

impl Services {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let client = Client::find(&global.data()?)?;
        let output = global.output();
        match self {
            Self::List(list) => {
                let found = services(&client, &list.query()).await?;
                output.print(&found, |found| shown::services(found))
            }
            Self::Show { name } => {
                let found: api::OfName = client.get(&["v1", "services", &name], &[]).await?;
                output.print(&found.services, |found| shown::service(found))
            }
            Self::Health { form } => {
                let form = word(form);
                let health: api::Health =
                    client.get(&["v1", "health"], &[("form", form.as_str())]).await?;
                output.print(&health, shown::health)
            }
            Self::Events => output.print(&events(&client).await?, |all| shown::events(all)),
        }
    }
}

impl List {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.pool.map(|pool| ("pool", word(pool))));
        query.extend(self.state.map(|state| ("state", word(state))));
        query.extend(self.provider.clone().map(|provider| ("provider", provider)));
        query
    }
}

/// The word for a value, as the API has it too.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl ProvidersCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::List = self;
        let client = Client::find(&global.data()?)?;
        let all: Providers = client.get(&["v1", "providers"], &[]).await?;
        global.output().print(&all.providers, |all| shown::providers(all))
    }
}

/// The links' members aside, so many services are told a page.
const PAGE: &str = "1000";

impl Service {
    /// Why it isn't served, in a line.
    fn reason(&self) -> String {
        self.why.first().cloned().unwrap_or_default()
    }
}
