//! As much of a browser as the tests need: a jar with one application's cookies, forms, and a look
//! at what came back.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, HeaderName, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use dancer_session_tower::{SessionEngine, Settings};
use futures_util::stream;
use tower::ServiceExt;

pub(crate) fn memory() -> SessionEngine {
    SessionEngine::in_memory(Settings::default()).unwrap()
}

#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    pub(crate) jar: Jar,
}

impl Browser {
    pub(crate) fn new(app: &Router) -> Self {
        let (app, jar) = (app.clone(), Jar::default());
        Self { app, jar }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        self.read(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&mut self, path: &str, accept: &str) -> Page {
        let request = self.request(Method::GET, path).header("accept", accept);
        self.read(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form. The values must not need any escaping but of blanks.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let form: Vec<_> = form.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let form = form.join("&").replace(' ', "+");
        let kind = "application/x-www-form-urlencoded";
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, kind);
        self.read(request.body(Body::from(form)).unwrap()).await
    }

    /// Sends JSON that arrives when `ready` is, so that the session has been read long before.
    pub(crate) async fn put_slowly(
        &mut self,
        path: &str,
        json: &str,
        ready: impl Future<Output = ()> + Send + 'static,
    ) -> Page {
        let json = Bytes::copy_from_slice(json.as_bytes());
        let body = Body::from_stream(stream::once(async {
            ready.await;
            Ok::<_, Infallible>(json)
        }));
        let request = self.request(Method::PUT, path);
        let request = request.header(CONTENT_TYPE, "application/json");
        self.read(request.body(body).unwrap()).await
    }

    /// The head of the answer in hand, its body still to come.
    pub(crate) async fn open(&mut self, path: &str) -> Response<Body> {
        let request = self.request(Method::GET, path).body(Body::empty());
        self.send(request.unwrap()).await
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        match self.jar.header() {
            Some(cookies) => request.header(COOKIE, cookies),
            None => request,
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Response<Body> {
        let response = self.app.clone().oneshot(request).await.unwrap();
        self.jar.take(response.headers());
        response
    }

    async fn read(&mut self, request: Request<Body>) -> Page {
        let (head, body) = self.send(request).await.into_parts();
        let body = to_bytes(body, 100_000).await.unwrap();
        Page {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }
}

/// Cookies by name, as a browser keeps them for one host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar(BTreeMap<String, String>);

impl Jar {
    pub(crate) fn take(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.put(name, value);
            }
        }
    }

    pub(crate) fn put(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn header(&self) -> Option<String> {
        let pairs: Vec<_> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The id in the secure cookie, which is what the tests' engines use.
    pub(crate) fn id(&self) -> Option<String> {
        self.0.get(COOKIE_NAME).cloned()
    }

    pub(crate) fn plant(&mut self, id: &str) {
        self.put(COOKIE_NAME, id);
    }
}

pub(crate) const COOKIE_NAME: &str = "__Host-id";

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn header(&self, name: HeaderName) -> String {
        let values = self.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        values.join(", ")
    }

    /// Where it redirects to.
    pub(crate) fn leads_to(&self) -> Option<String> {
        let location = (self.status == StatusCode::SEE_OTHER).then(|| self.header(LOCATION));
        location.filter(|location| !location.is_empty())
    }

    /// The value against forged requests in the page's form.
    pub(crate) fn csrf(&self) -> String {
        self.between(r#"name="csrf" value=""#, "\"")
    }

    fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.body.split_once(before).expect(&self.body);
        rest.split_once(after).unwrap().0.to_owned()
    }
}
