//! What one provider says, asked once; and what all of them said last.
//!
//! A provider speaks in *units*: a directory has one a file, the others have one. A unit that fails
//! keeps what it said; one that isn't there any more, in a directory that could be listed, says
//! nothing any more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rutter_protocol::hex;
use rutter_protocol::keys::{ClusterKeys, KeyRecord, KeySnapshot, PublicKey};
use rutter_route::{ClusterId, Wall};
use sha2::{Digest, Sha256};

use super::read::{Given, read};
use super::url::Fetch;
use super::{KeySource, MAX_TEXT, command};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a source said last, by unit.
pub(super) type Said = BTreeMap<String, Given>;

/// Why units failed, by unit.
pub(super) type Failures = BTreeMap<String, String>;

/// Asks a source, and puts what it says in place of what it said.
pub(super) async fn ask(
    source: &KeySource,
    said: &mut Said,
    fetch: Option<&Fetch>,
    wall: Wall,
) -> Failures {
    let text = match source {
        KeySource::Written(keys) => {
            said.insert(String::new(), written(keys, wall));
            return Failures::new();
        }
        KeySource::Directory(path) => {
            let (path, before) = (path.clone(), said.clone());
            return match tokio::task::spawn_blocking(move || list(&path, before, wall)).await {
                Ok((now, failures)) => {
                    *said = now;
                    failures
                }
                Err(error) => Failures::from([(String::new(), error.to_string())]),
            };
        }
        KeySource::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || load(&path)).await;
            read.unwrap_or_else(|error| Err(error.to_string()))
        }
        KeySource::Command(command) => command::run(command, &[], MAX_TEXT, PATIENCE)
            .await
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "prints no UTF-8".to_owned())),
        KeySource::Url(url) => match fetch {
            Some(fetch) => fetch.get(url).await,
            None => Err("no client for HTTPS".to_owned()),
        },
    };
    match text.and_then(|text| read(&text, None, wall).map_err(|error| error.to_string())) {
        Ok(given) => {
            said.insert(String::new(), given);
            Failures::new()
        }
        Err(why) => Failures::from([(String::new(), why)]),
    }
}

/// What stands in the configuration.
pub(super) fn written(keys: &BTreeMap<ClusterId, Vec<PublicKey>>, wall: Wall) -> Given {
    let record = |key: &PublicKey| KeyRecord { key: *key, added_at: wall, expires_at: None };
    keys.iter().map(|(c, keys)| (c.clone(), keys.iter().map(record).collect())).collect()
}

fn list(directory: &Path, mut before: Said, wall: Wall) -> (Said, Failures) {
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) => return (before, Failures::from([(String::new(), error.to_string())])),
    };
    let (mut said, mut failures) = (Said::new(), Failures::new());
    for name in names {
        let of = name.rsplit_once('.').and_then(|(stem, _)| stem.parse::<ClusterId>().ok());
        let given = match of {
            None => Err("its name is no cluster's".to_owned()),
            Some(of) => load(&directory.join(&name))
                .and_then(|text| read(&text, Some(&of), wall).map_err(|error| error.to_string())),
        };
        match given {
            Ok(given) => {
                said.insert(name, given);
            }
            Err(why) => {
                if let Some(last) = before.remove(&name) {
                    said.insert(name.clone(), last);
                }
                failures.insert(name, why);
            }
        }
    }
    (said, failures)
}

/// `NAME.pub` and `NAME.json`, sorted; whatever else lies there is passed over.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_ours = name.ends_with(".pub") || name.ends_with(".json");
        if is_ours && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A file that isn't being written: it is the same before and after.
fn load(path: &Path) -> Result<String, String> {
    let said = |error: io::Error| error.to_string();
    let print = |file: &File| file.metadata().and_then(|meta| Ok((meta.len(), meta.modified()?)));
    let file = File::open(path).map_err(said)?;
    let before = print(&file).map_err(said)?;
    let mut text = String::new();
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
    (&file).take(limit + 1).read_to_string(&mut text).map_err(said)?;
    if text.len() > MAX_TEXT {
        return Err(format!("it has more than {MAX_TEXT} bytes"));
    }
    if print(&file).map_err(said)? != before {
        return Err("it is being written".to_owned());
    }
    Ok(text)
}

/// What all sources say of each cluster: the keys of the first that knows it first.
pub(super) fn union<'a>(all: impl Iterator<Item = &'a Said>) -> Given {
    let mut union = Given::new();
    for given in all.flat_map(BTreeMap::values) {
        for (cluster, keys) in given {
            let known = union.entry(cluster.clone()).or_default();
            for record in keys {
                if known.iter().all(|had| had.key != record.key) {
                    known.push(record.clone());
                }
            }
        }
    }
    union
}

/// By what a source is known on disk: nothing of a URL or a command's arguments stands there.
pub(super) fn id_of(source: &KeySource) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("{source:?}")).into();
    hex::encode(&digest)
}

/// All that was said, as it is kept: by source and unit, each in MPREG's form.
pub(super) fn to_json(all: &BTreeMap<String, Said>, wall: Wall) -> String {
    let texts = |said: &Said| -> BTreeMap<String, String> {
        said.iter().map(|(unit, given)| (unit.clone(), snapshot(given, wall))).collect()
    };
    let all: BTreeMap<_, _> = all.iter().map(|(source, said)| (source, texts(said))).collect();
    // Maps of texts: there is nothing that JSON can't say.
    serde_json::to_string(&all).unwrap_or_default()
}

fn snapshot(given: &Given, wall: Wall) -> String {
    let keys = given.iter().map(|(cluster, keys)| {
        let primary = keys.first().map(|record| record.key.id());
        (cluster.clone(), ClusterKeys { primary, keys: keys.clone() })
    });
    KeySnapshot { generated_at: wall, clusters: keys.collect() }.to_string()
}

/// What was kept.
///
/// # Errors
/// For people: it isn't what [`to_json`] writes.
pub(super) fn from_json(json: &str) -> Result<BTreeMap<String, Said>, String> {
    let texts: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut all = BTreeMap::new();
    for (source, units) in texts {
        let mut said = Said::new();
        for (unit, text) in units {
            let given = read(&text, None, Wall(0)).map_err(|error| error.to_string())?;
            said.insert(unit, given);
        }
        all.insert(source, said);
    }
    Ok(all)
}
