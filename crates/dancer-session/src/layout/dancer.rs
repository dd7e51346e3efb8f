//! The Dancer layout: bare ids as keys, Perl's Storable as payload, shared with Dancer
//! applications. So far its payloads are only recognised, so that nobody takes one for damage.

/// Whether this is what Perl's `Storable` writes: its major version 2 in native or in network byte
/// order, with or without the magic that files have.
pub(super) fn recognises(payload: &[u8]) -> bool {
    let body = payload.strip_prefix(b"pst0").unwrap_or(payload);
    matches!(body.first(), Some(0x04 | 0x05))
}
