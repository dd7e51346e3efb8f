//! The table in the documentation is the one in the code.

use super::*;

/// Each row as docs/faults.md shows it.
fn shown(row: &Row) -> String {
    let name = |word: &str| match word.chars().all(|c| c.is_ascii_uppercase()) {
        true => format!("`{word}`"),
        false => word.to_owned(),
    };
    let outcome = match row.outcome {
        NotApplied => "not applied",
        Unknown => "unknown",
    };
    let action = match row.action {
        Again => "retry here",
        AgainWhole => "retry here, with the whole script",
        Reconnect => "reconnect",
        LogIn => "log in again",
        GiveUp => "give up",
    };
    let mut more = Vec::new();
    match row.still {
        Still::Nothing => {}
        Reads => more.push("reading goes on"),
        ReadsAndEnds => more.push("reading and ending go on"),
    }
    if row.misconfigured {
        more.push("for the operator");
    }
    format!(
        "| {} | {outcome} | {action} | {} |",
        name(row.what),
        more.join(", ")
    )
}

#[test]
fn r35_the_documentation_has_the_same_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
    let text = std::fs::read_to_string(path).expect("docs/faults.md is there");
    let documented = text.lines().filter(|line| {
        let mut cells = line.split('|').map(str::trim);
        matches!(cells.nth(2), Some("not applied" | "unknown"))
    });
    let transport = [
        NO_CONNECTION,
        NOT_LET_IN,
        PAUSED,
        CROWDED,
        NEVER_LEFT,
        BROKEN,
        SILENT,
        STRANGE,
    ];
    let rows = CODES.iter().chain([&ANY_OTHER_CODE]).chain(&transport);
    assert_eq!(
        documented.collect::<Vec<_>>(),
        rows.map(shown).collect::<Vec<_>>()
    );
}

fn error(text: &str) -> ServerError {
    let reply = redis::parse_redis_value(format!("-{text}\r\n").as_bytes());
    match reply {
        Ok(redis::Value::ServerError(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r35_an_error_inside_a_script_is_known_whatever_the_version_makes_of_it() {
    let table = [
        (
            "OOM command not allowed when used memory > 'maxmemory'. script: 5e2, on @user_script:5.",
            "OOM",
        ),
        (
            "ERR Error running script (call to f_5e2): @user_script:5: -OOM command not allowed",
            "OOM",
        ),
        (
            "ERR Error running script (call to f_5e2): @user_script: 5: @user_script: 5: -READONLY You can't write",
            "READONLY",
        ),
        (
            "ERR Error running script (call to f_5e2): @user_script:1: WRONGTYPE Operation against",
            "WRONGTYPE",
        ),
        (
            "ERR ACL failure in script: User app has no permissions to run the 'set' command script: 5e2",
            "NOPERM",
        ),
        (
            "ERR The user executing the script can't run this command or subcommand script: b9d, on @user_script:8.",
            "NOPERM",
        ),
        ("ERR upstream failure", "any other code"),
        ("ERR the key is called OOM", "any other code"),
        ("PROXYERR no backend", "any other code"),
    ];
    for (text, what) in table {
        assert_eq!(of(&error(text)).what, what, "{text}");
    }
}
