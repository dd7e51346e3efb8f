//! Owners on both sides: what one has logged in, the other one lists and ends.

use std::process::Command;

use dancer_session_tower::SessionEngine;
use dancer_session_tower::dancer_session::{Layout, Owner, Settings};
use testbench::RedisServer;

use crate::library::include;

/// Runs some Perl with `$class`, on this server; what it prints.
fn perl(redis: &RedisServer, program: &str) -> String {
    const BEFORE: &str = "use Dancer::Session::Redis; use Dancer qw(:script);
        set redis_session => { sock => $ARGV[0] }; my $class = 'Dancer::Session::Redis';";
    let [lib, arch] = include();
    let output = Command::new("perl")
        .args([
            "-I".as_ref(),
            lib.as_os_str(),
            "-I".as_ref(),
            arch.as_os_str(),
        ])
        .arg("-e")
        .arg(format!("{BEFORE} {program}"))
        .arg(redis.sock())
        .output()
        .expect("perl is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).expect("it prints text")
}

const LOG_IN: &str = "my $session = $class->create; $session->{user} = 42; $session->renew;
    $session->set_owner('user:42', description => 'perl'); print $session->id;";

#[tokio::test]
async fn r29_what_perl_has_logged_in_rust_lists_and_ends_and_the_other_way_round() {
    let redis = RedisServer::start();
    let settings = Settings {
        sock: Some(redis.sock().to_owned()),
        layout: Layout::Dancer,
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.expect("it starts");
    let of_perl = perl(&redis, LOG_IN);
    let in_rust = async || {
        let session = engine.anonymous();
        session
            .set_owner(Owner::from("user:42").described("rust"))
            .expect("a name");
        let _ = session.flush().await.expect("it is stored");
        session.id().expect("it has an id").as_str().to_owned()
    };
    let of_rust = in_rust().await;

    let list = engine.sessions_of("user:42").await.expect("a list");
    let shown: Vec<_> = list.iter().map(|one| &*one.description).collect();
    assert_eq!(shown.len(), 2);
    assert!(
        shown.contains(&"perl") && shown.contains(&"rust"),
        "{shown:?}"
    );
    let listed = perl(
        &redis,
        "print join ',', sort map { $_->{description} } $class->sessions_of('user:42')",
    );
    assert_eq!(listed, "perl,rust");

    assert_eq!(engine.destroy_all("user:42").await.expect("all end"), 2);
    let both =
        format!("print join ',', map {{ $class->retrieve($_)->ended }} '{of_perl}', '{of_rust}'");
    assert_eq!(perl(&redis, &both), "1,1");

    let (of_perl, of_rust) = (perl(&redis, LOG_IN), in_rust().await);
    assert_eq!(perl(&redis, "print $class->destroy_all('user:42')"), "2");
    for id in [of_perl, of_rust] {
        let found = engine.retrieve(&id).await.expect("it answers");
        assert!(found.is_some_and(|session| session.is_ended()));
    }
}
