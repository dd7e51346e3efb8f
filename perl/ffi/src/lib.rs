//! What `Dancer::Session::Redis` calls: one function, with bytes in and bytes out. All that is said
//! about sessions stands in the engine; here its calls are only put into messages.
//!
//! This is the only place of the project with unsafe code, and this file is all of it.
#![allow(unsafe_code)]

mod calls;
mod commands;
mod engines;
mod message;
mod owners;
mod settings;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use message::Reply;

thread_local! {
    /// The last reply, kept until the next call so that nobody has to give it back.
    static REPLY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Carries out a request, of which `message.rs` says how it looks, and returns where its reply is and
/// how long. The reply stays until the next call in the same thread. A panic is a reply, too.
///
/// # Safety
///
/// `request` is the start of `len` bytes that nobody changes during the call, and `reply_len` may be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dancer_session_call(
    request: *const u8,
    len: usize,
    reply_len: *mut usize,
) -> *const u8 {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller promises that these bytes are there, and stay as they are.
        let request = unsafe { std::slice::from_raw_parts(request, len) };
        calls::answer(request)
    }));
    let reply = outcome.unwrap_or_else(|panic| panicked(panic.as_ref()));
    REPLY.with_borrow_mut(|last| {
        *last = reply.into_bytes();
        // SAFETY: the caller promises that this may be written to.
        unsafe { reply_len.write(last.len()) };
        last.as_ptr()
    })
}

fn panicked(panic: &(dyn Any + Send)) -> Reply {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let words = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let words = words.unwrap_or("without words");
    Reply::error("panic", &format!("a fault of the session engine: {words}"))
}

#[cfg(test)]
mod tests {
    use super::{dancer_session_call, panicked};

    fn call(request: &[u8]) -> Vec<u8> {
        let mut len = 0;
        // SAFETY: the request is a slice, and the reply stays until the next call.
        unsafe {
            let reply = dancer_session_call(request.as_ptr(), request.len(), &raw mut len);
            std::slice::from_raw_parts(reply, len).to_vec()
        }
    }

    #[test]
    fn what_is_no_request_gets_an_error() {
        for request in [&b""[..], b"?", b"retrieve", &[0xff; 40]] {
            assert!(call(request).starts_with(b"\0\0\0\x05error"), "{request:?}");
        }
    }

    #[test]
    fn a_panic_keeps_its_words() {
        let panic = std::panic::catch_unwind(|| panic!("twice {}", 2)).expect_err("it panics");
        let reply = panicked(panic.as_ref()).into_bytes();
        let text = String::from_utf8_lossy(&reply);
        assert!(text.contains("panic") && text.contains("twice 2"), "{text}");
    }
}
