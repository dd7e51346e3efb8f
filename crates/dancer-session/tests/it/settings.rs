//! Settings from a file, from a URL, from the environment and from code.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use dancer_session::{CookieSettings, Error, OnUnreadable, SameSite, Settings};
use tempfile::TempDir;

/// Shows one field.
type Field = fn(&Settings) -> String;

const BASE: &str = "redis_session:\n  server: h\n";

fn application(base: &str, environments: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("config.yml"), base).expect("config.yml");
    fs::create_dir(directory.path().join("environments")).expect("environments");
    for (name, text) in environments {
        let path = directory.path().join(format!("environments/{name}.yml"));
        fs::write(path, text).expect("an environment");
    }
    directory
}

fn read(text: &str) -> Result<Settings, Error> {
    let directory = application(text, &[]);
    Settings::from_file_in(directory.path().join("config.yml"), "none")
}

#[track_caller]
fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|error| panic!("{error}\n--- of\n{text}"))
}

/// The message, checked to be one about settings that names its file.
#[track_caller]
fn bad(text: &str) -> String {
    match read(text) {
        Ok(settings) => panic!("accepted as {settings:?}:\n{text}"),
        Err(error) => {
            assert!(error.is_settings(), "{error:?}");
            assert!(error.to_string().contains("config.yml"), "{error}");
            error.to_string()
        }
    }
}

#[track_caller]
fn assert_says(message: &str, fragments: &[&str]) {
    for fragment in fragments {
        assert!(
            message.contains(fragment),
            "{fragment:?} is not in: {message}"
        );
    }
}

fn at(server: &str) -> Settings {
    Settings {
        server: Some(server.to_owned()),
        ..Settings::default()
    }
}

#[test]
fn defaults() {
    #[rustfmt::skip]
    let rows: &[(Field, &str)] = &[
        (|s| format!("{:?}", s.server), "None"),
        (|s| format!("{:?}", s.sock), "None"),
        (|s| format!("{:?}", s.username), "None"),
        (|s| format!("{:?}", s.password), "None"),
        (|s| format!("{:?}", s.database), "None"),
        (|s| format!("{:?}", s.expire), "900s"),
        (|s| format!("{:?}", s.lifetime), "None"),
        (|s| format!("{:?}", s.touch_interval), "0ns"),
        (|s| format!("{:?}", s.max_sessions), "None"),
        (|s| format!("{:?}", s.on_max_sessions), "EndOldest"),
        (|s| format!("{:?}", s.renew_grace), "30s"),
        (|s| format!("{:?}", s.timeout), "1s"),
        (|s| s.max_size.to_string(), "1048576"),
        (|s| format!("{:?}", s.layout), "Native"),
        (|s| s.prefix.clone(), "session:"),
        (|s| format!("{:?}", s.on_unavailable), "Refuse"),
        (|s| format!("{:?}", s.on_unreadable), "Refuse"),
        (|s| s.debug.to_string(), "false"),
        (|s| s.cookie.name().to_owned(), "__Host-id"),
        (|s| format!("{:?}", s.cookie.name), "None"),
        (|s| format!("{:?}", s.cookie.expires), "None"),
        (|s| format!("{:?}", s.cookie.domain), "None"),
        (|s| s.cookie.secure.to_string(), "true"),
        (|s| s.cookie.http_only.to_string(), "true"),
        (|s| format!("{:?}", s.cookie.same_site), "Lax"),
    ];
    let settings = Settings::default();
    for (row, (field, expected)) in rows.iter().enumerate() {
        assert_eq!(field(&settings), *expected, "row {row}");
    }
    settings.validate().expect("defaults are valid");
    assert_eq!(format!("{:?}", good(BASE)), format!("{:?}", at("h")));
}

#[test]
fn presets_in_code_are_those_of_the_file() {
    for (line, settings) in [
        ("aal1", Settings::aal1()),
        ("aal2", Settings::aal2()),
        ("aal3", Settings::aal3()),
    ] {
        let read = good(&format!("{BASE}  preset: {line}\n"));
        settings.validate().expect("a preset is valid");
        assert_eq!(
            (read.expire, read.lifetime),
            (settings.expire, settings.lifetime)
        );
    }
}

