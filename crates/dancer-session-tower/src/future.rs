//! A request on its way: the handler, the flush, the cookie; and what becomes of it when the client
//! goes before the end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dancer_session::{Flushed, Session};
use http::header::{CACHE_CONTROL, HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Response};
use pin_project_lite::pin_project;

use crate::answers::Answers;
use crate::handle::SessionHandle;
use crate::layer::SessionLayer;
use crate::{Error, cookies};

pin_project! {
    /// The future of a [`SessionService`](crate::SessionService).
    pub struct ResponseFuture<F, A, B> {
        #[pin]
        handler: F,
        handle: SessionHandle,
        layer: Arc<SessionLayer<A>>,
        stage: Stage<B>,
    }

    impl<F, A, B> PinnedDrop for ResponseFuture<F, A, B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let (Stage::Handling, Some(session)) = (this.stage, this.handle.taken()) {
                session.abandon();
            }
        }
    }
}

enum Stage<B> {
    Handling,
    // Only requests that took their session come here, so only they pay for the box.
    Flushing(Pin<Box<dyn Future<Output = Response<B>> + Send>>),
    Done,
}

impl<F, A, B> ResponseFuture<F, A, B> {
    pub(crate) fn new(handler: F, handle: SessionHandle, layer: Arc<SessionLayer<A>>) -> Self {
        let stage = Stage::Handling;
        Self {
            handler,
            handle,
            layer,
            stage,
        }
    }
}

impl<F, A, B, E> Future for ResponseFuture<F, A, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    A: Answers<B> + Send + Sync + 'static,
    B: Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Stage::Handling = this.stage {
            // A handler that fails without an answer is as one that was dropped: it stays at this
            // stage.
            let response = ready!(this.handler.poll(context))?;
            if this.handle.taken().is_none() {
                this.handle.head_leaves();
                *this.stage = Stage::Done;
                return Poll::Ready(Ok(shaped(response, &this.layer.answers)));
            }
            let finish = finish(this.handle.clone(), Arc::clone(this.layer), response);
            *this.stage = Stage::Flushing(Box::pin(finish));
        }
        let Stage::Flushing(finish) = this.stage else {
            return Poll::Pending;
        };
        let response = ready!(finish.as_mut().poll(context));
        *this.stage = Stage::Done;
        Poll::Ready(Ok(response))
    }
}

/// Flushes the session after the handler, and lets the client know its id if that changed.
async fn finish<A: Answers<B>, B>(
    handle: SessionHandle,
    layer: Arc<SessionLayer<A>>,
    response: Response<B>,
) -> Response<B> {
    let Some(session) = handle.taken() else {
        return response;
    };
    if response.status().is_server_error() {
        session.discard();
    }
    let mut response = match session.flush().await {
        Ok(Flushed::Ended) => layer.answers.ended(shaped(response, &layer.answers)),
        Ok(_) => shaped(response, &layer.answers),
        Err(error) => {
            tracing::error!(%error, "flush_failed");
            layer.answers.fault(&error.into())
        }
    };
    handle.head_leaves();
    // Also after a failure: what was stored before it is stored.
    tell(
        response.headers_mut(),
        &handle,
        session,
        layer.clear_site_data.as_ref(),
    );
    response
}

/// A handler's answer, or if that is one of our errors, the application's answer to it.
fn shaped<A: Answers<B>, B>(mut response: Response<B>, answers: &A) -> Response<B> {
    match response.extensions_mut().remove::<Error>() {
        Some(error) => answers.fault(&error),
        None => response,
    }
}

/// Puts into the head of the response what the client and the caches between must know.
fn tell(
    headers: &mut HeaderMap,
    handle: &SessionHandle,
    session: &Session,
    clear_site_data: Option<&HeaderValue>,
) {
    add(headers, VARY, "Cookie", &["Cookie", "*"]);
    let settings = &handle.engine().settings().cookie;
    let cookie = match owed(handle, session) {
        Owed::Nothing => return,
        Owed::Id => session.id().and_then(|id| cookies::giving(settings, &id)),
        Owed::Removal => {
            if let Some(directives) = clear_site_data {
                headers.append(CLEAR_SITE_DATA, directives.clone());
            }
            cookies::removing(settings)
        }
    };
    if let Some(cookie) = cookie {
        headers.append(SET_COOKIE, cookie);
        add(headers, CACHE_CONTROL, "no-store", &["no-store"]);
    }
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Adds `word` to a header that is a list, unless one of `enough` is in it. What the application
/// has put there stays.
fn add(headers: &mut HeaderMap, name: HeaderName, word: &'static str, enough: &[&str]) {
    let there = headers.get_all(&name).iter().any(|value| {
        let words = value.as_bytes().split(|byte| *byte == b',');
        let mut words = words.map(<[u8]>::trim_ascii);
        words.any(|word| {
            enough
                .iter()
                .any(|enough| word.eq_ignore_ascii_case(enough.as_bytes()))
        })
    });
    if !there {
        headers.append(name, HeaderValue::from_static(word));
    }
}

/// What the client must be told, if what it has is not what it should have.
enum Owed {
    Nothing,
    Id,
    Removal,
}

fn owed(handle: &SessionHandle, session: &Session) -> Owed {
    let slides = handle.engine().settings().cookie.expires.is_some();
    match session.id() {
        // Its client may have a newer one by now.
        Some(_) if session.is_ended() => Owed::Nothing,
        // A cookie with an expiry is sent again, so that it slides with the session.
        Some(id) if handle.presented(&id) && !slides => Owed::Nothing,
        Some(_) => Owed::Id,
        None if session.is_destroyed() && handle.presented_any() => Owed::Removal,
        None => Owed::Nothing,
    }
}

impl<F, A, B> fmt::Debug for ResponseFuture<F, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ResponseFuture");
        out.field("handle", &self.handle).finish_non_exhaustive()
    }
}
