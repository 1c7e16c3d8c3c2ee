//! `rutter import`: what another program's set-up means here.

mod against;
mod mpreg;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use rutter_providers::godoxy::import::{Outcome, config_fields, route_fields};
use rutter_providers::godoxy::{Settings, read_file};

use super::Global;
use crate::config::{self, Folder, GodoxyOptions};
use report::{FileReport, Line, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A set-up of GoDoxy's: `config.yml`, its route files, `.env`
    Godoxy(Godoxy),
    /// Keys and policies of MPREG's routing between clusters
    Mpreg(mpreg::Mpreg),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rutter import godoxy /opt/godoxy
      each field that is ignored, different or refused, with file and line
  rutter import godoxy /opt/godoxy --all --output json
      each field, those that are taken as they are among them
  rutter import godoxy /opt/godoxy --write rutter.yaml && rutter run --config rutter.yaml
      the same as a file of ours, which refers to the route files; it may hold Proxmox's secrets,
      so nobody else may read it
  rutter import godoxy /opt/godoxy --against http://127.0.0.1:8889
      beside the routes that a running GoDoxy has of these files (its LOCAL_API_ADDR, which asks
      for no login)

Exits with 0 if every field is ok or ignored, with 3 if something is different, with 4 if something
is refused, and with 1 or 2 if it can't be read at all.")]
pub(crate) struct Godoxy {
    /// The directory of the set-up
    dir: PathBuf,
    /// Leave out a key of config.yml, as `rutter godoxy run --without` does
    #[arg(long, value_name = "KEY")]
    without: Vec<String>,
    /// Tell of fields that are ok, too
    #[arg(long)]
    all: bool,
    /// Compare with the routes of a running GoDoxy
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// Write the set-up as a file of ours, unless something of config.yml is refused
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Something is different.
const DIFFERENT: u8 = 3;
/// Something is refused.
const REFUSED: u8 = 4;

impl Import {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        match self {
            Self::Godoxy(godoxy) => godoxy.run(global).await,
            Self::Mpreg(mpreg) => mpreg.run(global),
        }
    }
}

impl Godoxy {
    async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let folder = Folder::find(&self.dir)?;
        let reading = folder.read(&self.without)?;
        let mut report = Report::default();
        let fields = config_fields(folder.text(), &reading);
        let name = below(&folder, Path::new(&folder.name()));
        report.files.push(FileReport::of_fields(name, fields, self.all));
        report.files.extend(self.variables(&folder, &reading.variables));
        let setup = &reading.setup;
        let settings = Settings {
            health: setup.health.clone(),
            reserved_ports: [setup.http, setup.https]
                .into_iter()
                .flatten()
                .map(|address| address.port())
                .collect(),
            are_files_enriched: !setup.proxmox.is_empty(),
            inbound_mtls_profiles: setup.inbound_mtls_profiles.keys().cloned().collect(),
            has_global_mtls: setup.inbound_mtls_profile.is_some(),
        };
        let mut routes = Vec::new();
        for file in &setup.include {
            let path = folder.route_file(file);
            let name = below(&folder, &path);
            let read = rutter_yaml::read(&path).and_then(|text| {
                let environment = |name: &str| folder.variable(name);
                let reading = read_file(&name, &text, &environment, &settings)?;
                Ok((text, reading))
            });
            match read {
                Ok((text, reading)) => {
                    let fields = route_fields(&text, &reading);
                    report.files.push(FileReport::of_fields(name, fields, self.all));
                    routes.push((file.clone(), reading));
                }
                Err(error) => report.files.push(FileReport::unreadable(name, &error)),
            }
        }
        if let Some(url) = &self.against {
            let theirs = against::ask(url).await.with_context(|| format!("asking {url}"))?;
            report.against = Some(against::compare(&routes, &theirs));
        }
        if let Some(path) = &self.write {
            let starts = reading.problems.is_empty();
            anyhow::ensure!(
                starts,
                "nothing is written: config.yml is refused, see the report without --write"
            );
            let text = config::canonical(setup, &folder, &GodoxyOptions::default());
            write_private(path, &text).with_context(|| format!("writing {}", path.display()))?;
            report.written = Some(path.display().to_string());
        }
        report.count();
        global.output().print(&report, Report::text)?;
        Ok(ExitCode::from(match report.worst() {
            Outcome::Ok | Outcome::Ignored => 0,
            Outcome::Different => DIFFERENT,
            Outcome::Refused => REFUSED,
        }))
    }

    /// What becomes of the variables: those of `.env` with their lines, the others without.
    fn variables(
        &self,
        folder: &Folder,
        variables: &[rutter_providers::godoxy::config::Variable],
    ) -> Option<FileReport> {
        let env = folder.env();
        let name = env.map_or_else(|| "environment".to_owned(), |(path, _)| below(folder, path));
        let mut lines: Vec<Line> = Vec::new();
        for variable in variables {
            let (outcome, why) = match (&variable.problem, variable.remark) {
                (Some(problem), _) => (Outcome::Refused, vec![problem.message.clone()]),
                (None, Some((kind, why))) => (kind.into(), vec![why.to_owned()]),
                (None, None) => (Outcome::Ok, Vec::new()),
            };
            let line = env.and_then(|(_, env)| env.line_of(variable.name));
            lines.push(Line::new(variable.name.to_owned(), line, None, outcome, why));
        }
        for (line, why) in env.iter().flat_map(|(_, env)| &env.problems) {
            let why = vec![why.clone()];
            lines.push(Line::new(String::new(), Some(*line), None, Outcome::Ignored, why));
        }
        (!lines.is_empty()).then(|| FileReport::new(name, lines, self.all))
    }
}

/// A path as it is told: below the set-up's folder without it.
fn below(folder: &Folder, path: &Path) -> String {
    path.strip_prefix(folder.root()).unwrap_or(path).display().to_string()
}

/// Writes a file that nobody else may read, in one step.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Such a file is made with the mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
