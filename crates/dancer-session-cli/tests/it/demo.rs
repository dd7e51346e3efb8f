//! A running demo, and its visitors.

use std::net::SocketAddr;

use serde_json::Value;

use crate::http::{Answer, get};
use crate::program::Program;

/// A demo that listens.
pub(crate) struct Demo {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    /// What it said about where sessions live.
    pub(crate) place: String,
}

impl Demo {
    pub(crate) fn in_memory() -> Demo {
        Demo::start(&[], &[])
    }

    pub(crate) fn in_redis(url: &str) -> Demo {
        Demo::start(&[], &[("REDIS_URL", url)])
    }

    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Demo {
        let arguments = [&["demo", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut program = Program::start(&arguments, environment);
        let open = program.line();
        let address = open
            .strip_prefix("dancer-session: open http://")
            .and_then(|rest| rest.split('/').next())
            .and_then(|address| address.parse().ok());
        Demo {
            address: address.unwrap_or_else(|| panic!("no address to open: {open}")),
            place: program.line(),
            program,
        }
    }

    /// Ends it with Ctrl-C and returns its exit status.
    pub(crate) fn interrupt(self) -> Option<i32> {
        self.program.interrupt();
        self.program.end().0
    }
}

/// A client that keeps its cookie, and takes it along to other demos.
#[derive(Clone, Default)]
pub(crate) struct Visitor {
    id: Option<String>,
}

impl Visitor {
    pub(crate) fn id(&self) -> &str {
        self.id.as_deref().expect("a visit gave a cookie")
    }

    /// The page as a browser gets it.
    pub(crate) fn html(&mut self, demo: &Demo) -> Answer {
        self.visit(
            demo,
            "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8",
        )
    }

    pub(crate) fn json(&mut self, demo: &Demo) -> Value {
        let answer = self.visit(demo, "application/json");
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.body).expect("the body is JSON")
    }

    /// The number that a visit gets.
    pub(crate) fn count(&mut self, demo: &Demo) -> u64 {
        let page = self.json(demo);
        page["counter"].as_u64().expect("a number")
    }

    fn visit(&mut self, demo: &Demo, accept: &str) -> Answer {
        let cookie = format!(
            "other=1; eg_session_id={}",
            self.id.as_deref().unwrap_or("?")
        );
        let headers = [("Accept", accept), ("Cookie", &cookie)];
        let answer = get(demo.address, "/", &headers);
        if let [cookie] = answer.all("set-cookie")[..] {
            let value = cookie
                .strip_prefix("eg_session_id=")
                .and_then(|rest| rest.split(';').next());
            self.id = Some(value.expect("it is our cookie").to_owned());
        }
        answer
    }
}
