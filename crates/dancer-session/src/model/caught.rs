//! caught