#[test]
fn keys_of_the_section() {
    #[rustfmt::skip]
    let rows: &[(&str, Field, &str)] = &[
        ("server: redis.example.com:7", |s| format!("{:?}", s.server), "Some(\"redis.example.com:7\")"),
        ("sock: /run/redis.sock", |s| format!("{:?}", s.sock), "Some(\"/run/redis.sock\")"),
        ("sock: ''", |s| format!("{:?}", s.sock), "None"),
        ("sock: ~", |s| format!("{:?}", s.sock), "None"),
        ("username: ann\n  password: x", |s| format!("{:?}", s.username), "Some(\"ann\")"),
        ("username: ''", |s| format!("{:?}", s.username), "None"),
        ("password: s3cret", |s| s.password.as_ref().map_or("", |p| p.expose()).to_owned(), "s3cret"),
        ("password: '007'", |s| s.password.as_ref().map_or("", |p| p.expose()).to_owned(), "007"),
        ("password: ''", |s| format!("{:?}", s.password), "None"),
        ("password: ~", |s| format!("{:?}", s.password), "None"),
        ("password:", |s| format!("{:?}", s.password), "None"),
        ("database: 1", |s| format!("{:?}", s.database), "Some(1)"),
        ("database: \"1\"", |s| format!("{:?}", s.database), "Some(1)"),
        ("database: 0", |s| format!("{:?}", s.database), "Some(0)"),
        ("expire: 3600", |s| format!("{:?}", s.expire), "3600s"),
        ("lifetime: 1 day", |s| format!("{:?}", s.lifetime), "Some(86400s)"),
        ("touch_interval: 60", |s| format!("{:?}", s.touch_interval), "60s"),
        ("max_sessions: 3", |s| format!("{:?}", s.max_sessions), "Some(3)"),
        ("on_max_sessions: refuse", |s| format!("{:?}", s.on_max_sessions), "Refuse"),
        ("on_max_sessions: end_oldest", |s| format!("{:?}", s.on_max_sessions), "EndOldest"),
        ("preset: aal1", |s| format!("{:?} {:?}", s.expire, s.lifetime), "2592000s Some(2592000s)"),
        ("preset: aal2", |s| format!("{:?} {:?}", s.expire, s.lifetime), "1800s Some(43200s)"),
        ("preset: aal3", |s| format!("{:?} {:?}", s.expire, s.lifetime), "900s Some(43200s)"),
        ("expire: 60\n  preset: aal3", |s| format!("{:?} {:?}", s.expire, s.lifetime), "60s Some(43200s)"),
        ("preset: aal2\n  lifetime: 2 hours", |s| format!("{:?} {:?}", s.expire, s.lifetime), "1800s Some(7200s)"),
        ("renew_grace: 0", |s| format!("{:?}", s.renew_grace), "0ns"),
        ("timeout: 0.5", |s| format!("{:?}", s.timeout), "500ms"),
        ("timeout: '0.25'", |s| format!("{:?}", s.timeout), "250ms"),
        ("timeout: 2", |s| format!("{:?}", s.timeout), "2s"),
        ("max_size: 4096", |s| s.max_size.to_string(), "4096"),
        ("max_size: '16777216'", |s| s.max_size.to_string(), "16777216"),
        ("layout: native", |s| format!("{:?}", s.layout), "Native"),
        ("ping: 5", |s| format!("{:?}", s.layout), "Native"),
        ("layout: dancer", |s| format!("{:?}", s.layout), "Dancer"),
        ("class: My::Session", |s| s.class.clone(), "My::Session"),
        ("prefix: 'shop:'", |s| s.prefix.clone(), "shop:"),
        ("on_unreadable: anonymous", |s| format!("{:?}", s.on_unreadable), "Anonymous"),
        ("on_unavailable: anonymous_read_only", |s| format!("{:?}", s.on_unavailable), "ReadOnly"),
        ("on_unavailable: error", |s| format!("{:?}", s.on_unavailable), "Refuse"),
        ("on_unreadable: error", |s| format!("{:?}", s.on_unreadable), "Refuse"),
        ("debug: 1", |s| s.debug.to_string(), "true"),
        ("debug: true", |s| s.debug.to_string(), "true"),
        ("debug: \"1\"", |s| s.debug.to_string(), "true"),
        ("debug: \"true\"", |s| s.debug.to_string(), "true"),
    ];
    for (line, field, expected) in rows {
        let server = if line.starts_with("server") {
            ""
        } else {
            "  server: h\n"
        };
        let settings = good(&format!("redis_session:\n{server}  {line}\n"));
        assert_eq!(field(&settings), *expected, "{line}");
    }
}

/// Each row differs from the default of its key, so a key that isn't read fails.
#[test]
fn keys_of_the_cookie() {
    #[rustfmt::skip]
    let rows: &[(&str, Field, &str)] = &[
        ("session_name: eg_session_id", |s| s.cookie.name().to_owned(), "eg_session_id"),
        ("session_expires: 3600", |s| format!("{:?}", s.cookie.expires), "Some(3600s)"),
        ("session_expires: 2 hours", |s| format!("{:?}", s.cookie.expires), "Some(7200s)"),
        ("session_domain: .example.com", |s| format!("{:?}", s.cookie.domain), "Some(\".example.com\")"),
        ("session_secure: 0", |s| s.cookie.secure.to_string(), "false"),
        ("session_secure: \"0\"", |s| s.cookie.secure.to_string(), "false"),
        ("session_secure: \"false\"", |s| s.cookie.secure.to_string(), "false"),
        ("session_is_http_only: false", |s| s.cookie.http_only.to_string(), "false"),
        ("session_same_site: Strict", |s| format!("{:?}", s.cookie.same_site), "Strict"),
        ("session_same_site: none", |s| format!("{:?}", s.cookie.same_site), "None"),
        ("session_name: ~", |s| s.cookie.name().to_owned(), "__Host-id"),
        ("session_secure: 0", |s| s.cookie.name().to_owned(), "id"),
        ("session_domain: example.com", |s| s.cookie.name().to_owned(), "__Secure-id"),
    ];
    for (line, field, expected) in rows {
        assert_eq!(
            field(&good(&format!("{BASE}{line}\n"))),
            *expected,
            "{line}"
        );
    }
}

