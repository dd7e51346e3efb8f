//! Session ids: made by the operating system's generator, checked before they are used, never shown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::apart::Apart;
use crate::text::Text;
use crate::{Error, Layout};

/// The id of a session. In the native layout 256 random bits as 43 characters of base64url; in the
/// Dancer layout 40 random decimal digits, since Dancer and its engines expect digits.
///
/// Who knows it has the session, so it goes into the cookie and nowhere else. `Debug` and
/// `Display` show a [fingerprint](Self::fingerprint).
#[derive(Clone)]
pub struct SessionId(Arc<Inner>);

struct Inner {
    text: Text<NATIVE_CHARS>,
    /// The SHA-256 of the text; made when it is asked for.
    digest: OnceLock<[u8; 32]>,
}

impl SessionId {
    /// Makes a new id. This is the only function that does; without random bits there is no id.
    pub(crate) fn generate(entropy: &Entropy, layout: Layout) -> Result<Self, Error> {
        match layout {
            Layout::Native => {
                let mut bits = [0; NATIVE_BYTES];
                entropy.fill(&mut bits)?;
                let mut text = [0; NATIVE_CHARS];
                encode(&bits, &mut text);
                // Base64url is text.
                let text = std::str::from_utf8(&text).unwrap_or_default();
                Ok(Self::from_text(text))
            }
            Layout::Dancer => Ok(Self::from_text(&digits(entropy)?)),
        }
    }

    /// Takes what a client presented, if it has the shape of an id. Does no I/O.
    ///
    /// In the native layout that is exactly what [`generate`](Self::generate) gives; in the Dancer
    /// layout also what Dancer itself issues, now or later: 20 to 128 of `A-Za-z0-9_-~`.
    pub(crate) fn parse(presented: &str, layout: Layout) -> Option<Self> {
        let fits = match layout {
            Layout::Native => {
                let mut values = presented.bytes().map(|byte| BASE64URL[usize::from(byte)]);
                // Strict about the two bits that the last character has too many, so one id has one
                // text.
                presented.len() == NATIVE_CHARS
                    && values.clone().all(|value| value & NO_CHARACTER == 0)
                    && values.next_back().is_some_and(|last| last & 0b11 == 0)
            }
            Layout::Dancer => {
                DANCER_CHARS.contains(&presented.len())
                    && presented.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~')
                    })
            }
        };
        fits.then(|| Self::from_text(presented))
    }

    /// Whether it has the shape that this engine gives its ids, and not only one that it accepts.
    pub(crate) fn is_own(&self, layout: Layout) -> bool {
        match layout {
            Layout::Native => true,
            Layout::Dancer => {
                let text = self.as_str();
                text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
            }
        }
    }

    fn from_text(text: &str) -> Self {
        Self(Arc::new(Inner {
            text: text.into(),
            digest: OnceLock::new(),
        }))
    }

    /// The id itself, for the cookie.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Eight characters that tell sessions apart in logs and give nobody access: the first ones of
    /// what [`key`](crate::Key) holds, so that a line of the log leads to a key and back.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut text = [0; Fingerprint::CHARS];
        encode(&self.digest()[..6], &mut text);
        Fingerprint(text)
    }

    /// The first 128 bits of the SHA-256 of the id, by which everything about it is filed.
    pub(crate) fn file_number(&self) -> [u8; 16] {
        let mut hash = [0; 16];
        hash.copy_from_slice(&self.digest()[..16]);
        hash
    }

    fn digest(&self) -> &[u8; 32] {
        let inner = &self.0;
        inner
            .digest
            .get_or_init(|| Sha256::digest(self.as_str().as_bytes()).into())
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.digest() == other.digest()
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // As long as a hash needs to be, and as random.
        hasher.write(&self.file_number());
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.fingerprint())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.fingerprint())
    }
}

/// What logs, errors and metrics show in place of an id. See [`SessionId::fingerprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; Self::CHARS]);

impl Fingerprint {
    const CHARS: usize = 8;

