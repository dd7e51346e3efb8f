//! How often each command ran, as the server counts it.

use std::collections::BTreeMap;

/// Calls per command, in lower case as the server names them: `getex`, `evalsha`, `client|setinfo`.
///
/// Commands that ran inside a script are counted too. Two of these are equal when they count the
/// same, so that a test can name all the work it expects:
///
/// ```
/// use testbench::Commands;
///
/// let before = Commands::from([("get", 2), ("set", 5)]);
/// let after = Commands::from([("get", 3), ("set", 5), ("getex", 1)]);
/// assert_eq!(after.since(&before), Commands::from([("get", 1), ("getex", 1)]));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands(BTreeMap<String, u64>);

impl Commands {
    /// What was called more often than at an earlier moment, and by how much.
    pub fn since(&self, earlier: &Commands) -> Commands {
        let grown = self.0.iter().filter_map(|(name, &calls)| {
            let more = calls.saturating_sub(earlier.calls(name));
            (more > 0).then(|| (name.clone(), more))
        });
        Commands(grown.collect())
    }

    /// How often this command was called.
    pub fn calls(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How many commands were called in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Every command that was called at least once.
    pub fn as_map(&self) -> &BTreeMap<String, u64> {
        &self.0
    }

    /// Reads the reply to `INFO commandstats`: lines like `cmdstat_get:calls=2,usec=10,…`.
    pub(crate) fn parse(info: &str) -> Commands {
        let counted = info.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            Some((name.to_lowercase(), calls))
        });
        Commands(counted.filter(|&(_, calls)| calls > 0).collect())
    }

    pub(crate) fn add(&mut self, name: &str, calls: u64) {
        *self.0.entry(name.to_owned()).or_default() += calls;
    }
}

impl<const N: usize> From<[(&str, u64); N]> for Commands {
    fn from(counts: [(&str, u64); N]) -> Commands {
        Commands(counts.map(|(name, calls)| (name.to_owned(), calls)).into())
    }
}
