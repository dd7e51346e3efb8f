//! What a server says of itself, and what processes cost.

use std::collections::BTreeMap;
use std::fs;

use redis::aio::MultiplexedConnection;

/// What a server has done since it was started.
#[derive(Debug, Default, Clone)]
pub(crate) struct Census {
    /// Seconds of CPU time.
    pub(crate) cpu: f64,
    pub(crate) received: f64,
    pub(crate) sent: f64,
    /// Bytes that its keys and values take, with whatever else it needs.
    pub(crate) memory: f64,
    pub(crate) calls: BTreeMap<String, f64>,
}

impl Census {
    pub(crate) async fn of(connection: &mut MultiplexedConnection) -> Self {
        let info = redis::cmd("INFO")
            .arg(&["cpu", "stats", "memory", "commandstats"])
            .query_async::<String>(connection)
            .await;
        let info = info.expect("the server answers");
        let fields: BTreeMap<&str, &str> = info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .collect();
        let number = |name: &str| -> f64 {
            let text = fields.get(name);
            text.and_then(|text| text.trim().parse().ok())
                .unwrap_or_else(|| panic!("INFO has no number {name}"))
        };
        Self {
            cpu: number("used_cpu_user") + number("used_cpu_sys"),
            received: number("total_net_input_bytes"),
            sent: number("total_net_output_bytes"),
            memory: number("used_memory"),
            calls: fields.iter().filter_map(calls).collect(),
        }
    }

    /// What has been done since `before`, without the looks of ours.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let calls = self.calls.iter().filter_map(|(name, calls)| {
            let more = calls - before.calls.get(name).unwrap_or(&0.0);
            (more > 0.0 && name != "info").then(|| (name.clone(), more))
        });
        Self {
            cpu: self.cpu - before.cpu,
            received: self.received - before.received,
            sent: self.sent - before.sent,
            memory: self.memory - before.memory,
            calls: calls.collect(),
        }
    }

    /// The commands that clients sent: without those inside of scripts, which are no round trips. These are a
    /// `GET` and a `SET`, and behind a cache a `PTTL`; that of a client's own goes with a `GET`.
    pub(crate) fn commands(&self) -> f64 {
        let called = |name: &str| self.calls.get(name).copied().unwrap_or(0.0);
        let scripts = called("evalsha");
        let [gets, sets] = ["get", "set"].map(|name| called(name).min(scripts));
        let looks = (called("pttl") - (called("get") - gets)).max(0.0);
        let all = self.calls.values().sum::<f64>();
        (all - gets - sets - looks).max(0.0)
    }
}

/// `cmdstat_get:calls=17,usec=…`
fn calls((name, text): (&&str, &&str)) -> Option<(String, f64)> {
    let name = name.strip_prefix("cmdstat_")?;
    let calls = text.strip_prefix("calls=")?.split(',').next()?;
    Some((name.to_owned(), calls.parse().ok()?))
}

/// Seconds of CPU time that the threads of a process have taken.
pub(crate) fn cpu_of(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.expect("the process runs, on Linux");
    let nanoseconds = threads.filter_map(|thread| {
        // A thread may end just now.
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_does_is_no_command_of_a_client() {
        for (calls, commands) in [
            // Without a cache: each reads, and stores with a script.
            (
                &[("getex", 5.0), ("evalsha", 5.0), ("get", 5.0), ("set", 5.0)][..],
                10.0,
            ),
            // With one: all stored with a script that looks; two had to be read.
            (
                &[("evalsha", 5.0), ("get", 7.0), ("set", 5.0), ("pttl", 7.0)],
                9.0,
            ),
            // Kept reads of one, and a writer without a cache beside it.
            (
                &[("evalsha", 5.0), ("get", 8.0), ("set", 5.0), ("pttl", 3.0)],
                11.0,
            ),
            (&[("get", 5.0), ("set", 5.0)], 10.0),
        ] {
            let calls = calls
                .iter()
                .map(|(name, calls)| ((*name).to_owned(), *calls));
            let census = Census {
                calls: calls.collect(),
                ..Census::default()
            };
            assert_eq!(census.commands(), commands);
        }
    }
}
