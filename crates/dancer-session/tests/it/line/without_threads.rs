use dancer_session::{Error, SessionEngine, Settings};

/// The engine that is tested here.
async fn init(settings: Settings) -> Result<SessionEngine, Error> {
    let builder = SessionEngine::builder(settings);
    builder.without_threads().init().await
}

/// Runs something beside the test: in a thread of its own, or the tasks behind it would wait for it.
fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work))
}

#[path = "connection.rs"]
mod connection;
#[path = "faults.rs"]
mod faults;
#[path = "lost_replies.rs"]
mod lost_replies;
#[path = "probing.rs"]
mod probing;
#[path = "refused.rs"]
mod refused;
#[path = "taxonomy.rs"]
mod taxonomy;
