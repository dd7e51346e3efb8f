//! What a document says of itself first: dialect, version, and the machine it is written for.

/// The header of a document. What was read is written with the header it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Whether the magic `pst0` comes first, as in the files of Perl's `store` and `nstore`.
    pub file: bool,
    /// The minor version of the format; the major version is 2. Up to 12 is read.
    pub minor: u8,
    /// The machine that the numbers are laid out for, or `None` for network order.
    pub native: Option<Native>,
}

/// The layout of numbers in native order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Native {
    /// The order of the bytes of a number.
    pub order: ByteOrder,
    /// Size of Perl's integers in bytes: 4 or 8.
    pub integer: u8,
    /// Size of C's `long`, in bytes. Not used, only kept: Perl compares it.
    pub long: u8,
    /// Size of a pointer, in bytes. Not used, only kept: Perl compares it.
    pub pointer: u8,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The lowest.
    Little,
    /// The highest.
    Big,
}

impl Header {
    /// What Perl declares since 5.26. Whatever is made from Rust types is known to it.
    pub(crate) const MADE: u8 = 11;
    /// Booleans are known since this one.
    pub(crate) const BOOLEANS: u8 = 12;

    /// What a 64-bit Perl writes with `freeze` on a machine with this machine's byte order.
    pub fn native() -> Self {
        let order = match cfg!(target_endian = "big") {
            true => ByteOrder::Big,
            false => ByteOrder::Little,
        };
        Self {
            native: Some(Native {
                order,
                integer: 8,
                long: 8,
                pointer: 8,
            }),
            ..Self::network()
        }
    }

    /// What Perl writes with `nfreeze`: readable on every machine.
    pub fn network() -> Self {
        Self {
            file: false,
            minor: Self::MADE,
            native: None,
        }
    }
}
