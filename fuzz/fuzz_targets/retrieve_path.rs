//! Any payload under the key of a session, in either layout: missing, unreadable, or a session whose
//! entries can be asked for and changed. Only what was read as the session is ever replaced.

#![no_main]

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dancer_session::{
    Create, Destroy, Error, Key, Layout, Renew, Renewal, Replace, SessionEngine, Settings, Store,
    Touch,
};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// A store that has the same payload under every key, and knows what was put in its place.
#[derive(Clone, Default)]
struct Fuzzed(Arc<Mutex<(Bytes, Option<Bytes>)>>);

impl Store for Fuzzed {
    async fn retrieve(
        &self,
        _: &Key,
        _: Option<Duration>,
        _: Instant,
    ) -> Result<Option<Bytes>, Error> {
        Ok(Some(self.0.lock().unwrap().0.clone()))
    }

    async fn peek(&self, _: &Key, _: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        Ok(Some((self.0.lock().unwrap().0.clone(), Duration::ZERO)))
    }

    async fn create(&self, _: &Key, _: &[u8], _: Duration, _: Instant) -> Result<Create, Error> {
        Ok(Create::Created)
    }

    async fn replace(
        &self,
        _: &Key,
        read: &[u8],
        payload: &[u8],
        _: Duration,
        _: Instant,
    ) -> Result<Replace, Error> {
        let mut there = self.0.lock().unwrap();
        assert_eq!(there.0, read, "what was read is what is replaced");
        there.1 = Some(Bytes::copy_from_slice(payload));
        Ok(Replace::Replaced)
    }

    async fn renew(&self, _: Renewal<'_>, _: Instant) -> Result<Renew, Error> {
        Ok(Renew::Renewed)
    }

    async fn destroy(&self, _: &Key, _: &[u8], _: Duration, _: Instant) -> Result<Destroy, Error> {
        Ok(Destroy::Gone)
    }

    async fn touch(&self, _: &Key, _: Duration, _: Instant) -> Result<Touch, Error> {
        Ok(Touch::Touched)
    }

    fn place(&self) -> String {
        "a fuzzer".into()
    }
}

/// An id for each layout. That of Dancer is the one in the corpus.
const IDS: [(Layout, &str); 2] = [
    (Layout::Native, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    (Layout::Dancer, "394850239485760239485760239485760239"),
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().build().expect("a runtime")
});

fuzz_target!(|input: &[u8]| {
    for (layout, id) in IDS {
        let store = Fuzzed::default();
        store.0.lock().unwrap().0 = Bytes::copy_from_slice(input);
        let settings = Settings {
            layout,
            ..Settings::default()
        };
        let engine = SessionEngine::builder(settings);
        let engine = engine.with_store(store.clone()).expect("good settings");
        RUNTIME.block_on(use_session(&engine, id));
        let written = store.0.lock().unwrap().1.take();
        if let Some(written) = written {
            // What was written is a session again, with what was set.
            store.0.lock().unwrap().0 = written;
            let again = RUNTIME.block_on(engine.retrieve(id));
            let again = again.expect("it is readable").expect("and there");
            assert_eq!(again.get("fuzzed").expect("as it was set"), Some(1));
        }
    }
});

async fn use_session(engine: &SessionEngine, id: &str) {
    let session = match engine.retrieve(id).await {
        Ok(Some(session)) => session,
        Ok(None) => return,
        Err(error) => return assert!(error.is_unreadable(), "{error}"),
    };
    for name in session.keys() {
        // An answer or an error, for each by itself.
        drop(session.get::<serde_json::Value>(&name));
    }
    session.set("fuzzed", 1).expect("a name that is not reserved");
    if let Err(error) = session.flush().await {
        // It may have been as large, or as deep, as it can be.
        assert!(error.is_refused(), "{error}");
    }
}
