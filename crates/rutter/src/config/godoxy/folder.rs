//! The folder that a set-up of GoDoxy's lives in.

use std::path::{Path, PathBuf};

use rutter_providers::godoxy::config::{DotEnv, SetupReading, read_config};
use rutter_yaml::Problem;

use crate::config::ConfigError;

/// Where a set-up lies, and what its two files say.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// The folder that the original runs in, absolute.
    root: PathBuf,
    /// `config.yml`.
    config: PathBuf,
    text: String,
    /// `.env` beside it, if there is one.
    env_file: Option<PathBuf>,
    env: DotEnv,
}

impl Folder {
    /// Finds `config/config.yml` or `config.yml` in a directory, and `.env`.
    ///
    /// # Errors
    /// There is neither, or one can't be read.
    pub(crate) fn find(dir: &Path) -> Result<Self, ConfigError> {
        let root = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let places = [root.join("config/config.yml"), root.join("config.yml")];
        let Some(config) = places.iter().find(|place| place.is_file()).cloned() else {
            let message = "there is neither `config/config.yml` nor `config.yml` here";
            let problem = Problem::at_path(Vec::new(), message)
                .help("name the directory in which GoDoxy's `config` lies");
            return Err(ConfigError::new(&root.display().to_string(), "", vec![problem]));
        };
        let text = rutter_yaml::read(&config)?;
        let env_file = Some(root.join(".env")).filter(|path| path.is_file());
        let env = match &env_file {
            Some(path) => DotEnv::parse(&rutter_yaml::read(path)?),
            None => DotEnv::default(),
        };
        Ok(Self { root, config, text, env_file, env })
    }

    /// Reads the two, but for the keys that are left out.
    ///
    /// # Errors
    /// `config.yml` isn't YAML.
    pub(crate) fn read(&self, without: &[String]) -> Result<SetupReading, ConfigError> {
        read_config(&self.name(), &self.text, &|name| self.variable(name), without)
    }

    /// A variable: what this process was started with goes before the file.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.env.get(name))
    }

    /// Problems of `config.yml`.
    pub(crate) fn error(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError::new(&self.name(), &self.text, problems)
    }

    /// What `config.yml` is called.
    pub(crate) fn name(&self) -> String {
        self.config.display().to_string()
    }

    /// The text of `config.yml`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The folder that the original runs in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file of routes: they lie beside `config.yml`.
    pub(crate) fn route_file(&self, name: &str) -> PathBuf {
        self.config.parent().unwrap_or(&self.root).join(name)
    }

    /// The file of variables, and what it says.
    pub(crate) fn env(&self) -> Option<(&Path, &DotEnv)> {
        Some((self.env_file.as_deref()?, &self.env))
    }
}
