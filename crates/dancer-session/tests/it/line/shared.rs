use dancer_session::{Error, SessionEngine, Settings};

/// The engine that is tested here.
async fn init(settings: Settings) -> Result<SessionEngine, Error> {
    SessionEngine::init(settings).await
}

/// Runs something beside the test.
fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

#[path = "connection.rs"]
mod connection;
#[path = "dropped.rs"]
mod dropped;
#[path = "faults.rs"]
mod faults;
#[path = "idle.rs"]
mod idle;
#[path = "lost_replies.rs"]
mod lost_replies;
#[path = "outage.rs"]
mod outage;
#[path = "refused.rs"]
mod refused;
#[path = "taxonomy.rs"]
mod taxonomy;
