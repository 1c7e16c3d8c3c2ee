//! What is wrong with a file, and how it is told.

use std::fmt;
use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use crate::Positions;

/// A place in a text; line and column count from 1, the rest is in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// Bytes before it.
    pub offset: usize,
    /// Bytes of it.
    pub length: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as keys from the file's top.
    pub path: Vec<String>,
    /// What, and what was expected.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, as a place in the text.
    pub spot: Option<Spot>,
}

impl Problem {
    /// A problem at a path, which is written `controller.lease` unless a key has a dot in it.
    pub fn at(path: &str, message: impl Into<String>) -> Self {
        Self::at_path(path.split('.').map(str::to_owned).collect(), message)
    }

    /// A problem at a path.
    pub fn at_path(path: Vec<String>, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), help: None, spot: None }
    }

    /// What to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Finds its place in the text, unless it is known.
    pub fn locate(&mut self, positions: &Positions) {
        self.spot = self.spot.or_else(|| positions.find(&self.path));
    }
}

/// In one line, for whoever knows the file: `line 3: blog.port: expected ...; what to do`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spot) = self.spot {
            write!(f, "line {}: ", spot.line)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a file. Nothing was started or changed.
#[derive(Debug, Clone)]
pub struct ConfigError {
    name: String,
    text: String,
    /// What is wrong, in the order of the text.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// Problems of a text, which is shown under a name.
    pub fn new(name: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), problems }
    }

    pub(crate) fn unreadable(path: &Path, why: &std::io::Error) -> Self {
        let problem = Problem::at_path(Vec::new(), format!("the file can't be read: {why}"));
        let help = match why.kind() {
            std::io::ErrorKind::NotFound => "name an existing file with --config".to_owned(),
            std::io::ErrorKind::PermissionDenied => {
                "let this user read it, or run as its owner".to_owned()
            }
            _ => "see that it is a text file that this user may read".to_owned(),
        };
        Self::new(&path.display().to_string(), "", vec![problem.help(help)])
    }

    /// For a terminal: each problem with the lines around it.
    pub fn render(&self, colour: bool) -> String {
        let theme = match colour {
            true => GraphicalTheme::unicode(),
            false => GraphicalTheme::unicode_nocolor(),
        };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1);
        let mut text = String::new();
        for problem in &self.problems {
            let shown = Shown {
                message: self.headline(problem),
                help: problem.help.clone(),
                source: NamedSource::new(&self.name, self.text.clone()),
                label: problem.spot.map(|spot| {
                    LabeledSpan::new_with_span(Some("here".into()), (spot.offset, spot.length))
                }),
            };
            // Writing to a string doesn't fail; the plain line says the same.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&shown.message);
            }
        }
        text
    }

    fn headline(&self, problem: &Problem) -> String {
        match problem.spot {
            Some(spot) => {
                format!("{}:{}:{}: {}", self.name, spot.line, spot.column, problem.message)
            }
            None => format!("{}: {}", self.name, problem.message),
        }
    }
}

impl fmt::Display for ConfigError {
    /// One line a problem: `FILE:LINE:COLUMN: what`, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.headline(problem))?;
            if let Some(help) = &problem.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A problem as the renderer wants it.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    label: Option<LabeledSpan>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.label.as_ref().map(|_| &self.source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.label.clone()?;
        Some(Box::new(std::iter::once(label)))
    }
}
