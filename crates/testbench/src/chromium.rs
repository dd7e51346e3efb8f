//! A real browser, driven through `chromedriver`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use tempfile::TempDir;

/// A headless Chromium with a profile of its own, which ends with the test.
#[derive(Debug)]
pub struct Chromium {
    client: Client,
    driver: Driver,
    _profile: TempDir,
}

#[derive(Debug)]
struct Driver {
    process: Child,
    /// Kept open: the driver goes on writing.
    _output: BufReader<ChildStdout>,
}

impl Chromium {
    /// Starts one; `None`, with a word about it, where Chromium or its driver are not installed and
    /// nobody has asked for the long forms of the tests.
    pub async fn start() -> Option<Chromium> {
        if !installed() {
            let long = std::env::var_os("DANCER_SESSION_LONG").is_some();
            assert!(
                !long,
                "install chromium and chromium-driver, or leave out --long"
            );
            eprintln!("left out: chromium and chromedriver are not installed");
            return None;
        }
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let (driver, port) = start_driver();
        let capabilities = serde_json::json!({ "goog:chromeOptions": { "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage",
            format!("--user-data-dir={}", profile.path().display()),
        ] } });
        let capabilities = serde_json::from_value(capabilities).expect("an object");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the browser starts");
        Some(Chromium {
            client,
            driver,
            _profile: profile,
        })
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// The text that a visitor reads in the first element that fits, once there is one.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.expect("it has text")
    }

    /// Types into a field.
    pub async fn fill(&self, css: &str, text: &str) {
        self.find(css)
            .await
            .send_keys(text)
            .await
            .expect("it takes keys");
    }

    /// Clicks, on a link or a button.
    pub async fn click(&self, css: &str) {
        self.find(css)
            .await
            .click()
            .await
            .expect("it can be clicked");
    }

    /// Where the browser is.
    pub async fn url(&self) -> String {
        self.client
            .current_url()
            .await
            .expect("it is somewhere")
            .into()
    }

    /// What the browser keeps under this name for the page that is open.
    pub async fn cookie(&self, name: &str) -> Option<String> {
        let all = self
            .client
            .get_all_cookies()
            .await
            .expect("it tells its cookies");
        let ours = all.into_iter().find(|cookie| cookie.name() == name)?;
        Some(ours.value().to_owned())
    }

    /// Ends the browser; without this it ends when the driver notices that it was dropped.
    pub async fn end(self) {
        self.client.clone().close().await.expect("the browser ends");
    }

    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(Duration::from_secs(20));
        wait.for_element(Locator::Css(css))
            .await
            .expect("there is such an element")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked to end, the driver ends its browser as well; killed, it would leave it behind.
        let pid = self.driver.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(asked.is_ok(), "there is a program `kill`");
        // An error means that it has ended already.
        drop(self.driver.process.wait());
    }
}

fn installed() -> bool {
    ["chromium", "chromedriver"].iter().all(|program| {
        let asked = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    })
}

/// The driver, and the port that it has chosen.
fn start_driver() -> (Driver, u16) {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let output = process.stdout.take().expect("its output is a pipe");
    let mut output = BufReader::new(output);
    let port = output.by_ref().lines().find_map(|line| {
        let line = line.expect("it writes text");
        let port = line.split_once("successfully on port ")?.1;
        port.trim_end_matches('.').parse().ok()
    });
    let port = port.expect("it says on which port it listens");
    (
        Driver {
            process,
            _output: output,
        },
        port,
    )
}
