//! What a client is told when its session can't be had, or has ended.

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use crate::Error;

/// Shapes the answers that the layer gives in place of a handler's.
///
/// [`PlainAnswers`] is what you get without one of your own; see
/// [`SessionLayer::answers`](crate::SessionLayer::answers). It must not tell the visitor what the
/// error says: that is for the log.
pub trait Answers<B>: Clone {
    /// The session could not be read or stored. When the error
    /// [is unavailable](Error::is_unavailable) this should be a 503 with `Retry-After`, else a 500.
    ///
    /// The client's cookie stays as it is: the session may well be there.
    fn fault(&self, error: &Error) -> Response<B>;

    /// The handler changed a session that another request had ended meanwhile (a log-out, a
    /// log-in): nothing was stored, and no cookie is sent. `response` is the handler's; return it as
    /// it is, or a 401, or a redirect.
    ///
    /// Its client may keep the old id for [`renew_grace`](dancer_session::Settings::renew_grace), if
    /// the answer that took it away was lost. A page that redirects to itself would never end: where
    /// such a visitor may begin anew, call `renew` if the session
    /// [is ended](dancer_session::Session::is_ended), before setting anything.
    fn ended(&self, response: Response<B>) -> Response<B> {
        response
    }

    /// The handler's log-in was refused, because the owner has as many sessions as
    /// [`max_sessions`](dancer_session::Settings::max_sessions) allows: nothing of it was stored.
    /// `response` is the handler's, which takes the visitor for logged in. By default its status
    /// becomes 403; a page that lists the other sessions is more help.
    fn too_many(&self, mut response: Response<B>) -> Response<B> {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }
}

/// Empty bodies: 503 with `Retry-After: 1`, 500, 403 for one session too many; and the handler's own
/// answer after the end.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainAnswers;

impl<B: Default> Answers<B> for PlainAnswers {
    fn fault(&self, error: &Error) -> Response<B> {
        plain(error)
    }

    fn too_many(&self, _response: Response<B>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }
}

/// What a fault is by default.
pub(crate) fn plain<B: Default>(error: &Error) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    if error.is_unavailable() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}
