//! Where it was measured, and with which versions.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    /// How many processes wanted to run before the start: more than one, and others work here too.
    pub(crate) load: String,
    pub(crate) versions: BTreeMap<&'static str, String>,
}

/// What is named: all whose speed shows.
const CRATES: [&str; 8] = [
    "actix-session",
    "actix-web",
    "axum",
    "dancer-session",
    "fred",
    "tokio",
    "tower-sessions",
    "tower-sessions-redis-store",
];

impl Machine {
    pub(crate) fn here() -> Self {
        let cpus = read("/proc/cpuinfo");
        let cpu = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let cpu = cpu.map_or("unknown", |name| name.trim_matches([' ', '\t', ':']));
        let cores = std::thread::available_parallelism();
        let load = read("/proc/loadavg");
        Self {
            cores: cores.map_or(1, Into::into),
            cpu: cpu.to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            versions: versions(),
        }
    }

    pub(crate) fn sentence(&self) -> String {
        let versions = self.versions.iter();
        let versions: Vec<_> = versions
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        format!(
            "{} cores of {}, Linux {}, load {} before the start; {}.",
            self.cores,
            self.cpu,
            self.kernel,
            self.load,
            versions.join(", ")
        )
    }
}

fn versions() -> BTreeMap<&'static str, String> {
    let lock = include_str!("../../../Cargo.lock");
    let of = |name: &str| {
        let at = format!("name = \"{name}\"\nversion = \"");
        let versions = lock.split(&at).skip(1);
        let versions: Vec<_> = versions.filter_map(|rest| rest.split('"').next()).collect();
        versions.join(" and ")
    };
    let mut all: BTreeMap<_, _> = CRATES.map(|name| (name, of(name))).into();
    // The second one is what actix-session has.
    all.insert("redis (crate)", of("redis"));
    all.insert("redis-server", redis_server());
    all.insert("wrk", wrk());
    all
}

fn redis_server() -> String {
    let output = Command::new("redis-server").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let version = text.split(' ').find_map(|word| word.strip_prefix("v="));
    version.unwrap_or("unknown").to_owned()
}

fn wrk() -> String {
    let output = Command::new("wrk").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split(' ').nth(1).unwrap_or("unknown").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
