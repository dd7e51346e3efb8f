//! The tests of this crate in one program. `perl` holds the Perl that they run against.

mod changes;
mod conversions;
mod damage;
mod differential;
mod hostile;
mod perl;
mod rendering;
mod vectors;
