//! The command line: words, their help, and who carries them out.
//!
//! Each command is a module of its own that takes its arguments and says what it did. What prints,
//! prints by [`Output`]: text for people, JSON for programs, from one value.

mod agent;
mod backup;
mod check;
mod completions;
mod docs;
mod domains;
mod fabric;
mod gateway;
mod godoxy;
mod import;
mod members;
mod mpreg;
mod nodes;
mod output;
mod overlay;
mod policy;
mod preauthkeys;
mod reload;
mod routes;
mod run;
mod services;
mod sim;
mod tokens;
mod up;
mod upgrade;
mod users;
mod via;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, ConfigError, Period};
use crate::demo;

pub(crate) use output::{Format, Output};

/// A book of routes: which way leads to a service, who says so, and whether it works right now
#[derive(Debug, Parser)]
#[command(
    name = "rutter",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "\
Begin:
  rutter demo                       watch traffic move when a way fails, in under a minute
  rutter up                         a controller and a gateway on this machine
  rutter agent --join 'URL#TOKEN' --name alice --service web=127.0.0.1:3000
  rutter routes explain alice.localhost"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The data directory of what runs on this machine
    #[arg(long, global = true, env = "RUTTER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print: for people or for programs
    #[arg(long, short, global = true, value_enum, default_value = "text", value_name = "FORM")]
    output: Format,
}

impl Global {
    fn data(&self) -> anyhow::Result<PathBuf> {
        let data = self.data.clone().or_else(config::default_data);
        data.ok_or_else(|| anyhow::anyhow!("there is no home directory: name one with --data DIR"))
    }

    fn output(&self) -> Output {
        Output::new(self.output)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a controller and a gateway on this machine
    Up(up::Up),
    /// Start what a configuration file switches on
    Run(run::Run),
    /// Register services of this host at a controller
    Agent(agent::Agent),
    /// Forward requests by the routes of a Mesh Router backend
    Gateway(Box<gateway::Gateway>),
    /// Run what a set-up of GoDoxy's asks for
    #[command(subcommand)]
    Godoxy(godoxy::Godoxy),
    /// Say what another program's set-up means here, and write it as a file of ours
    #[command(subcommand)]
    Import(import::Import),
    /// Exchange prefixes with peers and keep the kernel's tables, by n-netman's file
    Overlay(Box<overlay::Overlay>),
    /// Give and take names
    #[command(subcommand)]
    Domains(domains::Domains),
    /// Look at gateways that have joined, and remove them
    #[command(subcommand)]
    Members(members::Members),
    /// Make and revoke tokens
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Look at routes, and at why
    #[command(subcommand)]
    Routes(routes::Routes),
    /// Look at services of files and containers: what became of them, and how they are
    #[command(subcommand)]
    Services(services::Services),
    /// Look at the files and engines that services come from
    #[command(subcommand)]
    Providers(services::ProvidersCommand),
    /// Look at nodes, approve what they advertise, say which router goes first
    #[command(subcommand)]
    Nodes(nodes::Nodes),
    /// Make lines with which nodes join
    #[command(subcommand)]
    Preauthkeys(preauthkeys::Preauthkeys),
    /// Say whose nodes are
    #[command(subcommand)]
    Users(users::Users),
    /// Check the policy of nodes, and see what another would change
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Translate between a site's IPv4 network and its IPv6 prefix
    Via(via::ViaCommand),
    /// Look at the fabric between clusters: neighbours, ways, keys, policy
    #[command(subcommand)]
    Fabric(fabric::Fabric),
    /// Ask MPREG's monitoring endpoints, with its words
    #[command(subcommand)]
    Mpreg(mpreg::Mpreg),
    /// Play a network of clusters under a simulated clock, and break it on purpose
    Sim(Box<sim::Sim>),
    /// Say what is wrong with a configuration file
    Check(check::Check),
    /// Show a failover: two ways, one dies, the request goes the other
    Demo(demo::Demo),
    /// Have the running program read its file again
    Reload(reload::Reload),
    /// Copy what the controller must keep into one file
    Backup(backup::Backup),
    /// Make a data directory of such a file
    Restore(backup::Restore),
    /// Hand over to a new program: nobody's request is lost
    Upgrade(upgrade::Upgrade),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print what is made from the program's types
    #[command(subcommand, hide = true)]
    Docs(docs::Docs),
}

/// What a failure is called by the exit code: 1.
const FAILED: u8 = 1;
/// A mistake in the arguments or the configuration: 2, as clap has it.
const MISTAKEN: u8 = 2;

/// Parses the arguments and carries them out.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    // One provider for the whole process, before anything speaks TLS. A second installation is
    // the only error, and this is the only one.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let global = &cli.global;
    let done = match cli.command {
        Command::Up(up) => block_on(up.run(global)),
        Command::Run(run) => block_on(run.run(global)),
        Command::Agent(agent) => block_on(agent.run(global)),
        Command::Gateway(gateway) => block_on(gateway.run(global)),
        Command::Godoxy(godoxy) => block_on(godoxy.run(global)),
        Command::Import(import) => return block_on(import.run(global)),
        Command::Overlay(overlay) => block_on(overlay.run(global)),
        Command::Domains(domains) => block_on(domains.run(global)),
        Command::Members(members) => block_on(members.run(global)),
        Command::Tokens(tokens) => block_on(tokens.run(global)),
        Command::Routes(routes) => block_on(routes.run(global)),
        Command::Services(services) => block_on(services.run(global)),
        Command::Providers(providers) => block_on(providers.run(global)),
        Command::Nodes(nodes) => block_on(nodes.run(global)),
        Command::Preauthkeys(keys) => block_on(keys.run(global)),
        Command::Users(users) => block_on(users.run(global)),
        Command::Policy(policy) => block_on(policy.run(global)),
        Command::Via(via) => block_on(via.run(global)),
        Command::Fabric(fabric) => block_on(fabric.run(global)),
        Command::Mpreg(mpreg) => block_on(mpreg.run(global)),
        Command::Sim(sim) => sim.run(global),
        Command::Check(check) => block_on(check.run(global)),
        Command::Demo(demo) => block_on(demo.run()),
        Command::Reload(reload) => block_on(reload.run(global)),
        Command::Backup(backup) => block_on(backup.run(global)),
        Command::Restore(restore) => block_on(restore.run(global)),
        Command::Upgrade(upgrade) => block_on(upgrade.run(global)),
        Command::Completions(completions) => completions.run(),
        Command::Docs(docs) => docs.run(),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Tells an error: what, why, and, where a part knows it, what to do.
#[allow(clippy::print_stderr, reason = "the last words of a command go to standard error")]
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(wrong) = error.downcast_ref::<ConfigError>() {
        let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
        eprint!("{}", wrong.render(colour));
        return ExitCode::from(MISTAKEN);
    }
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(FAILED)
}

/// Whoever read our output has what they wanted, as with `| head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A duration as an argument.
fn period(text: &str) -> Result<Period, String> {
    text.parse().map_err(|error: rutter_route::ParseError| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_words_hang_together() {
        super::Cli::command().debug_assert();
    }
}
