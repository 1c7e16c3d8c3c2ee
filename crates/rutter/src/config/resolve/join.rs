//! Join lines, which an agent has and a gateway apart from its controller.

use std::path::PathBuf;

use rutter_agent::JoinUrl;

use super::Problems;
use crate::config::{Problem, raw};

/// An agent's line.
pub(super) fn required(agent: &raw::Agent, to: &mut Problems) -> Option<JoinUrl> {
    if agent.join.is_none() && agent.join_file.is_none() {
        to.push(
            Problem::at("agent", "the agent doesn't know where to join")
                .help("write `join: URL#TOKEN`, the line that `rutter up` prints"),
        );
        return None;
    }
    written("agent", agent.join.as_ref(), agent.join_file.as_ref(), to)
}

/// The line that stands in a section or in the file that it names; `None` where there is none or
/// where it is wrong, which is then told.
pub(super) fn written(
    section: &str,
    line: Option<&String>,
    file: Option<&PathBuf>,
    to: &mut Problems,
) -> Option<JoinUrl> {
    let in_file = format!("{section}.join_file");
    let (path, line) = match (line, file) {
        (None, None) => return None,
        (Some(line), None) => (format!("{section}.join"), line.clone()),
        (None, Some(file)) => match std::fs::read_to_string(file) {
            Ok(line) => (in_file, line),
            Err(error) => {
                to.at(&in_file, format!("{}: {error}", file.display()));
                return None;
            }
        },
        (Some(_), Some(_)) => {
            to.at(&in_file, "`join` stands there too: write one of the two");
            return None;
        }
    };
    // The error repeats no part of the line, which holds a token.
    line.parse().map_err(|error: rutter_agent::AgentError| to.at(&path, error.to_string())).ok()
}
