//! What `Dancer::Session::Redis` calls: functions with bytes in and bytes out. All that is said
//! about sessions stands in the engine; here its calls are only put into messages.
//!
//! All calls could be made by one function, but to put a message together takes Perl longer than
//! anything else here. So what each request of a visitor does has a function of its own.
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
use std::slice;

use bytes::Bytes;
use calls::InPerl;
use message::Reply;

thread_local! {
    /// The last reply, kept until the next one so that nobody has to give it back; and its number,
    /// which is below zero.
    static REPLY: RefCell<(isize, Bytes)> = const { RefCell::new((0, Bytes::new())) };
}

/// Carries out a request, of which `message.rs` says how it looks, and returns where its reply is and
/// how long. The reply stays until the next one in the same thread. A panic is a reply, too.
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
    let reply = guarded(|| {
        // SAFETY: the caller promises that these bytes are there, and stay as they are.
        let request = unsafe { slice::from_raw_parts(request, len) };
        calls::answer(request).into_bytes().into()
    });
    keep(reply);
    REPLY.with_borrow(|(_, reply)| {
        // SAFETY: the caller promises that this may be written to.
        unsafe { reply_len.write(reply.len()) };
        reply.as_ptr()
    })
}

/// Reads the session with this id. What `calls::retrieve` answers is written to `room`, and its
/// length returned; see `message::Answer`. If it is longer, a number below zero is returned, by
/// which [`dancer_session_reply`] has it.
///
/// # Safety
///
/// `id` is the start of `id_len` bytes that nobody changes during the call, and `room` that of
/// `room_len` bytes that may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dancer_session_retrieve(
    engine: usize,
    id: *const u8,
    id_len: usize,
    room: *mut u8,
    room_len: usize,
) -> isize {
    let answer = guarded(|| {
        // SAFETY: the caller promises that these bytes are there, and stay as they are.
        let id = unsafe { slice::from_raw_parts(id, id_len) };
        calls::retrieve(engine, id).into_bytes()
    });
    // SAFETY: the caller promises it.
    unsafe { give(answer, room, room_len) }
}

/// Stores a session: its id, the payload that was read, what it is now, and how, of which
/// `calls::flush` says more. Its answer comes as that of [`dancer_session_retrieve`].
///
/// # Safety
///
/// Each pointer is the start of so many bytes that nobody changes during the call, but `room` that of
/// those that may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dancer_session_flush(
    engine: usize,
    id: *const u8,
    id_len: usize,
    payload: *const u8,
    payload_len: usize,
    frozen: *const u8,
    frozen_len: usize,
    how: *const u8,
    how_len: usize,
    room: *mut u8,
    room_len: usize,
) -> isize {
    let answer = guarded(|| {
        // SAFETY: the caller promises that these bytes are there, and stay as they are.
        let (session, how) = unsafe {
            let session = InPerl {
                id: slice::from_raw_parts(id, id_len),
                payload: slice::from_raw_parts(payload, payload_len),
                frozen: slice::from_raw_parts(frozen, frozen_len),
            };
            (session, slice::from_raw_parts(how, how_len))
        };
        calls::flush(engine, &session, how).into_bytes()
    });
    // SAFETY: the caller promises it.
    unsafe { give(answer, room, room_len) }
}

/// Where the reply with this number is and how long; empty, if there was another one since.
///
/// # Safety
///
/// `reply_len` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dancer_session_reply(number: isize, reply_len: *mut usize) -> *const u8 {
    REPLY.with_borrow(|(last, reply)| {
        let reply = if number == *last { &reply[..] } else { &[] };
        // SAFETY: the caller promises that this may be written to.
        unsafe { reply_len.write(reply.len()) };
        reply.as_ptr()
    })
}

/// # Safety
///
/// `room` is the start of `room_len` bytes that may be written to.
unsafe fn give(answer: Bytes, room: *mut u8, room_len: usize) -> isize {
    if answer.len() > room_len {
        return keep(answer);
    }
    // SAFETY: there is room for it, and nothing of ours is there.
    unsafe { room.copy_from_nonoverlapping(answer.as_ptr(), answer.len()) };
    answer.len() as isize
}

/// Returns its number.
fn keep(reply: Bytes) -> isize {
    REPLY.with_borrow_mut(|(number, last)| {
        *number -= 1;
        *last = reply;
        *number
    })
}

/// No panic may go on into Perl.
fn guarded(work: impl FnOnce() -> Bytes) -> Bytes {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    outcome.unwrap_or_else(|panic| panicked(panic.as_ref()).into_bytes().into())
}

fn panicked(panic: &(dyn Any + Send)) -> Reply {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let words = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let words = words.unwrap_or("without words");
    Reply::error("panic", &format!("a fault of the session engine: {words}"))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::{dancer_session_call, dancer_session_reply, dancer_session_retrieve, panicked};

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
    fn an_answer_that_is_too_large_waits_for_who_asks_next() {
        // SAFETY: what is read and written to are slices.
        let retrieve = |room: &mut [u8]| unsafe {
            dancer_session_retrieve(99, ptr::dangling(), 0, room.as_mut_ptr(), room.len())
        };
        let mut room = [1; 100];
        let len = usize::try_from(retrieve(&mut room)).expect("there is room for an error");
        assert!(room.starts_with(b"\0\0\0\x05error") && room[len..].iter().all(|&byte| byte == 1));

        let mut small = [1; 8];
        let number = retrieve(&mut small);
        assert!(number < 0 && small == [1; 8], "{number}");
        let mut waiting = 0;
        // SAFETY: as above, and the reply stays until the next call.
        let reply = unsafe { dancer_session_reply(number, &raw mut waiting) };
        let reply = unsafe { std::slice::from_raw_parts(reply, waiting) };
        assert_eq!(reply, &room[..len]);

        assert_ne!(retrieve(&mut small), number);
        // SAFETY: as above.
        unsafe { dancer_session_reply(number, &raw mut waiting) };
        assert_eq!(waiting, 0);
    }

    #[test]
    fn a_panic_keeps_its_words() {
        let panic = std::panic::catch_unwind(|| panic!("twice {}", 2)).expect_err("it panics");
        let reply = panicked(panic.as_ref()).into_bytes();
        let text = String::from_utf8_lossy(&reply);
        assert!(text.contains("panic") && text.contains("twice 2"), "{text}");
    }
}
