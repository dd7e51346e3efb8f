//! The page in a real browser.

use testbench::Chromium;

use crate::demo::Demo;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_counts_its_visits_by_the_link() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let demo = Demo::in_memory();
    browser.open(&format!("http://{}/", demo.address)).await;
    assert_eq!(browser.text("output").await, "1");
    let id = browser
        .cookie("eg_session_id")
        .await
        .expect("it took the cookie");
    assert_eq!(id.len(), 43);
    for expected in ["2", "3"] {
        browser.click("a").await;
        assert_eq!(browser.text("output").await, expected);
    }
    // The script has made minutes and seconds of the 900 seconds.
    let left = browser.text("#left").await;
    assert!(left == "15:00" || left.starts_with("14:"), "{left}");
    assert_eq!(browser.cookie("eg_session_id").await.as_deref(), Some(&*id));
    browser.end().await;
}
