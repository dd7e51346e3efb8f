//! Where a reply of the server's ends in the bytes that have come so far (RESP 2 and 3). What it says
//! is the `redis` crate's business, but for the replies that every request gets, and for words about
//! keys that have changed.

use redis::{ErrorKind, RedisError, RedisResult, Value, parse_redis_value};

/// How deep replies may be nested, as in the library. Those of sessions are flat, or lists; what an
/// application asks for itself may not be.
const DEPTH: u32 = 100;
/// No line is longer, but for what an error may say.
const LONGEST_LINE: usize = 64 * 1024;

/// The length of the reply at the beginning of `bytes`; `None` while it is not there as a whole.
pub(super) fn length(bytes: &[u8]) -> RedisResult<Option<usize>> {
    end(bytes, 0, DEPTH)
}

/// What a reply says, which must be there as a whole.
pub(super) fn read(reply: &[u8]) -> RedisResult<Value> {
    match reply {
        [b'$', b'-', ..] => Ok(Value::Nil),
        [b'$', digits @ ..] => {
            let (_, after) = line(digits, 0)?.ok_or_else(strange)?;
            let payload = digits.get(after..digits.len() - 2).ok_or_else(strange)?;
            Ok(Value::BulkString(payload.to_vec()))
        }
        b"+OK\r\n" => Ok(Value::Okay),
        [b':', digits @ .., b'\r', b'\n'] => {
            let number = std::str::from_utf8(digits).ok().map(str::parse);
            Ok(Value::Int(number.and_then(Result::ok).ok_or_else(strange)?))
        }
        _ => parse_redis_value(reply),
    }
}

/// The key that has changed, if this is the word about one, as servers say it. The library takes more
/// than a microsecond to read it.
pub(super) fn invalidated(word: &[u8]) -> Option<&[u8]> {
    let key = word.strip_prefix(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$")?;
    let (_, after) = line(key, 0).ok()??;
    key.get(after..key.len() - 2)
}

/// Where the reply ends that begins at `at`.
fn end(bytes: &[u8], at: usize, depth: u32) -> RedisResult<Option<usize>> {
    let Some(kind) = bytes.get(at) else {
        return Ok(None);
    };
    let Some((text, after)) = line(bytes, at + 1)? else {
        // What can't be a reply is not waited for.
        return match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' | b'$' | b'!' | b'=' | b'*' | b'~'
            | b'>' | b'%' | b'|' => Ok(None),
            _ => Err(strange()),
        };
    };
    let parts = match kind {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => return Ok(Some(after)),
        b'$' | b'!' | b'=' => {
            let Some(length) = count(text)? else {
                return Ok(Some(after));
            };
            let Some(closing) = bytes.get(after + length..after + length + 2) else {
                return Ok(None);
            };
            return match closing {
                b"\r\n" => Ok(Some(after + length + 2)),
                _ => Err(strange()),
            };
        }
        b'*' | b'~' | b'>' => count(text)?.unwrap_or(0),
        b'%' => 2 * count(text)?.unwrap_or(0),
        // Attributes, and then the reply that has them.
        b'|' => 2 * count(text)?.unwrap_or(0) + 1,
        _ => return Err(strange()),
    };
    let depth = depth.checked_sub(1).ok_or_else(strange)?;
    let mut at = after;
    for _ in 0..parts {
        match end(bytes, at, depth)? {
            Some(after) => at = after,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The line that begins at `at`, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> RedisResult<Option<(&[u8], usize)>> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\r') {
        None if rest.len() > LONGEST_LINE => Err(strange()),
        None => Ok(None),
        Some(end) => match rest.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => Ok(Some((&rest[..end], at + end + 2))),
            Some(_) => Err(strange()),
        },
    }
}

/// How many there are; `None`: nothing, which is written as -1.
fn count(text: &[u8]) -> RedisResult<Option<usize>> {
    /// The server's own limit for a value, and more than any list of ours has.
    const MOST: usize = 512 * 1024 * 1024;
    if text == b"-1" {
        return Ok(None);
    }
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return Err(strange());
    }
    let digits = text.iter().map(|digit| usize::from(digit - b'0'));
    let count = digits.fold(0, |count, digit| 10 * count + digit);
    match count <= MOST {
        true => Ok(Some(count)),
        false => Err(strange()),
    }
}

fn strange() -> RedisError {
    (ErrorKind::Parse, "what came is no reply of a Redis server").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: [&[u8]; 22] = [
        b"+OK\r\n",
        b"+PONG\r\n",
        b":1\r\n",
        b":-2\r\n",
        b":899999\r\n",
        b":9223372036854775807\r\n",
        b"$-1\r\n",
        b"_\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\r\n\r\n\r\n",
        b"$11\r\nhello\r\nthis\r\n",
        b"-ERR what\r\n",
        b"-NOSCRIPT No matching script.\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*3\r\n$1\r\na\r\n$-1\r\n:7\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$7\r\na\r\n$1\r\n\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$-1\r\n",
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n:1\r\n",
        b">2\r\n$10\r\ninvalidate\r\n_\r\n",
        b"%1\r\n+a\r\n*1\r\n#t\r\n",
    ];

    #[test]
    fn a_reply_is_read_as_the_library_reads_it_and_only_as_a_whole() {
        for reply in REPLIES {
            let shown = String::from_utf8_lossy(reply);
            for cut in 0..reply.len() {
                assert_eq!(length(&reply[..cut]).unwrap(), None, "{shown:?} to {cut}");
            }
            let two = [reply, b"$3\r\nnex"].concat();
            assert_eq!(length(&two).unwrap(), Some(reply.len()), "{shown:?}");
            assert_eq!(
                read(reply).unwrap(),
                parse_redis_value(reply).unwrap(),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn a_word_about_a_key_is_read_as_the_library_reads_it() {
        let mut found = 0;
        for word in REPLIES {
            if let Some(key) = invalidated(word) {
                let read = Value::Push {
                    kind: redis::PushKind::Invalidate,
                    data: vec![Value::Array(vec![Value::BulkString(key.to_vec())])],
                };
                assert_eq!(parse_redis_value(word).unwrap(), read);
                found += 1;
            }
        }
        assert_eq!(found, 1);
    }

    #[test]
    fn r34_what_is_no_reply_is_found_out_at_once() {
        let nested = b"*1\r\n".repeat(101);
        let long = b"+".repeat(LONGEST_LINE + 3);
        for strange in [
            b"HTTP".as_slice(),
            b"$x\r\n",
            b"$-2\r\n",
            b"$+1\r\n",
            b"$3\r\nabcd\r\n",
            b"$3\r\nabc\n\n",
            b"$9999999999\r\n",
            b"$999999999\r\n",
            b"+a\rb",
            b"*\r\n",
            &nested,
            &long,
        ] {
            let shown = String::from_utf8_lossy(&strange[..strange.len().min(20)]);
            assert!(length(strange).is_err(), "{shown:?}");
        }
    }
}
