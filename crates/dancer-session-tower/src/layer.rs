//! The layer: the cookie in, the handler, the flush, the cookie out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dancer_session::SessionEngine;
use http::header::SET_COOKIE;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::cookies;
use crate::extract::failure;
use crate::handle::SessionHandle;

/// Gives every request of the service it goes around a session.
///
/// The cookie is the one of [`Settings::cookie`](dancer_session::Settings::cookie).
#[derive(Debug, Clone)]
pub struct SessionLayer {
    engine: SessionEngine,
    name: Arc<str>,
}

impl SessionLayer {
    /// A layer with the sessions of `engine`.
    pub fn new(engine: SessionEngine) -> Self {
        let name = engine.settings().cookie.name().into();
        Self { engine, name }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        SessionService { inner, layer }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S, Body, ResBody> Service<Request<Body>> for SessionService<S>
where
    S: Service<Request<Body>, Response = Response<ResBody>>,
    ResBody: Default + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let SessionLayer { engine, name } = &self.layer;
        let presented = cookies::presented(request.headers(), name);
        let handle = SessionHandle::new(engine.clone(), presented);
        request.extensions_mut().insert(handle.clone());
        ResponseFuture {
            handler: self.inner.call(request),
            handle,
            flushing: None,
        }
    }
}

pin_project! {
    /// The future of a [`SessionService`].
    pub struct ResponseFuture<F, ResBody> {
        #[pin]
        handler: F,
        handle: SessionHandle,
        flushing: Option<Flushing<ResBody>>,
    }
}

/// Only requests that took their session come here, so only they pay for the box.
type Flushing<ResBody> = Pin<Box<dyn Future<Output = Response<ResBody>> + Send>>;

impl<F, ResBody, E> Future for ResponseFuture<F, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: Default + Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.flushing.is_none() {
            let response = ready!(this.handler.poll(context))?;
            if this.handle.taken().is_none() {
                return Poll::Ready(Ok(response));
            }
            *this.flushing = Some(Box::pin(finish(this.handle.clone(), response)));
        }
        match this.flushing {
            Some(flushing) => flushing.as_mut().poll(context).map(Ok),
            None => Poll::Pending,
        }
    }
}

/// Flushes the session after the handler, and lets the client know its id if that changed.
async fn finish<B: Default>(handle: SessionHandle, mut response: Response<B>) -> Response<B> {
    let Some(session) = handle.taken() else {
        return response;
    };
    if response.status().is_server_error() {
        session.discard();
    }
    if let Err(error) = session.flush().await {
        tracing::error!(%error, "flush_failed");
        response = failure(error.is_unavailable());
    }
    // Also after a failure: what was stored before it is stored.
    if let Some(cookie) = owed(&handle, session) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The cookie that the client must get, if what it has is not what it should have.
fn owed(handle: &SessionHandle, session: &dancer_session::Session) -> Option<HeaderValue> {
    let settings = &handle.engine().settings().cookie;
    match session.id() {
        // Its client may have a newer one by now.
        Some(_) if session.is_ended() => None,
        // A cookie with an expiry is sent again, so that it slides with the session.
        Some(id) if handle.presented(&id) && settings.expires.is_none() => None,
        Some(id) => cookies::giving(settings, &id),
        None if session.is_destroyed() && handle.presented_any() => cookies::removing(settings),
        None => None,
    }
}

impl<F, ResBody> std::fmt::Debug for ResponseFuture<F, ResBody> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