    /// The first characters of a key's name.
    pub(crate) fn of(name: &[u8]) -> Self {
        let mut text = [0; Self::CHARS];
        text.copy_from_slice(&name[..Self::CHARS]);
        Self(text)
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A random 64-bit mark that each flush leaves in the payload, by which it knows its own work again
/// when the reply was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) [u8; Mark::BYTES]);

impl Mark {
    const BYTES: usize = 8;
    pub(crate) const CHARS: usize = 11;

    /// That of a payload which nobody has marked.
    pub(crate) const NONE: Self = Self([0; Self::BYTES]);

    pub(crate) fn generate(entropy: &Entropy) -> Result<Self, Error> {
        let mut bits = [0; Self::BYTES];
        entropy.fill(&mut bits)?;
        Ok(Self(bits))
    }

    /// Reads what [`encode`] has written. Strict about the two bits that the last character has too
    /// many. By hand: every payload has one, and for so few characters the library takes ten times as
    /// long.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        let text: &[u8; Self::CHARS] = text.try_into().ok()?;
        let (mut bits, mut wrong) = (0_u128, 0);
        for character in text {
            let value = BASE64URL[usize::from(*character)];
            wrong |= value & NO_CHARACTER;
            bits = bits << 6 | u128::from(value);
        }
        if wrong != 0 || bits & 0b11 != 0 {
            return None;
        }
        u64::try_from(bits >> 2)
            .ok()
            .map(|bits| Self(bits.to_be_bytes()))
    }
}

/// What each character stands for in base64url.
const BASE64URL: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = [NO_CHARACTER; 256];
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
};
/// More than any character stands for.
const NO_CHARACTER: u8 = 0b1100_0000;

/// 128 random bits as text, for secrets that are no ids.
pub(crate) fn random_text(entropy: &Entropy) -> Result<String, Error> {
    let mut bits = [0; 16];
    entropy.fill(&mut bits)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// 72 random bits, for names that must be each other's only within the list of one owner.
pub(crate) fn random_handle(entropy: &Entropy) -> Result<[u8; 9], Error> {
    let mut bits = [0; 9];
    entropy.fill(&mut bits)?;
    Ok(bits)
}

/// Where random bits come from: the operating system, unless a test says otherwise.
#[derive(Clone)]
pub(crate) struct Entropy(Arc<Source>);

type Source = dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync;

impl Entropy {
    pub(crate) fn new(
        source: impl Fn(&mut [u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(source))
    }

    fn fill(&self, bits: &mut [u8]) -> Result<(), Error> {
        (self.0)(bits).map_err(|error| {
            Error::not_applied("the random generator failed, so no session can be made or changed")
                .because(error)
        })
    }
}

impl Default for Entropy {
    fn default() -> Self {
        let marks = Apart::<Mutex<Ahead>>::new(Mutex::default);
        Self::new(move |bits| match bits.len() {
            Mark::BYTES => marks
                .mine()
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .fill(bits),
            _ => system(bits),
        })
    }
}

fn system(bits: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bits).map_err(io::Error::other)
}

/// Random bits that were asked for before they are needed, so that not every mark is a call of the
/// kernel. Never for ids: what is to be secret lies nowhere beforehand. (A process that was forked has
/// an engine of its own, and with it others of these.)
struct Ahead {
    bits: [u8; 64 * Mark::BYTES],
    used: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        let bits = [0; 64 * Mark::BYTES];
        let used = bits.len();
        Self { bits, used }
    }
}

impl Ahead {
    fn fill(&mut self, bits: &mut [u8]) -> io::Result<()> {
        if self.used == self.bits.len() {
            system(&mut self.bits)?;
            self.used = 0;
        }
        let next = self.used + bits.len();
        bits.copy_from_slice(&self.bits[self.used..next]);
        self.used = next;
        Ok(())
    }
}

const NATIVE_BYTES: usize = 32;
const NATIVE_CHARS: usize = 43;

/// 132 bits. One digit more than Dancer 1's own generator ever gives, so that the two can be told
/// apart.
const DIGITS: usize = 40;
const DANCER_CHARS: RangeInclusive<usize> = 20..=128;

/// Random decimal digits, each as likely as the others.
fn digits(entropy: &Entropy) -> Result<String, Error> {
    // The largest multiple of ten in a byte: what is not below it would favour the lower digits.
    const FAIR: u8 = 250;
    let mut text = String::with_capacity(DIGITS);
    while text.len() < DIGITS {
        let mut bits = [0; DIGITS];
        entropy.fill(&mut bits)?;
        let fair = bits.iter().filter(|byte| **byte < FAIR);
        let wanted = DIGITS - text.len();
        text.extend(fair.take(wanted).map(|byte| char::from(b'0' + byte % 10)));
    }
    Ok(text)
}

/// Writes `bytes` as base64url over the whole of `text`, which has the right length for it.
pub(crate) fn encode(bytes: &[u8], text: &mut [u8]) {
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, text);
    debug_assert!(written.is_ok(), "the buffer is made for these bytes");
}

#[cfg(test)]
mod tests;