#[test]
fn durations() {
    #[rustfmt::skip]
    let rows = [
        ("1", 1),
        ("\"3600\"", 3600),
        ("' 90 '", 90),
        ("900.0", 900),
        ("1 second", 1),
        ("90 sec", 90),
        ("30 minutes", 1800),
        ("5m", 300),
        ("2 hours", 7200),
        ("1 Hour", 3600),
        ("1.5 h", 5400),
        ("1 day", 86_400),
        ("1 week", 604_800),
        ("1 month", 2_592_000),
        ("1 M", 2_592_000),
        ("1 year", 31_536_000),
        ("1 day and 12 hours", 129_600),
        ("1 hour, 30 minutes", 5400),
    ];
    for (text, seconds) in rows {
        let settings = good(&format!("{BASE}  expire: {text}\n"));
        assert_eq!(settings.expire, Duration::from_secs(seconds), "{text}");
    }
    for text in [
        "-5",
        "'-5'",
        "'- 5'",
        "'+5'",
        "abc",
        "''",
        "5 fortnights",
        "hours",
        "1 hour 30",
        "'1e3'",
        "inf",
        "2 hours ago",
        "1.2.3",
        "1.5",
        "[1]",
        "{a: 1}",
        "true",
        "99999999999999999999",
    ] {
        let message = bad(&format!("{BASE}  expire: {text}\n"));
        assert_says(&message, &["expire is ", "whole seconds", "`2 hours`"]);
    }
}

#[test]
fn values_that_cannot_be() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("expire: 0", &["expire is 0", "end every session the moment it is stored", "3600", "leave it out"]),
        ("expire: 11 years", &["expire is", "1 second to 10 years"]),
        ("lifetime: 0", &["lifetime is 0,", "1 second to 10 years", "leave it out"]),
        ("lifetime: 60", &["lifetime is 60s", "expire 900s", "not shorter"]),
        ("touch_interval: 900", &["touch_interval is 900s", "expire 900s", "shorter than"]),
        ("max_sessions: 0", &["max_sessions is 0", "1 to 1000", "leave it out"]),
        ("max_sessions: 1001", &["max_sessions is 1001", "1 to 1000"]),
        ("on_max_sessions: panic", &["on_max_sessions is `panic`", "`end_oldest` or `refuse`"]),
        ("preset: ial2", &["preset is `ial2`", "`aal1`, `aal2` or `aal3`"]),
        ("renew_grace: 3601", &["renew_grace is 3601s", "0 to 1 hour"]),
        ("renew_grace: -1", &["renew_grace is `-1`", "not negative"]),
        ("timeout: 0", &["timeout is 0,", "1 millisecond to 60 seconds"]),
        ("timeout: 61", &["timeout is 61s", "1 millisecond to 60 seconds"]),
        ("timeout: soon", &["timeout is `soon`", "1 or 0.5"]),
        ("database: x", &["database is `x`", "whole number"]),
        ("database: -1", &["database is `-1`", "0 or more"]),
        ("database: '+1'", &["database is `+1`", "whole number"]),
        ("database: 1.5", &["database is `1.5`", "whole number"]),
        ("database: ''", &["database is ``", "whole number"]),
        ("database: true", &["database is `true`", "whole number"]),
        ("database: 4294967296", &["database is `4294967296`", "whole number"]),
        ("database: [1]", &["database is a list", "whole number"]),
        ("max_size: 0", &["max_size is 0", "1 to 16777216"]),
        ("max_size: 16777217", &["max_size is 16777217", "1 to 16777216"]),
        ("max_size: 1 MiB", &["max_size is `1 MiB`", "whole number"]),
        ("class: 1up", &["class is `1up`", "the name of a class of Perl's"]),
        ("layout: main", &["layout is `main`", "`native` or `dancer`"]),
        ("prefix: ''", &["prefix is ``", "1 to 64"]),
        ("prefix: 'a b'", &["prefix is `a b`", "ASCII"]),
        ("prefix: 'ä:'", &["prefix is `ä:`", "ASCII"]),
        ("prefix: '{a}'", &["prefix is `{a}`", "without * ? [ ] \\ { }"]),
        ("prefix: 5", &["prefix is `5`", "quotes"]),
        ("on_unavailable: anonymous", &["on_unavailable is `anonymous`", "`error` or `anonymous_read_only`"]),
        ("on_unreadable: ignore", &["on_unreadable is `ignore`", "`error` or `anonymous`"]),
        ("debug: yes", &["debug is `yes`", "1 or 0, true or false"]),
        ("debug: 2", &["debug is `2`", "1 or 0, true or false"]),
        ("username: 7", &["username is `7`", "quotes"]),
        ("username: ann", &["username", "without a password"]),
        ("sock: {path: x}", &["sock is a mapping", "text"]),
        ("expire: [\"a\"]", &["expire is a list"]),
    ];
    for (line, fragments) in rows {
        let message = bad(&format!("{BASE}  {line}\n"));
        assert_says(&message, fragments);
        assert_says(&message, &["(in redis_session of ", "config.yml)"]);
    }
}

