//! A frozen object from its frozen parts, without a document in between.
//!
//! To freeze an object, Perl makes a table with room for four thousand classes each time, and goes
//! through all of it at the end. That takes far longer than the rest of a small object does, and an
//! array with the same values needs no such table.

use crate::limits::Limits;
use crate::wire::{Class, Item, Key, Reader, Writer, key};

/// What Perl would have frozen of `$object`, from what it has frozen of the array
/// `[values %$object, keys %$object, ref $object]`. The values have to be in that array themselves, and
/// not copies, as they are in `@_`: then what is shared, weak or tied stays that.
///
/// `None` where that can't be done: what was frozen is no such array; there is an object among the
/// values, which may be this one again, or something that only seldom stands in a session. Then Perl
/// has to freeze the object itself.
///
/// ```
/// // perl -MStorable=nfreeze -e 'print nfreeze([41, "visits", "My::Session"])'
/// let parts = b"\x05\x0b\x02\x00\x00\x00\x03\x08\xa9\x0a\x06visits\x0a\x0bMy::Session";
/// let object = storable::assemble(parts).expect("there is no object within");
/// let object = storable::Document::decode(&object)?;
/// assert_eq!(object.root().class(), Some("My::Session"));
/// assert_eq!(object.root().get("visits").unwrap().to::<u8>()?, 41);
/// # Ok::<(), storable::Error>(())
/// ```
pub fn assemble(parts: &[u8]) -> Option<Vec<u8>> {
    if parts.len() > Limits::CEILING.size {
        return None;
    }
    let mut reader = Reader::new(parts).ok()?;
    let header = reader.at();
    let Item::Array { len } = reader.item().ok()? else {
        return None;
    };
    let count = match len % 2 {
        1 => len / 2,
        _ => return None,
    };
    let begin = reader.at();
    // What is announced may be a lie: for more there is room when they come.
    let likely = count.min(32) as usize;
    let mut ends = Vec::with_capacity(likely);
    let mut open = Vec::with_capacity(8);
    for _ in 0..count {
        skip(&mut reader, &mut open)?;
        ends.push(reader.at());
    }
    let mut keys = Vec::with_capacity(likely);
    for _ in 0..count {
        keys.push(match reader.item().ok()? {
            Item::Bytes(name) => Key { name, flags: 0 },
            Item::Utf8(name) => Key {
                name,
                flags: key::UTF8,
            },
            _ => return None,
        });
    }
    let Item::Bytes(class) = reader.item().ok()? else {
        return None;
    };
    if reader.remaining() > 0 || class.len as usize > Limits::CLASS_NAME {
        return None;
    }
    let flagged = keys.iter().any(|key| key.flags != 0);
    let mut out = Vec::with_capacity(parts.len() + 5 * keys.len() + 16);
    out.extend_from_slice(&parts[..header]);
    let mut writer = Writer::behind(out, &reader.parsed_header(), parts);
    writer.item(Item::Bless(Class::New(class)));
    let flags = flagged.then_some(0);
    writer.item(Item::Hash { len: count, flags });
    let mut at = begin;
    for (end, key) in ends.into_iter().zip(keys) {
        writer.as_read(&parts[at..end]);
        writer.key(key, flagged);
        at = end;
    }
    Some(writer.finish())
}

/// How many items something that has begun still needs, and for hashes whether their keys have flags.
struct Open {
    left: u32,
    keys: Option<bool>,
}

/// Goes past an item and all that is in it. The numbers that Perl has given to what is in there stay
/// right: the object has the same as the array, and the class is the first one.
fn skip(reader: &mut Reader<'_>, open: &mut Vec<Open>) -> Option<()> {
    loop {
        let (left, keys) = match reader.item().ok()? {
            Item::Seen(_)
            | Item::Undef
            | Item::Yes
            | Item::No
            | Item::True
            | Item::False
            | Item::Integer(_)
            | Item::Double(_)
            | Item::Bytes(_)
            | Item::Utf8(_) => (0, None),
            Item::Reference {
                overloaded: false, ..
            } => (1, None),
            Item::Array { len } => (len, None),
            Item::Hash { len, flags } => (len, Some(flags.is_some())),
            _ => return None,
        };
        if left > 0 {
            open.push(Open { left, keys });
            continue;
        }
        loop {
            let Some(innermost) = open.last_mut() else {
                return Some(());
            };
            if let Some(flagged) = innermost.keys {
                reader.key(flagged).ok()?;
            }
            innermost.left -= 1;
            if innermost.left > 0 {
                break;
            }
            open.pop();
        }
    }
}
