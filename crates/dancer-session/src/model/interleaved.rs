//! interleaved