#[test]
fn long_values_are_cut() {
    let message = bad(&format!("{BASE}  database: {}\n", "x".repeat(500)));
    assert_says(&message, &[&format!("`{}…`", "x".repeat(40))]);
    let message = bad(&format!("{BASE}  {}: 1\n", "x".repeat(500)));
    assert!(message.len() < 300, "{message}");
}

#[test]
fn each_character_that_may_not_be_in_a_prefix() {
    for character in r"*?[]\{}".chars().chain([' ', '\n', '\u{7f}', 'é']) {
        let settings = Settings {
            prefix: format!("a{character}"),
            ..Settings::default()
        };
        assert!(settings.validate().is_err(), "{character:?}");
    }
    for (length, fits) in [(64, true), (65, false)] {
        let settings = Settings {
            prefix: "a".repeat(length),
            ..Settings::default()
        };
        assert_eq!(settings.validate().is_ok(), fits, "{length}");
    }
}

#[test]
fn the_words_of_the_contract() {
    let undefined = "redis_session is not defined";
    let no_map = "redis_session must be a hash reference";
    let no_address = "redis_session should include either server or sock parameter";
    #[rustfmt::skip]
    let rows = [
        ("appname: x\n", undefined),
        ("", undefined),
        ("# nothing\n", undefined),
        ("redis_session: ~\n", undefined),
        ("session: Redis\n", undefined),
        ("redis_session: 5\n", no_map),
        ("redis_session: ''\n", no_map),
        ("redis_session: [server, h]\n", no_map),
        ("redis_session: {}\n", no_address),
        ("redis_session: {expire: 300}\n", no_address),
        ("redis_session: {server: '', sock: ''}\n", no_address),
        ("redis_session: {server: ~}\n", no_address),
    ];
    for (text, words) in rows {
        let message = bad(text);
        assert!(message.starts_with(words), "{text:?}: {message}");
    }
    let error = Settings::default().address().expect_err("no address");
    assert!(error.to_string().starts_with(no_address), "{error}");
}

#[test]
fn unknown_keys() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("  expires: 5\n", &["`expires`", "nearest one is `expire`", "redis_session of"]),
        ("  Password: x\n", &["`Password`", "`password`"]),
        ("  socket: /x\n", &["`socket`", "`sock`"]),
        ("  max-size: 5\n", &["`max-size`", "`max_size`"]),
        ("  5: x\n", &["`5`", "nearest one is"]),
        ("  servre: ~\n", &["`servre`", "`server`"]),
        ("session_expire: 5\n", &["`session_expire`", "did you mean `session_expires`"]),
        ("session_http_only: 1\nsession_nmae: a\n", &["`session_nmae`", "`session_name`"]),
        ("session_samesit: Lax\n", &["`session_samesit`", "`session_same_site`"]),
        ("session_samesite: Lax\n", &["`session_samesite`", "`session_same_site`"]),
    ];
    for (line, fragments) in rows {
        assert_says(&bad(&format!("{BASE}{line}")), fragments);
    }
    for line in [
        "session_dir: /tmp\n",
        "session_timeout: 5\n",
        "sesion_name: x\n",
        "expires: 5\n",
    ] {
        good(&format!("{BASE}{line}"));
    }
}

#[test]
fn of_several_mistakes_always_the_first() {
    for _ in 0..20 {
        let message =
            bad("session_name: 'a b'\nredis_session: {zz: 1, expire: x, debug: x, database: x}\n");
        assert!(message.starts_with("database is"), "{message}");
    }
}

