//! The layer: takes the cookie from the request, and gives the request its handle.

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
    engine: SessionEngine,
    shape: Shape<A>,
}

/// What a response is given besides its cookie: answers to faults, and a header at a log-out.
#[derive(Debug, Clone)]
pub(crate) struct Shape<A> {
    pub(crate) answers: A,
    pub(crate) clear_site_data: Option<HeaderValue>,
}

impl SessionLayer {
    /// A layer with the sessions of `engine`.
    pub fn new(engine: SessionEngine) -> Self {
        Self {
            engine,
            shape: Shape {
                answers: PlainAnswers,
                clear_site_data: None,
            },
        }
    }
}

impl<A> SessionLayer<A> {
    /// The same layer with other answers to faults and to the end of a session. They are cloned for
    /// each request.
    pub fn answers<B>(self, answers: B) -> SessionLayer<B> {
        SessionLayer {
            engine: self.engine,
            shape: Shape {
                answers,
                clear_site_data: self.shape.clear_site_data,
            },
        }
    }

    /// Sends `Clear-Site-Data` with the answer to a log-out (a `destroy`), for instance
    /// `"cache", "storage"` with these quotes: then the browser throws that away too. Default: not
    /// sent, because it also empties what other applications of the same origin keep.
    #[must_use]
    pub fn clear_site_data(mut self, directives: HeaderValue) -> Self {
        self.shape.clear_site_data = Some(directives);
        self
    }
}

impl<S, A: Clone> Layer<S> for SessionLayer<A> {
    type Service = SessionService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        SessionService { inner, layer }
    }
}

/// What [`SessionLayer`] makes of a service. A server clones it for each connection or request.
#[derive(Debug)]
pub struct SessionService<S, A = PlainAnswers> {
    inner: S,
    layer: SessionLayer<A>,
}

impl<S: Clone, A: Clone> Clone for SessionService<S, A> {
    fn clone(&self) -> Self {
        let SessionLayer { engine, shape } = &self.layer;
        Self {
            inner: self.inner.clone(),
            layer: SessionLayer {
                engine: engine.for_request(),
                shape: shape.clone(),
            },
        }
    }
}

impl<S, A, Body, B> Service<Request<Body>> for SessionService<S, A>
where
    S: Service<Request<Body>, Response = Response<B>>,
    A: Answers<B> + Clone + Send + Sync + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, A, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let SessionLayer { engine, shape } = &self.layer;
        let cookie = &engine.settings().cookie;
        let presented = cookies::presented(request.headers(), cookie.name(), cookie.duplicates());
        let handle = SessionHandle::new(engine.for_request(), presented);
        request.extensions_mut().insert(handle.clone());
        let handler = self.inner.call(request);
        ResponseFuture::new(handler, handle, shape.clone())
    }
}
