//! Whatever Rust writes, Perl reads, changes and writes again, and Rust finds it as it was; whatever
//! a visitor chooses, the key that is written is that of the session (R44).

use serde_json::{Map, json};

use super::*;

/// Values that are data in both languages: no booleans, which Perl has none of, and no fractions
/// that are integers, which Perl makes integers.
fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth > 3 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.next() as i64),
        2 => json!(random.below(300) as i64 - 150),
        3 => json!(random.below(1000) as f64 + 0.5),
        4 | 5 => json!(text(random)),
        6 => (0..random.below(4))
            .map(|_| value(random, depth + 1))
            .collect(),
        _ => {
            let pairs = (0..random.below(4)).map(|_| (text(random), value(random, depth + 1)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 16] = [
        "",
        "a",
        "42",
        "0",
        "1.50",
        " ",
        "é",
        "☺",
        "\u{10ffff}",
        "\0",
        "\n",
        "\"",
        "__ended",
        "id",
        "Dancer::Session::Redis",
        "ÿÀ",
    ];
    let pieces = (0..random.below(4)).map(|_| PIECES[random.below(PIECES.len())]);
    let text: String = pieces.collect();
    text.repeat(if random.below(20) == 0 { 300 } else { 1 })
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_whatever_rust_wrote_perl_reads_changes_and_flushes() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.get(both.perl.address(), "/count").await;
    let id = visitor.cookie(COOKIE).unwrap();
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    eprintln!("seed {seed}");
    let mut random = Random(seed | 1);
    let mut kept: Map<String, Value> = Map::new();
    for round in 2..150 {
        let session = both.engine.retrieve(&id).await.unwrap().unwrap();
        for _ in 0..random.below(3) {
            let (name, value) = (format!("v{}", text(&mut random)), value(&mut random, 0));
            session.set(&name, &value).unwrap();
            kept.insert(name, value);
        }
        if random.below(5) == 0
            && let Some(name) = kept.keys().next().cloned()
        {
            assert!(session.remove(&name));
            kept.remove(&name);
        }
        if kept.len() > 20 {
            session.clear();
            session.set("counter", round - 1).unwrap();
            kept.clear();
        }
        let _ = session.flush().await.unwrap();
        // Perl thaws all of it, changes one key, and freezes all of it.
        let counted = visitor.get(both.perl.address(), "/count").await;
        assert_eq!(counted, round.to_string());
        assert_eq!(visitor.cookie(COOKIE).unwrap(), id);
        let again = both.engine.retrieve(&id).await.unwrap().unwrap();
        for (name, value) in &kept {
            assert_eq!(
                again.get::<Value>(name).unwrap().as_ref(),
                Some(value),
                "{name:?}"
            );
        }
        assert_eq!(again.len(), kept.len() + 1);
    }
    assert_eq!(both.redis.scan().await, [id.as_bytes()]);
    both.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_names_that_visitors_choose_never_change_whose_session_it_is() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.get(both.rust, "/count").await;
    let id = visitor.cookie(COOKIE).unwrap();
    for reserved in ["id", "__created", "__owner", "__w", "__ended"] {
        let answer = visitor
            .ask(both.rust, "POST", &format!("/set/{reserved}"), &[])
            .await;
        assert_eq!(answer.status, 500, "{reserved}");
    }
    visitor.post(both.rust, "/set/harmless", &[]).await;
    assert_eq!(visitor.get(both.perl.address(), "/id").await, id);
    assert_eq!(
        visitor.get(both.perl.address(), "/get/harmless").await,
        "by Rust"
    );
    assert_eq!(both.redis.scan().await, [id.as_bytes()]);
}
