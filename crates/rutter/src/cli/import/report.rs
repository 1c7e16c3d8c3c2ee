//! The report: each file with its fields, and what there is of each sort.

use rutter_providers::godoxy::import::{Field, Outcome};
use serde::{Serialize, Serializer};

use super::against::Against;
use crate::config::ConfigError;

/// What becomes of a set-up.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) files: Vec<FileReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<Against>,
    /// The file of ours that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<String>,
    /// Fields of each sort, over all files.
    pub(super) fields: Counts,
}

/// How many fields there are of each sort.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Counts {
    pub(super) ok: usize,
    pub(super) ignored: usize,
    pub(super) different: usize,
    pub(super) refused: usize,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Different => &mut self.different,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }
}

/// One file.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    file: String,
    fields: Vec<Line>,
    #[serde(skip)]
    counts: Counts,
}

/// One field.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(serialize_with = "word")]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
}

fn word<S: Serializer>(outcome: &Outcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.as_str())
}

impl Line {
    pub(super) fn new(
        field: String,
        line: Option<usize>,
        column: Option<usize>,
        outcome: Outcome,
        why: Vec<String>,
    ) -> Self {
        Self { field, line, column, outcome, why }
    }
}

impl From<Field> for Line {
    fn from(field: Field) -> Self {
        let Field { path, spot, outcome, why } = field;
        let (line, column) = (spot.map(|spot| spot.line), spot.map(|spot| spot.column));
        Self { field: path.join("."), line, column, outcome, why }
    }
}

impl FileReport {
    /// All fields are counted; those that are ok are told if `all` are.
    pub(super) fn new(file: String, mut fields: Vec<Line>, all: bool) -> Self {
        let mut counts = Counts::default();
        fields.iter().for_each(|line| counts.add(line.outcome));
        fields.retain(|line| all || line.outcome != Outcome::Ok);
        fields.sort_by_key(|line| (line.line.unwrap_or(usize::MAX), line.column));
        Self { file, fields, counts }
    }

    pub(super) fn of_fields(file: String, fields: Vec<Field>, all: bool) -> Self {
        Self::new(file, fields.into_iter().map(Line::from).collect(), all)
    }

    /// A file that isn't there, or that can't be read at all.
    pub(super) fn unreadable(file: String, error: &ConfigError) -> Self {
        let line = |problem: &rutter_yaml::Problem| {
            let (line, column) = (problem.spot.map(|s| s.line), problem.spot.map(|s| s.column));
            let why = vec![problem.message.clone()];
            Line::new(String::new(), line, column, Outcome::Refused, why)
        };
        Self::new(file, error.problems.iter().map(line).collect(), true)
    }
}

impl Report {
    /// Adds up.
    pub(super) fn count(&mut self) {
        self.fields = Counts::default();
        for FileReport { counts, .. } in &self.files {
            self.fields.ok += counts.ok;
            self.fields.ignored += counts.ignored;
            self.fields.different += counts.different;
            self.fields.refused += counts.refused;
        }
    }

    /// The worst of all.
    pub(super) fn worst(&self) -> Outcome {
        let differs = self.against.as_ref().is_some_and(|against| !against.differences.is_empty());
        match self.fields {
            Counts { refused: 1.., .. } => Outcome::Refused,
            Counts { different: 1.., .. } => Outcome::Different,
            _ if differs => Outcome::Different,
            Counts { ignored: 1.., .. } => Outcome::Ignored,
            _ => Outcome::Ok,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            for line in &file.fields {
                let at = match (line.line, line.column) {
                    (Some(line), Some(column)) => format!("{}:{line}:{column}", file.file),
                    (Some(line), None) => format!("{}:{line}", file.file),
                    _ => file.file.clone(),
                };
                let field =
                    if line.field.is_empty() { String::new() } else { format!(" {}", line.field) };
                let why = match line.why.is_empty() {
                    true => String::new(),
                    false => format!(": {}", line.why.join("; ")),
                };
                text.push_str(&format!("{:<9} {at}{field}{why}\n", line.outcome));
            }
        }
        if let Some(against) = &self.against {
            text.push_str(&against.text());
        }
        let Counts { ok, ignored, different, refused } = self.fields;
        text.push_str(&format!(
            "{ok} fields are ok, {ignored} ignored, {different} different, {refused} refused\n"
        ));
        if let Some(path) = &self.written {
            text.push_str(&format!("written to {path}: `rutter run --config {path}`\n"));
        }
        text
    }
}
