//! Runs the files in `examples/`: each is a configuration, a play beside it (`NAME.claims.yaml`)
//! says who claims what when, and `NAME.explain.txt` is what `explain` then says. The engine does
//! no I/O, so the play is the clock.
//!
//! After a change that is meant: `UPDATE_EXAMPLES=1 cargo nextest run -p rutter examples`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rutter_rib::{Book, BookChanges, Kind};
use rutter_route::{
    Advertisement, Attributes, By, ClusterId, Decision, DestinationKind, Incarnation, Now, OwnerId,
    PathId, Prefix, Service, Session, SourceId, SourceInfo, SourceState, TableName, Tag, Tags,
    Verdict,
};
use serde::Deserialize;

use crate::config::{self, Origin, Period, tables};
use crate::text::explain;

/// What a play consists of.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Play {
    steps: Vec<Step>,
    explain: Vec<Asked>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: Period,
    #[serde(default)]
    table: Option<TableName>,
    source: SourceId,
    #[serde(default)]
    owner: Option<OwnerId>,
    #[serde(default)]
    source_tags: Vec<Tag>,
    #[serde(default)]
    advertise: Vec<Claim>,
    #[serde(default)]
    withdraw: Vec<Claim>,
    #[serde(default)]
    decide: Option<Decision>,
    #[serde(default)]
    refused: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    to: String,
    #[serde(default)]
    path: PathId,
    #[serde(default)]
    attributes: Option<Attributes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    table: Option<TableName>,
    destination: String,
}

fn now(at: Duration) -> Now {
    // A day in November.
    Now::new(0, 1_795_219_200_000).plus(at)
}

fn settle(book: &mut Book, at: Now) {
    let mut changes = BookChanges::default();
    for _ in 0..1000 {
        if book.advance(at, 1024, &mut changes).is_done() {
            return;
        }
    }
    panic!("the book doesn't come to rest");
}

fn table_of(name: Option<&TableName>) -> TableName {
    name.cloned().unwrap_or_else(|| tables::SERVICES.parse().unwrap())
}

fn act<D: Kind>(book: &mut Book, at: Now, name: &TableName, step: &Step) {
    let table = book.table_mut::<D>(name).expect("a table of that kind");
    let session = Session { source: step.source.clone(), incarnation: Incarnation(1) };
    let tags = Tags::try_from(step.source_tags.clone()).unwrap();
    let info = SourceInfo { owner: step.owner.clone(), tags, ..SourceInfo::default() };
    table.source(at, &session, SourceState::Up(info)).unwrap();
    for claim in &step.advertise {
        let attributes = claim.attributes.clone().expect("attributes of what is advertised");
        let mut route = Advertisement::new(claim.to.parse::<D>().unwrap(), attributes);
        route.path = claim.path.clone();
        let refused = match table.advertise(at, &session, route) {
            Verdict::Stands(_) => None,
            Verdict::Refused(why) => Some(why.to_string()),
        };
        assert_eq!(refused, step.refused, "{} of {}", claim.to, step.source);
    }
    for claim in &step.withdraw {
        let to = claim.to.parse::<D>().unwrap();
        assert!(table.withdraw(at, &session, &to, &claim.path), "{} isn't there", claim.to);
    }
    if let Some(decision) = step.decide {
        let by = By::Person("carol".into());
        table.decide(at, &step.source, None, decision, by, "as an example").unwrap();
    }
}

fn told<D: Kind>(book: &Book, at: Now, name: &TableName, destination: &str) -> String {
    let destination = destination.parse::<D>().unwrap();
    explain::render(&book.explain(at, name, &destination).expect("a table of that kind"))
}

fn play(path: &Path) -> String {
    let config = config::load(&Origin::rutter(path.to_owned(), None))
        .unwrap_or_else(|error| panic!("{error}"));
    let claims = path.with_extension("claims.yaml");
    let text = std::fs::read_to_string(&claims).unwrap();
    let play: Play = config::read_yaml(&text).unwrap_or_else(|why| panic!("{claims:?}: {why}"));
    assert!(!play.steps.is_empty() && !play.explain.is_empty(), "{claims:?} plays nothing");
    let mut book = tables::book(&config.tables, &config.cluster, now(Duration::ZERO), 1).unwrap();
    let kind_of = |name: &TableName| config.tables.get(name).expect("a table of the file").kind;
    let mut end = now(Duration::ZERO);
    for step in &play.steps {
        end = now(step.at.0);
        settle(&mut book, end);
        let name = table_of(step.table.as_ref());
        match kind_of(&name) {
            DestinationKind::Service => act::<Service>(&mut book, end, &name, step),
            DestinationKind::Prefix => act::<Prefix>(&mut book, end, &name, step),
            DestinationKind::Cluster => act::<ClusterId>(&mut book, end, &name, step),
        }
        settle(&mut book, end);
    }
    let explained = play.explain.iter().map(|asked| {
        let name = table_of(asked.table.as_ref());
        match kind_of(&name) {
            DestinationKind::Service => told::<Service>(&book, end, &name, &asked.destination),
            DestinationKind::Prefix => told::<Prefix>(&book, end, &name, &asked.destination),
            DestinationKind::Cluster => told::<ClusterId>(&book, end, &name, &asked.destination),
        }
    });
    explained.collect::<Vec<_>>().join("\n")
}

fn examples() -> Vec<PathBuf> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".yaml"))
        .filter(|path| !path.to_string_lossy().ends_with(".claims.yaml"))
        .collect();
    all.sort();
    all
}

#[test]
fn each_says_what_it_does() {
    let all = examples();
    assert!(all.len() >= 20, "{all:?}");
    let update = std::env::var_os("UPDATE_EXAMPLES").is_some();
    let mut differ = Vec::new();
    for path in all {
        let told = play(&path);
        let expected = path.with_extension("explain.txt");
        if update {
            std::fs::write(&expected, &told).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != told {
            differ.push(format!("{}:\n{told}", expected.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// The list in `examples/README.md` is the files, with what each says of itself.
#[test]
fn the_list_names_each() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/README.md");
    let list = std::fs::read_to_string(list).unwrap();
    for path in examples() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let head = text.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>();
        let line = format!("| [{name}]({name}) | {} |", head.join(" "));
        assert!(list.contains(&line), "examples/README.md lacks: {line}");
    }
    assert_eq!(list.matches("| [").count(), examples().len(), "it names files that are gone");
}

/// Each kind of condition and of effect that a rule may have is in an example.
#[test]
fn every_kind_of_rule_has_one() {
    let text: String =
        examples().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let words = [
        "source:",
        "kind:",
        "owner:",
        "source_tags:",
        "exact:",
        "or_longer:",
        "range:",
        "overlap:",
        "service_suffix:",
        "cluster:",
        "tags:",
        "all:",
        "any:",
        "none:",
        "path_list:",
        "longer_than:",
        "action: accept",
        "action: deny",
        "preference:",
        "priority:",
        "metric:",
        "group:",
        "add_tags:",
        "remove_tags:",
        "approve: true",
        "approval: required",
        "import_of:",
        "default: deny",
        "hold_down:",
        "damping:",
        "flap_limit:",
        "criteria:",
        "bounds:",
        "export:",
        "feeds:",
        "resolves:",
    ];
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
