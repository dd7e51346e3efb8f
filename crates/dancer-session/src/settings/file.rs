//! Reads settings from a Dancer application's whole configuration, of which most is not ours.
//!
//! Every message names the file. No message quotes the file's text beyond single values that are
//! no password.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};

use super::address::Target;
use super::misfit::shown;
use super::{Settings, keys, scalar};
use crate::Error;

/// A `session_*` key this near to one of ours is a slip of the pen, others are Dancer's.
const NEAR: usize = 2;

/// The name of the environment whose file is merged over the configuration.
pub(super) fn environment() -> String {
    ["DANCER_ENVIRONMENT", "PLACK_ENV"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "development".into())
}

pub(super) fn read(path: &Path, environment: &str) -> Result<Settings, Error> {
    let configuration = Configuration::read(path, environment)?;
    let mut settings = Settings::default();
    configuration.fill(&mut settings)?;
    settings
        .check()
        .and_then(|()| Target::of(&settings).map(drop))
        .map_err(|misfit| {
            let place = configuration.place(misfit.key);
            misfit.into_error_in(&place)
        })?;
    Ok(settings)
}

/// What of the configuration is ours, sorted, so that of several mistakes always the same one is
/// told.
struct Configuration {
    files: Files,
    /// What is in `redis_session`.
    section: BTreeMap<String, Value>,
    /// The `session_*` keys beside it.
    cookie: BTreeMap<String, Value>,
}

impl Configuration {
    fn read(path: &Path, environment: &str) -> Result<Self, Error> {
        let mut paths = vec![path.to_path_buf()];
        open(path).map_err(|cause| unreadable(path, &cause))?;
        let over = path
            .with_file_name("environments")
            .join(format!("{environment}.yml"));
        match open(&over) {
            Ok(()) => paths.push(over),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(unreadable(&over, &cause)),
        }
        Self::parse(Files(paths))
    }

    fn parse(files: Files) -> Result<Self, Error> {
        let mut builder = Config::builder();
        for path in &files.0 {
            builder = builder.add_source(File::from(path.as_path()).format(FileFormat::Yaml));
        }
        let mut root = builder
            .build()
            .and_then(|config| config.cache.into_table())
            .map_err(|cause| not_yaml(&cause, &files))?;
        let section = section(root.remove("redis_session"), &files)?;
        root.retain(|name, _| name.starts_with("session_"));
        Ok(Self {
            files,
            section,
            cookie: root.into_iter().collect(),
        })
    }

    fn fill(&self, settings: &mut Settings) -> Result<(), Error> {
        let mut section: Vec<_> = self.section.iter().collect();
        section.sort_by_key(|(name, _)| keys::rank(name));
        for (name, value) in section {
            let reader = keys::known(name)
                .map_err(|said| Error::settings(format!("{said} (in {})", self.place(name))))?;
            self.put(settings, reader, name, value)?;
        }
        for (name, value) in &self.cookie {
            match keys::reader(keys::COOKIE, name) {
                Some(reader) => self.put(settings, reader, name, value)?,
                None => self.refuse_slip(name)?,
            }
        }
        Ok(())
    }

    fn put(
        &self,
        settings: &mut Settings,
        reader: keys::Reader,
        name: &str,
        value: &Value,
    ) -> Result<(), Error> {
        if matches!(value.kind, ValueKind::Nil) {
            return Ok(());
        }
        reader(settings, &value.kind)
            .map_err(|said| Error::settings(format!("{name} {said} (in {})", self.place(name))))
    }

    fn refuse_slip(&self, name: &str) -> Result<(), Error> {
        match keys::nearest(keys::COOKIE, name) {
            Some((key, distance)) if distance <= NEAR => Err(Error::settings(format!(
                "{} is not a known key, did you mean `{key}`? (in {})",
                shown(name),
                self.place(name)
            ))),
            _ => Ok(()),
        }
    }

    /// Where a key stands: of two files the one whose value holds.
    fn place(&self, name: &str) -> String {
        if let Some(value) = self.section.get(name) {
            format!("redis_session of {}", self.files.named(origin(value)))
        } else {
            self.files.named(self.cookie.get(name).and_then(origin))
        }
    }
}

/// The files a configuration was read from.
struct Files(Vec<PathBuf>);

impl Files {
    /// The file of that origin, as the application calls it: `config` makes paths relative.
    fn named(&self, origin: Option<&str>) -> String {
        let real = origin.and_then(|origin| fs::canonicalize(origin).ok());
        let is_it = |path: &&PathBuf| real.is_some() && fs::canonicalize(path).ok() == real;
        match self.0.iter().find(is_it) {
            Some(path) => path.display().to_string(),
            None => self.all(),
        }
    }

    fn all(&self) -> String {
        let names: Vec<_> = self
            .0
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(" and ")
    }
}

fn section(value: Option<Value>, files: &Files) -> Result<BTreeMap<String, Value>, Error> {
    let place = files.named(value.as_ref().and_then(origin));
    match value.map(|value| value.kind) {
        Some(ValueKind::Table(section)) => Ok(section.into_iter().collect()),
        None | Some(ValueKind::Nil) => Err(Error::settings(format!(
            "redis_session is not defined: write `redis_session:` with `server: localhost:6379` \
             indented below it (in {place})"
        ))),
        // Its value is not shown: it may be a URL with a password.
        Some(other) => Err(Error::settings(format!(
            "redis_session must be a hash reference, and is {}: write `server: localhost:6379` \
             indented below `redis_session:` (in {place})",
            scalar::kind(&other)
        ))),
    }
}

/// A merged table has no origin of its own, what is in it has.
fn origin(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(inner) => inner.values().filter_map(origin).min(),
        _ => None,
    })
}

/// Looks before `config` does, whose errors do not name the file, and which takes a file that
/// can't be read for one that isn't there.
fn open(path: &Path) -> std::io::Result<()> {
    fs::File::open(path).map(drop)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::settings(format!("cannot read {}: {cause}", path.display()))
}

fn not_yaml(cause: &ConfigError, files: &Files) -> Error {
    let ConfigError::FileParse { uri, cause } = cause else {
        return Error::settings(format!("cannot read {}", files.all()));
    };
    let said = cause.to_string();
    // Only the scanner's messages end with a position. The others quote what they found, and that
    // may be a password.
    let position = said.rsplit_once(" column ").map(|(_, column)| column);
    let from_scanner = position.is_some_and(|column| column.bytes().all(|b| b.is_ascii_digit()));
    let said = if from_scanner {
        &said
    } else {
        "expected one document, a mapping whose keys are plain words"
    };
    let file = files.named(uri.as_deref());
    Error::settings(format!("{file} is not a YAML configuration: {said}"))
}
