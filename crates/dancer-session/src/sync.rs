//! The locks on what several tasks share: the standard library's, and in the checks of
//! [`shuttled`](crate) those of `shuttle`, which lets another task go on at each of them.

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::sync::{Mutex, MutexGuard};