#[test]
fn passwords_are_not_shown() {
    for line in [
        "password: 71993",
        "password: 7199.3",
        "password: [71993]",
        "password: {a: 71993}",
    ] {
        let message = bad(&format!("{BASE}  {line}\n"));
        assert_says(&message, &["password is", "put it in quotes"]);
        assert!(!message.contains("7199"), "{message}");
    }
    for text in [
        "redis_session: redis://u:hunter2@h\n",
        "redis://u:hunter2@h\n",
        "redis://u:hunter2@h line 1 column 1\n",
        "redis_session:\n  server: h\n  password: {{hunter2}}\n",
        "redis_session:\n  server: h\n  pasword: hunter2\n",
        "redis_session:\n  server: h\n  password: \"hunter2\n",
    ] {
        let error = read(text).expect_err(text);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let settings = good("redis_session: {server: h, password: hunter2}\n");
    let shown = format!("{settings:?} {settings:#?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("Secret(…)"),
        "{shown}"
    );
}

#[test]
fn an_environment_is_merged_deeply() {
    let base =
        "session_name: base\nredis_session:\n  server: base:1\n  expire: 100\n  password: x\n";
    let directory = application(
        base,
        &[
            (
                "production",
                "redis_session:\n  expire: 200\n  password: ~\nsession_secure: 0\n",
            ),
            ("mapping", "redis_session:\n  expire: {a: 1}\n"),
            ("broken", "redis_session:\n  database: x\n"),
            ("cookie", "session_expires: x\n"),
            ("short", "redis_session:\n  lifetime: 50\n"),
            ("scalar", "redis_session: x\n"),
            ("other", "logger: console\n"),
            ("syntax", "redis_session: [\n"),
        ],
    );
    let in_environment =
        |name: &str| Settings::from_file_in(directory.path().join("config.yml"), name);

    let settings = in_environment("production").expect("production");
    assert_eq!(settings.address().expect("server").to_string(), "base:1");
    assert_eq!(settings.expire, Duration::from_secs(200));
    assert!(settings.password.is_none());
    assert_eq!(
        (settings.cookie.name(), settings.cookie.secure),
        ("base", false)
    );

    for name in ["other", "missing"] {
        let settings = in_environment(name).expect(name);
        assert_eq!(settings.expire, Duration::from_secs(100), "{name}");
    }
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("broken", &["database is `x`", "(in redis_session of /", "environments/broken.yml)"]),
        ("cookie", &["session_expires is `x`", "environments/cookie.yml)"]),
        ("mapping", &["expire is a mapping", "environments/mapping.yml)"]),
        ("short", &["lifetime is 50s", "environments/short.yml)"]),
        ("scalar", &["redis_session must be a hash reference", "environments/scalar.yml"]),
        ("syntax", &["environments/syntax.yml", "line "]),
    ];
    for (name, fragments) in rows {
        let message = in_environment(name).expect_err(name).to_string();
        assert_says(&message, fragments);
        assert!(!message.contains("config.yml"), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let directory = application("", &[]);
    let path = directory.path().join("absent.yml");
    let message = Settings::from_file_in(&path, "x")
        .expect_err("absent")
        .to_string();
    assert_says(&message, &["cannot read", "absent.yml"]);
    // Something that can't be read in the place of an environment's file is not "no file".
    let environments = directory.path().join("environments");
    fs::create_dir(environments.join("directory.yml")).expect("a directory");
    symlink("loop.yml", environments.join("loop.yml")).expect("a link to itself");
    for name in ["directory", "loop"] {
        let path = directory.path().join("config.yml");
        let error = Settings::from_file_in(&path, name).expect_err(name);
        assert_says(&error.to_string(), &["cannot read", &format!("{name}.yml")]);
    }
    for text in [
        "a: 1\n---\nb: 2\n",
        "- a\n",
        "just text\n",
        "a: [\n",
        "a: 1\na: 2\n",
    ] {
        assert_says(&bad(text), &["not a YAML configuration"]);
    }
}

#[test]
fn a_whole_dancer_configuration() {
    let settings = good(WHOLE);
    assert_eq!(
        settings.address().expect("an address").to_string(),
        "unix:/var/run/redis.sock"
    );
    assert_eq!(
        settings.password.as_ref().map(|p| p.expose()),
        Some("correct horse")
    );
    assert_eq!(settings.database, Some(1));
    assert_eq!(settings.expire, Duration::from_secs(3600));
    assert!(!settings.debug);
    assert_eq!(settings.cookie.name(), "eg_session_id");
    assert_eq!(settings.cookie.expires, Some(Duration::from_secs(7200)));
}

const WHOLE: &str = r#"
# This is the main configuration file of your Dancer app
appname: "eg"
layout: "main"
charset: "UTF-8"
port: 4100
auto_page: 1
behind_proxy: 0.0
logger: "file"
log: "warning"
warnings: 1
show_errors: ~
template: "template_toolkit"
engines:
  template_toolkit:
    encoding: 'utf8'
    start_tag: '[%'
  'Template::Alloy': {AUTO_FILTER: html}
plugins:
  'Cache::CHI':
    driver: Memory
    global: 1
    expires_in: 1 min
  Database:
    connections:
      - {driver: SQLite, database: x.db}
      - &main {driver: Pg, database: eg}
  DBIC: {default: *main}
"Foo::Bar[0]": yes
serializer: JSON
session: "Redis"
session_dir: "/tmp/sessions"
session_name: eg_session_id
session_expires: "2 hours"
session_secure: 1
session_is_http_only: 1
redis_session:
    server: 'redi.example.com:6379'
    sock: '/var/run/redis.sock'
    password: 'correct horse'
    database: 1
    expire: 3600
    debug: 0
"#;

#[test]
fn addresses() {
    #[rustfmt::skip]
    let rows = [
        ("redis.example.com", "redis.example.com:6379"),
        ("redis.example.com:6380", "redis.example.com:6380"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("my_redis-1:65535", "my_redis-1:65535"),
        ("[::1]:6380", "[::1]:6380"),
        ("[::1]", "[::1]:6379"),
        ("::1", "[::1]:6379"),
        ("redis://h", "h:6379"),
        ("redis://h/", "h:6379"),
        ("redis://h:6380/2", "h:6380"),
        ("redis://127.0.0.1:6380", "127.0.0.1:6380"),
        ("redis://[::1]:6380/0", "[::1]:6380"),
        ("redis://user:p%40ss%2Fword@h:1", "h:1"),
        ("redis://:p@h", "h:6379"),
        ("rediss://h", "rediss://h:6379"),
        ("rediss://u:p@[2001:db8::1]:7/1", "rediss://[2001:db8::1]:7"),
        ("unix:///run/redis.sock", "unix:/run/redis.sock"),
        ("unix:///run/my%20redis.sock?db=1", "unix:/run/my redis.sock"),
    ];
    for (server, expected) in rows {
        match at(server).address() {
            Ok(address) => assert_eq!(address.to_string(), expected, "{server}"),
            Err(error) => panic!("{server}: {error}"),
        }
        let quoted = format!("redis_session:\n  server: '{server}'\n");
        let from_file = good(&quoted).address().expect("read before");
        assert_eq!(from_file.to_string(), expected, "{server}");
    }
    let both = Settings {
        sock: Some("/s".into()),
        ..at("h")
    };
    assert_eq!(both.address().expect("sock").to_string(), "unix:/s");
    let empty = Settings {
        sock: Some("".into()),
        ..at("h")
    };
    let error = empty.address().expect_err("no path");
    assert_says(&error.to_string(), &["sock is empty"]);
}

#[test]
fn servers_that_are_none() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("h:", &["`h:`", "port"]),
        ("h:0", &["`h:0`", "1 to 65535"]),
        ("h:65536", &["1 to 65535"]),
        ("h:+5", &["1 to 65535"]),
        (":6379", &["host"]),
        ("a b:1", &["`a b:1`", "host"]),
        ("[::1", &["`[::1`"]),
        ("[h]:1", &["host"]),
        ("/run/redis.sock", &["`sock`"]),
        ("http://h/x", &["`http://h/x`", "unknown scheme"]),
        ("redis://", &["host"]),
        ("redis:///1", &["host"]),
        ("redis://h:99999", &["port"]),
        ("redis://h%41", &["host"]),
        ("redis://h:0", &["port"]),
        ("redis://h/x", &["`redis://h/x`", "database"]),
        ("redis://h/-1", &["database"]),
        ("redis://h/1/2", &["database"]),
        ("redis://h?db=1", &["behind a ?"]),
        ("rediss://h/#insecure", &["always verified"]),
        ("unix://", &["no path"]),
        ("unix:///", &["no path"]),
        ("unix://run/redis.sock", &["three slashes"]),
        ("unix:///run/x?db=x", &["database"]),
        ("unix:///run/x?pass=x", &["db="]),
        ("redis://user@h", &["user without a password"]),
    ];
    for (server, fragments) in rows {
        let error = at(server).address().expect_err(server);
        assert!(error.is_settings(), "{server}");
        assert_says(&error.to_string(), &["server "]);
        assert_says(&error.to_string(), fragments);
    }
    for (server, _) in rows {
        let message = bad(&format!("redis_session:\n  server: '{server}'\n"));
        assert_says(&message, &["(in redis_session of "]);
    }
}

#[test]
fn no_message_shows_what_a_url_holds() {
    let leaky = [
        "redis://hunter2:hunter2@h:1/0",
        "redis://hunter2:hunter2@h/hunter2",
        "redis://hunter2:hunter2@h:99999",
        "redis://u:hunter2/hunter2@h",
        "redis://u/hunter2@h",
        "redis://u:hunter2#hunter2@h",
        "redis://u:a?hunter2@h",
        "redis://u:a hunter2@h",
        "redis://:hunter2",
        "redis://hunter2@h",
        "redis://u:%ffhunter2@h",
        "redis://h?password=hunter2",
        "redis://h#hunter2",
        "rediss://u:hunter2@h/#hunter2",
        "http://u:hunter2@h",
        "unix://u:hunter2@h/x",
        "unix:///x?pass=hunter2",
        "hunter2://u:hunter2@h",
        "u:hunter2@h:6379",
        "hunter2@h",
    ];
    for server in leaky {
        let settings = at(server);
        let mut shown = format!("{settings:?} {settings:#?} {:?}", settings.validate());
        if let Err(error) = settings.address() {
            shown += &format!("{error} {error:?}");
        }
        if let Err(error) = Settings::from_url(server) {
            shown += &format!("{error} {error:?}");
        }
        if let Err(error) = read(&format!("redis_session:\n  server: '{server}'\n")) {
            shown += &format!("{error} {error:?}");
        }
        assert!(!shown.contains("hunter2"), "{server}: {shown}");
    }
    assert!(format!("{:?}", at("redis://h:1")).contains("redis://h:1"));
}

#[test]
fn from_a_url() {
    let settings = Settings::from_url("redis://u:p@h:1/2").expect("a URL");
    assert_eq!(settings.address().expect("checked").to_string(), "h:1");
    for url in ["", "h:1", "ftp://h", "redis://"] {
        let error = Settings::from_url(url).expect_err(url);
        assert_says(&error.to_string(), &["redis://"]);
    }
}

#[rustfmt::skip]
mod cookie {
    use super::*;

    pub(super) fn plain() -> CookieSettings { CookieSettings::default() }
    pub(super) fn named(name: &str) -> CookieSettings { CookieSettings { name: Some(name.to_owned()), ..plain() } }
    pub(super) fn domain(domain: &str) -> CookieSettings { CookieSettings { domain: Some(domain.to_owned()), ..plain() } }
    pub(super) fn expires(seconds: u64) -> CookieSettings { CookieSettings { expires: Some(Duration::from_secs(seconds)), ..plain() } }
    pub(super) fn same_site(same_site: SameSite) -> CookieSettings { CookieSettings { same_site, ..plain() } }
    pub(super) fn insecure(cookie: CookieSettings) -> CookieSettings { CookieSettings { secure: false, ..cookie } }
    pub(super) fn hosted(cookie: CookieSettings) -> CookieSettings { CookieSettings { domain: Some("example.com".to_owned()), ..cookie } }
}

#[test]
fn cookies_that_browsers_reject() {
    use cookie::{domain, expires, hosted, insecure, named, same_site};
    #[rustfmt::skip]
    let rows: &[(CookieSettings, &[&str])] = &[
        (insecure(named("__Host-x")), &["session_name is `__Host-x`", "session_secure"]),
        (insecure(named("__hOST-x")), &["session_name", "session_secure"]),
        (hosted(named("__Host-x")), &["session_name", "session_domain"]),
        (hosted(named("__host-x")), &["session_name", "session_domain"]),
        (insecure(named("__Secure-x")), &["session_name", "__Secure-", "session_secure"]),
        (insecure(same_site(SameSite::None)), &["session_same_site is None", "session_secure", "Lax"]),
        (named(""), &["session_name is ``", "expected"]),
        (named("a b"), &["session_name is `a b`"]),
        (named("a=b"), &["session_name"]),
        (named("a;b"), &["session_name"]),
        (named("é"), &["session_name"]),
        (domain(""), &["session_domain is ``"]),
        (domain("https://example.com"), &["session_domain", "no scheme"]),
        (domain("example.com; Path=/x"), &["session_domain"]),
        (domain("exämple.com"), &["session_domain"]),
        (expires(0), &["session_expires is 0,", "leave it out"]),
        (expires(400 * 86_400 + 1), &["session_expires", "400 days"]),
    ];
    for (cookie, fragments) in rows {
        let error = cookie.validate().expect_err(&format!("{cookie:?}"));
        assert_says(&error.to_string(), fragments);
        let settings = Settings {
            cookie: cookie.clone(),
            ..Settings::default()
        };
        let same = settings.validate().expect_err("the same");
        assert_eq!(same.to_string(), error.to_string());
    }
}

#[test]
fn cookies_that_browsers_accept() {
    use cookie::{domain, expires, hosted, insecure, named, plain, same_site};
    for cookie in [
        named("__Host-x"),
        hosted(named("__Secure-x")),
        insecure(named("x")),
        named("!#$%&'*+-.^_`|~9aZ"),
        same_site(SameSite::None),
        insecure(same_site(SameSite::Strict)),
        insecure(plain()),
        hosted(plain()),
        domain(".example.com"),
        expires(400 * 86_400),
        expires(1),
    ] {
        if let Err(error) = cookie.validate() {
            panic!("{cookie:?}: {error}");
        }
    }
}

#[test]
fn mistakes_of_the_cookie_name_their_file() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("session_name: __Host-x\nsession_secure: 0\n", &["session_name is `__Host-x`"]),
        ("session_same_site: None\nsession_secure: 0\n", &["session_same_site is None"]),
        ("session_same_site: Loose\n", &["session_same_site is `Loose`", "`Strict`, `Lax` or `None`"]),
        ("session_expires: 401 days\n", &["session_expires", "400 days"]),
        ("session_expires: -1\n", &["session_expires is `-1`", "not negative"]),
        ("session_secure: maybe\n", &["session_secure is `maybe`"]),
        ("session_is_http_only: 3\n", &["session_is_http_only is `3`"]),
        ("session_domain: 'a b'\n", &["session_domain is `a b`"]),
        ("session_name: 5\n", &["session_name is `5`", "quotes"]),
    ];
    for (lines, fragments) in rows {
        let message = bad(&format!("{BASE}{lines}"));
        assert_says(&message, fragments);
        assert!(message.ends_with("config.yml)"), "{message}");
    }
}

