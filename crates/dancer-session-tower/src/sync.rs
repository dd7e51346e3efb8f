//! What tasks of one request share without a lock: the standard library's, and in the checks of
//! `shuttled` that of `shuttle`, which lets another task go on at each use.

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use shuttle::sync::atomic::AtomicBool;
#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::sync::atomic::AtomicBool;
