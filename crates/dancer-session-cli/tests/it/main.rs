//! The program itself, started as a user starts it, and visited over HTTP.

mod chromium;
mod counting;
mod demo;
mod http;
mod page;
mod places;
mod program;
mod refusals;