#[test]
fn limits_hold_for_settings_from_code() {
    let seconds = Duration::from_secs;
    let years = |n: u64| Duration::from_secs(n * 365 * 86_400);
    let default = Settings::default;
    #[rustfmt::skip]
    let rows = [
        (Settings { expire: Duration::ZERO, ..default() }, Some("expire")),
        (Settings { expire: Duration::from_millis(999), ..default() }, Some("expire")),
        (Settings { expire: seconds(1), ..default() }, None),
        (Settings { expire: years(10), ..default() }, None),
        (Settings { expire: years(10) + seconds(1), ..default() }, Some("expire")),
        (Settings { lifetime: Some(seconds(900)), ..default() }, None),
        (Settings { lifetime: Some(seconds(899)), ..default() }, Some("lifetime")),
        (Settings { lifetime: Some(years(10) + seconds(1)), ..default() }, Some("lifetime")),
        (Settings { touch_interval: seconds(899), ..default() }, None),
        (Settings { touch_interval: seconds(900), ..default() }, Some("touch_interval")),
        (Settings { renew_grace: seconds(3600), ..default() }, None),
        (Settings { renew_grace: seconds(3601), ..default() }, Some("renew_grace")),
        (Settings { timeout: Duration::from_millis(1), ..default() }, None),
        (Settings { timeout: Duration::from_micros(999), ..default() }, Some("timeout")),
        (Settings { timeout: seconds(60), ..default() }, None),
        (Settings { timeout: seconds(61), ..default() }, Some("timeout")),
        (Settings { max_size: 1, ..default() }, None),
        (Settings { max_size: 0, ..default() }, Some("max_size")),
        (Settings { max_size: 16 << 20, ..default() }, None),
        (Settings { max_size: (16 << 20) + 1, ..default() }, Some("max_size")),
        (Settings { prefix: String::new(), ..default() }, Some("prefix")),
        (Settings { on_unreadable: OnUnreadable::Anonymous, ..default() }, None),
    ];
    for (settings, wrong) in rows {
        let key = settings.validate().err().map(|error| error.to_string());
        let key = key.as_deref().and_then(|message| message.split(' ').next());
        assert_eq!(key, wrong, "{settings:?}");
    }
}

