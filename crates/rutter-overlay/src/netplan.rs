//! netplan's files: the static routes that they give, and the addresses.
//!
//! ```text
//!   folders, files ──in order of names──▶ raw::File each ──▶ joined per device ──▶ Plan
//! ```
//!
//! Read as netplan reads them (netplan.readthedocs.io, "YAML configuration"): files ending in
//! `.yaml` in the order of their names, whichever folder they are in; a file hides one of the same
//! name in an earlier folder; a later file's keys win, and lists are joined. What configures other
//! things than routes and addresses is passed over, so nothing here judges a file as a whole.
//!
//! Of routes those are told that lead somewhere by the table `main`: of type `unicast` (which is
//! what an absent type means), and of no other table. `gateway4` and `gateway6`, which netplan
//! still takes, are default routes. What stands under `vrfs` is of other tables, and isn't read.
//!
//! The files say what is wanted, not what is there: a route whose device is missing is told all the
//! same. Who wants the routes that are there reads them from the kernel.
//!
//! Bound: [`MAX_FILES`] files; of how many bytes each says [`rutter_yaml::read`].

mod raw;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rutter_route::Prefix;
use rutter_yaml::{ConfigError, Dialect, Positions, Problem};

use crate::config::InterfaceAddress;

/// The most files that are read.
pub const MAX_FILES: usize = 256;

/// What netplan's files say, joined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Static routes of the table `main`, in order, each once.
    pub routes: Vec<StaticRoute>,
    /// Addresses, in order, each once.
    pub addresses: Vec<DeviceAddress>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// Folders and files that aren't there.
    pub missing: Vec<PathBuf>,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaticRoute {
    /// Where it leads.
    pub to: Prefix,
    /// The router; `None`: the destination is on the device itself.
    pub via: Option<IpAddr>,
    /// The kernel's priority: lower is better. `None`: what the renderer chooses.
    pub metric: Option<u32>,
    /// The router is on the device's network though no address says so.
    pub on_link: bool,
    /// What the file calls the device.
    pub device: String,
}

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// The address and its network.
    pub address: InterfaceAddress,
    /// What the file calls the device.
    pub device: String,
}

/// Reads what lies in folders, and files.
///
/// # Errors
/// The first file that can't be read or isn't a plan of netplan's: everything that is wrong with
/// it, each at its place. A folder or file that isn't there is no error but [`Plan::missing`].
pub fn read(paths: &[PathBuf]) -> Result<Plan, ConfigError> {
    let (files, missing) = files(paths)?;
    let mut devices = resolve::Devices::default();
    for file in &files {
        let name = file.display().to_string();
        read_text(&name, &rutter_yaml::read(file)?, &mut devices)?;
    }
    let (routes, addresses) = devices.into_plan();
    Ok(Plan { routes, addresses, files, missing })
}

/// Joins what one file says to what was read before.
fn read_text(name: &str, text: &str, devices: &mut resolve::Devices) -> Result<(), ConfigError> {
    let file: raw::File = rutter_yaml::parse(text, Dialect::Go)
        .map_err(|problem| ConfigError::new(name, text, vec![problem]))?;
    let mut problems = devices.join(file);
    if problems.is_empty() {
        return Ok(());
    }
    let positions = Positions::of(text, Dialect::Go);
    problems.iter_mut().for_each(|problem| problem.locate(&positions));
    problems.sort_by_key(|problem| problem.spot.map(|spot| spot.offset));
    Err(ConfigError::new(name, text, problems))
}

/// The files to read, by name, and what isn't there.
fn files(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), ConfigError> {
    let mut by_name = BTreeMap::new();
    let mut missing = Vec::new();
    for path in paths {
        let named = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => plans_in(path)?,
            Ok(_) => vec![path.clone()],
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                missing.push(path.clone());
                continue;
            }
            Err(why) => return Err(unreadable(path, &why)),
        };
        for file in named {
            by_name.insert(file.file_name().map(ToOwned::to_owned), file);
        }
    }
    if by_name.len() > MAX_FILES {
        let message =
            format!("there are {} files of netplan's, at most {MAX_FILES}", by_name.len());
        let name = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        return Err(ConfigError::new(&name, "", vec![Problem::at_path(Vec::new(), message)]));
    }
    Ok((by_name.into_values().collect(), missing))
}

fn plans_in(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |why| unreadable(folder, &why);
    let mut plans = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            plans.push(path);
        }
    }
    Ok(plans)
}

fn unreadable(path: &Path, why: &std::io::Error) -> ConfigError {
    let problem = Problem::at_path(Vec::new(), format!("it can't be read: {why}"));
    ConfigError::new(&path.display().to_string(), "", vec![problem])
}
