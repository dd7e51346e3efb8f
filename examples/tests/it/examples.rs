//! The examples themselves; their `main` is not called here.

#![allow(dead_code, reason = "what only `main` calls")]

#[path = "../../beside_dancer.rs"]
pub(crate) mod beside_dancer;
#[path = "../../counter.rs"]
pub(crate) mod counter;
#[path = "../../each_core.rs"]
pub(crate) mod each_core;
#[path = "../../login.rs"]
pub(crate) mod login;
#[path = "../../plain_tower.rs"]
pub(crate) mod plain_tower;
#[path = "../../stream.rs"]
pub(crate) mod stream;
#[path = "../../typed.rs"]
pub(crate) mod typed;