/// Runs one test of this program in a process of its own, with variables of its own.
#[track_caller]
fn in_a_process(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([&format!("settings::{test}"), "--exact", "--ignored"]);
    for name in ["REDIS_URL", "DANCER_ENVIRONMENT", "PLACK_ENV"] {
        command.env_remove(name);
    }
    let output = command
        .envs(variables.iter().copied())
        .output()
        .expect("a process");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{variables:?}: {told}"
    );
}

#[test]
fn from_the_environment() {
    #[rustfmt::skip]
    let rows = [
        (None, "is not set"),
        (Some(""), "is not set"),
        (Some("redis://u:hunter2@h:1/2"), "h:1"),
        (Some("redis://u:hunter2@h:99999"), "(in REDIS_URL)"),
        (Some("h:1"), "(in REDIS_URL)"),
    ];
    for (url, expected) in rows {
        let mut variables = vec![("EXPECTED", expected)];
        variables.extend(url.map(|url| ("REDIS_URL", url)));
        in_a_process("reads_redis_url", &variables);
    }
}

#[test]
#[ignore = "run by from_the_environment, with variables"]
fn reads_redis_url() {
    let expected = std::env::var("EXPECTED").expect("EXPECTED");
    let told = match Settings::from_env().and_then(|settings| settings.address()) {
        Ok(address) => address.to_string(),
        Err(error) => format!("REDIS_URL: {error} {error:?}"),
    };
    assert!(
        told.contains(&expected) && !told.contains("hunter2"),
        "{told}"
    );
}

