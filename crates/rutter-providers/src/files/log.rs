//! What is said of a reading in the log.

use std::path::Path;

use rutter_yaml::Problem;

use crate::{Reading, RemarkKind};

/// How many things are said of one reading; of more, how many there are.
const MOST: usize = 20;

/// Says which routes were refused, and what whoever wrote the file may not expect.
pub(super) fn say(path: &Path, reading: &Reading) {
    let (file, n_routes) = (path.display(), reading.routes.len());
    tracing::info!(%file, n_routes, n_refused = reading.refused.len(), "read a file of routes");
    let problems = reading.refused.iter().flat_map(|refused| {
        refused.problems.iter().map(move |problem| (refused.name.as_str(), problem))
    });
    for (route, problem) in problems.clone().take(MOST) {
        let (at, what) = (place(path, problem), &problem.message);
        tracing::error!(%at, route, help = problem.help, "a route is refused: {what}");
    }
    let warnings = reading.remarks.iter().filter(|remark| remark.kind.is_warning());
    for remark in warnings.clone().take(MOST) {
        let (at, what) = (place(path, &remark.problem), &remark.problem.message);
        match remark.kind {
            RemarkKind::Mistake => tracing::warn!(%at, "{what}"),
            RemarkKind::Ignored | RemarkKind::Differs => tracing::info!(%at, "{what}"),
        }
    }
    let n_more = problems.count().saturating_sub(MOST) + warnings.count().saturating_sub(MOST);
    if n_more > 0 {
        tracing::warn!(%file, n_more, "there is more to be said of this file");
    }
}

/// `FILE:LINE:COLUMN`, or the keys that lead there.
fn place(path: &Path, problem: &Problem) -> String {
    let file = path.display();
    match problem.spot {
        Some(spot) => format!("{file}:{}:{}", spot.line, spot.column),
        None => format!("{file}: {}", problem.path.join(".")),
    }
}
