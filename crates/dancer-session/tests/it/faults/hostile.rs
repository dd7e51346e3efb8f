//! F24: somebody writes into the store what is no session, or another one.

use std::time::Duration;

use dancer_session::{Flushed, Session};
use testbench::Dice;

use super::scene::seeds;
use crate::bench::{Bench, Kind, id};

const ROUNDS: usize = 500;

/// A session with a secret of its own.
async fn session(bench: &Bench, secret: &str) -> Session {
    let session = bench.engine.anonymous();
    session.set("secret", secret).unwrap();
    session.set("n", 7).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    session
}

/// What the saboteur puts under a key.
enum Sabotage {
    Text(Vec<u8>),
    /// A command that makes a value of another type, without the key.
    Other([&'static str; 3]),
}

fn sabotage(dice: &mut Dice, own: &[u8], others: &[u8]) -> Sabotage {
    let mut text = own.to_vec();
    let at = dice.below(own.len() as u64) as usize;
    match dice.below(9) {
        0 => text.truncate(at),
        1 => text[at] ^= 1 << dice.below(8),
        2 => text = others.to_vec(),
        3 => text.extend_from_slice(others),
        4 => text = (0..dice.below(200)).map(|_| dice.any() as u8).collect(),
        5 => text = b"{\"v\":2,\"k\":\"next\",\"e\":{}}".to_vec(),
        // Perl's Storable, of a hash that is no object.
        6 => text = b"\x04\x0b\x0812345678\x04\x08\x08\x03\0\0\0\0".to_vec(),
        7 => text = "[".repeat(100_000).into_bytes(),
        _ => {
            let other = [
                ["RPUSH", "x", ""],
                ["SADD", "x", ""],
                ["HSET", "x", "y"],
                ["ZADD", "1", "x"],
                ["PFADD", "x", ""],
            ];
            return Sabotage::Other(other[dice.below(other.len() as u64) as usize]);
        }
    }
    Sabotage::Text(text)
}

/// Carries it out; returns what is under the key then, byte for byte.
async fn put(bench: &Bench, key: &str, sabotage: Sabotage) -> Vec<u8> {
    match sabotage {
        Sabotage::Text(text) => bench.put(key, text).await,
        Sabotage::Other(words) => {
            let mut make = redis::cmd(words[0]);
            make.arg(key);
            for word in words[1..].iter().filter(|word| !word.is_empty()) {
                make.arg(word);
            }
            let mut pipe = redis::pipe();
            pipe.cmd("DEL").arg(key).ignore().add_command(make).ignore();
            pipe.cmd("PEXPIRE").arg(key).arg(900_000).ignore();
            let mut connection = bench.server().connection().await;
            let () = pipe.query_async(&mut connection).await.unwrap();
        }
    }
    dump(bench, key).await
}

async fn dump(bench: &Bench, key: &str) -> Vec<u8> {
    let dump = redis::cmd("DUMP").arg(key).to_owned();
    let mut connection = bench.server().connection().await;
    let dump: Option<Vec<u8>> = dump.query_async(&mut connection).await.unwrap();
    dump.unwrap_or_default()
}

async fn hostile_store(kind: Kind) {
    for seed in seeds() {
        let bench = Bench::new(kind).await;
        eprintln!("F24 hostile: seed {seed}");
        let mut dice = Dice::new(seed);
        let other = session(&bench, "of-another").await;
        let others = bench.only().await;
        let (mut shown, mut refused, mut missing) = (0, 0, 0);
        for round in 0..ROUNDS {
            let what = format!("{kind:?}, seed {seed}, round {round}");
            let victim = session(&bench, "of-the-victim").await;
            let all = bench.all_now().await;
            let own = all.iter().find(|stored| stored.key != others.key).unwrap();
            let late = bench.engine.retrieve(&id(&victim)).await.unwrap().unwrap();
            let sabotage = sabotage(&mut dice, &own.bytes, &others.bytes);
            let before = put(&bench, &own.key, sabotage).await;

            let untouched = match bench.engine.retrieve(&id(&victim)).await {
                Err(error) => {
                    assert!(error.is_unreadable(), "{what}: {error}");
                    refused += 1;
                    true
                }
                Ok(None) => {
                    assert_eq!(kind.layout(), dancer_session::Layout::Dancer, "{what}");
                    missing += 1;
                    true
                }
                Ok(Some(found)) => {
                    // What still is a payload of this key; a changed byte may be in a value.
                    let secret = found.get::<String>("secret");
                    assert_ne!(secret.unwrap_or_default().as_deref(), Some("of-another"));
                    shown += 1;
                    false
                }
            };
            late.set("n", 8).unwrap();
            let flushed = late.flush().await;
            if untouched {
                assert!(!matches!(flushed, Ok(Flushed::Stored)), "{what}");
                assert_eq!(dump(&bench, &own.key).await, before, "{what}");
            }
            late.abandon();
            let gone = redis::cmd("DEL").arg(&own.key).to_owned();
            let mut connection = bench.server().connection().await;
            let _: u64 = gone.query_async(&mut connection).await.unwrap();
        }
        eprintln!(
            "F24 hostile, {kind:?}, seed {seed}: {refused} refused, {missing} missing, {shown} shown"
        );
        assert!(refused + missing > ROUNDS / 2);
        let mine = bench.again(&other).await;
        let mine: Option<String> = mine.get("secret").unwrap();
        assert_eq!(mine.as_deref(), Some("of-another"), "who was left alone");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_hostile_store_shows_nothing_of_others_and_stays_as_it_is() {
    hostile_store(Kind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_hostile_store_in_the_dancer_layout() {
    hostile_store(Kind::DancerInRedis).await;
}