#[test]
fn the_name_of_the_environment() {
    let directory = application(
        BASE,
        &[
            ("development", "redis_session: {server: development}\n"),
            ("plack", "redis_session: {server: plack}\n"),
            ("dancer", "redis_session: {server: dancer}\n"),
        ],
    );
    let path = directory.path().join("config.yml");
    let path = path.to_str().expect("UTF-8");
    #[rustfmt::skip]
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[], "development"),
        (&[("PLACK_ENV", "plack")], "plack"),
        (&[("PLACK_ENV", "plack"), ("DANCER_ENVIRONMENT", "dancer")], "dancer"),
        (&[("PLACK_ENV", "plack"), ("DANCER_ENVIRONMENT", "")], "plack"),
    ];
    for (variables, expected) in rows {
        let mut all = vec![("EXPECTED", *expected), ("CONFIG", path)];
        all.extend_from_slice(variables);
        in_a_process("reads_a_file", &all);
    }
}

#[test]
#[ignore = "run by the_name_of_the_environment, with variables"]
fn reads_a_file() {
    let path = std::env::var("CONFIG").expect("CONFIG");
    let settings = Settings::from_file(path).expect("settings");
    let expected = format!("{}:6379", std::env::var("EXPECTED").expect("EXPECTED"));
    assert_eq!(settings.address().expect("checked").to_string(), expected);
}
