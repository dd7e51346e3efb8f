//! The layer: takes the cookie from the request, and gives the request its handle.

use std::sync::Arc;
use std::task::{Context, Poll};

use dancer_session::SessionEngine;
use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::answers::{Answers, PlainAnswers};
use crate::cookies;
use crate::future::ResponseFuture;
use crate::handle::SessionHandle;

/// Gives every request of the service it goes around a session. The cookie is that of
/// [`Settings::cookie`](dancer_session::Settings::cookie).
#[derive(Debug, Clone)]
pub struct SessionLayer<A = PlainAnswers> {
    pub(crate) engine: SessionEngine,
    pub(crate) answers: A,
    pub(crate) clear_site_data: Option<HeaderValue>,
    name: Arc<str>,
}

impl SessionLayer {
    /// A layer with the sessions of `engine`.
    pub fn new(engine: SessionEngine) -> Self {
        let name = engine.settings().cookie.name().into();
        Self {
            engine,
            answers: PlainAnswers,
            clear_site_data: None,
            name,
        }
    }
}

impl<A> SessionLayer<A> {
    /// The same layer with other answers to faults and to the end of a session.
    pub fn answers<B>(self, answers: B) -> SessionLayer<B> {
        SessionLayer {
            engine: self.engine,
            answers,
            clear_site_data: self.clear_site_data,
            name: self.name,
        }
    }

    /// Sends `Clear-Site-Data` with the answer to a log-out (a `destroy`), for instance
    /// `"cache", "storage"` with these quotes: then the browser throws that away too. Default: not
    /// sent, because it also empties what other applications of the same origin keep.
    #[must_use]
    pub fn clear_site_data(mut self, directives: HeaderValue) -> Self {
        self.clear_site_data = Some(directives);
        self
    }
}

impl<S, A: Clone> Layer<S> for SessionLayer<A> {
    type Service = SessionService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = Arc::new(self.clone());
        SessionService { inner, layer }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct SessionService<S, A = PlainAnswers> {
    inner: S,
    layer: Arc<SessionLayer<A>>,
}

impl<S, A, Body, B> Service<Request<Body>> for SessionService<S, A>
where
    S: Service<Request<Body>, Response = Response<B>>,
    A: Answers<B> + Send + Sync + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, A, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let SessionLayer { engine, name, .. } = &*self.layer;
        let duplicates = engine.settings().cookie.duplicates();
        let presented = cookies::presented(request.headers(), name, duplicates);
        let handle = SessionHandle::new(engine.clone(), presented);
        request.extensions_mut().insert(handle.clone());
        let handler = self.inner.call(request);
        ResponseFuture::new(handler, handle, Arc::clone(&self.layer))
    }
}
