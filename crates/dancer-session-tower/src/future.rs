//! A request on its way: the handler, the flush, the cookie; and what becomes of it when the client
//! goes before the end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dancer_session::{Flushed, Session, SessionId};
use http::header::{CACHE_CONTROL, Entry, HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Response};
use pin_project_lite::pin_project;

use crate::answers::Answers;
use crate::handle::SessionHandle;
use crate::layer::Shape;
use crate::{Error, cookies, fault};

pin_project! {
    /// The future of a [`SessionService`](crate::SessionService).
    pub struct ResponseFuture<F, A, B> {
        #[pin]
        handler: F,
        // Behind the handler, and so dropped after it: what the handler asks for while it is dropped
        // counts too.
        request: Request,
        shape: Shape<A>,
        stage: Stage<B>,
    }
}

/// The request's session, and what becomes of it when the client goes before the handler's end.
struct Request {
    handle: SessionHandle,
    handling: bool,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.handle.head_leaves();
        if let (true, Some(session)) = (self.handling, self.handle.taken()) {
            session.abandon();
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
    pub(crate) fn new(handler: F, handle: SessionHandle, shape: Shape<A>) -> Self {
        let handling = true;
        Self {
            handler,
            request: Request { handle, handling },
            shape,
            stage: Stage::Handling,
        }
    }
}

impl<F, A, B, E> Future for ResponseFuture<F, A, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    A: Answers<B> + Clone + Send + Sync + 'static,
    B: Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Stage::Handling = this.stage {
            // A handler that fails without an answer is as one that was dropped: it stays at this
            // stage.
            let response = ready!(this.handler.poll(context))?;
            this.request.handling = false;
            let handle = &this.request.handle;
            if handle.taken().is_none() {
                handle.head_leaves();
                *this.stage = Stage::Done;
                let mut response = shaped(response, &this.shape.answers);
                if handle.asked() {
                    vary(response.headers_mut());
                }
                return Poll::Ready(Ok(response));
            }
            if let Some(owed) = owed_unchanged(handle) {
                *this.stage = Stage::Done;
                let mut response = shaped(response, &this.shape.answers);
                let headers = response.headers_mut();
                vary(headers);
                tell(headers, handle, owed, this.shape.clear_site_data.as_ref());
                return Poll::Ready(Ok(response));
            }
            let finish = finish(handle.clone(), this.shape.clone(), response);
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
    shape: Shape<A>,
    response: Response<B>,
) -> Response<B> {
    let Some(session) = handle.taken() else {
        return response;
    };
    if response.status().is_server_error() {
        session.discard();
    }
    let flushed = session.close().await;
    handle.head_leaves();
    let owed = owed(&handle, session, &flushed).await;
    let mut response = match flushed {
        Ok(Flushed::Ended) => shape.answers.ended(shaped(response, &shape.answers)),
        Ok(Flushed::TooMany) => shape.answers.too_many(shaped(response, &shape.answers)),
        Ok(_) => shaped(response, &shape.answers),
        Err(error) => {
            fault::flush_failed(handle.engine(), &error);
            shape.answers.fault(&error.into())
        }
    };
    // Also after a failure: what was stored before it is stored.
    let headers = response.headers_mut();
    vary(headers);
    tell(headers, &handle, owed, shape.clear_site_data.as_ref());
    response
}

/// A handler's answer, or if that is one of our errors, the application's answer to it.
fn shaped<A: Answers<B>, B>(mut response: Response<B>, answers: &A) -> Response<B> {
    match response.extensions_mut().remove::<Error>() {
        Some(error) => answers.fault(&error),
        None => response,
    }
}

/// Puts into the head of the response what the client must know.
fn tell(
    headers: &mut HeaderMap,
    handle: &SessionHandle,
    owed: Owed,
    clear_site_data: Option<&HeaderValue>,
) {
    let settings = &handle.engine().settings().cookie;
    let cookie = match owed {
        Owed::Nothing => return,
        Owed::Id(id) => cookies::giving(settings, &id),
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

/// Lets caches know that another session gets another answer.
fn vary(headers: &mut HeaderMap) {
    add(headers, VARY, "Cookie", &["Cookie", "*"]);
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Adds `word` to a header that is a list, unless one of `enough` is in it. What the application
/// has put there stays.
fn add(headers: &mut HeaderMap, name: HeaderName, word: &'static str, enough: &[&str]) {
    let has_enough = |value: &HeaderValue| {
        let words = value.as_bytes().split(|byte| *byte == b',');
        let mut words = words.map(<[u8]>::trim_ascii);
        words.any(|word| {
            enough
                .iter()
                .any(|enough| word.eq_ignore_ascii_case(enough.as_bytes()))
        })
    };
    match headers.entry(name) {
        Entry::Vacant(free) => {
            free.insert(HeaderValue::from_static(word));
        }
        Entry::Occupied(there) if there.iter().any(has_enough) => {}
        Entry::Occupied(mut there) => there.append(HeaderValue::from_static(word)),
    }
}

/// What the client must be told, if what it has is not what it should have.
enum Owed {
    Nothing,
    Id(SessionId),
    Removal,
}

/// What is owed after a request that has changed nothing: then nothing is to be waited for. `None`: it
/// has, or may have.
fn owed_unchanged(handle: &SessionHandle) -> Option<Owed> {
    let session = handle.taken().filter(|session| session.close_unchanged())?;
    handle.head_leaves();
    match claim(handle, session) {
        Claim::Owed(owed) => Some(owed),
        Claim::Sliding(_) => None,
    }
}

/// What the client may have to be told.
enum Claim {
    Owed(Owed),
    /// The cookie that it has, once more: one with an expiry, so that it slides with the session.
    Sliding(SessionId),
}

fn claim(handle: &SessionHandle, session: &Session) -> Claim {
    let slides = handle.engine().settings().cookie.expires.is_some();
    Claim::Owed(match session.id() {
        // Its client may have a newer one by now.
        Some(_) if session.is_ended() => Owed::Nothing,
        Some(id) if !handle.presented(&id) => Owed::Id(id),
        Some(id) if slides => return Claim::Sliding(id),
        Some(_) => Owed::Nothing,
        None if session.is_destroyed() && handle.presented_any() => Owed::Removal,
        None => Owed::Nothing,
    })
}

async fn owed(
    handle: &SessionHandle,
    session: &Session,
    flushed: &Result<Flushed, dancer_session::Error>,
) -> Owed {
    match claim(handle, session) {
        Claim::Owed(owed) => owed,
        Claim::Sliding(id) if slides(session, flushed).await => Owed::Id(id),
        Claim::Sliding(_) => Owed::Nothing,
    }
}

/// Whether a sliding cookie is sent. Not if another request has given the client a newer one while
/// this one was slow, which only the store knows.
async fn slides(session: &Session, flushed: &Result<Flushed, dancer_session::Error>) -> bool {
    match flushed {
        Ok(Flushed::Stored) => true,
        // Apart, as it is large and seldom.
        Ok(_) => Box::pin(session.is_current()).await.unwrap_or(false),
        Err(_) => false,
    }
}

impl<F, A, B> fmt::Debug for ResponseFuture<F, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ResponseFuture");
        out.field("handle", &self.request.handle)
            .finish_non_exhaustive()
    }
}
