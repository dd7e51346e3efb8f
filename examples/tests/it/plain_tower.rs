//! The plain tower service: the same sessions without axum, at the same price.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use dancer_session_tower::{SessionEngine, Settings};
use http::header::{COOKIE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use testbench::{Commands, RedisServer};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::browser::{Jar, memory};
use crate::examples::plain_tower::app;

async fn in_redis(server: &RedisServer) -> SessionEngine {
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    SessionEngine::init(settings).await.unwrap()
}

async fn get(engine: &SessionEngine, jar: &mut Jar, path: &str) -> Response<String> {
    let mut request = Request::get(path);
    if let Some(cookies) = jar.header() {
        request = request.header(COOKIE, cookies);
    }
    let request = request.body(()).unwrap();
    let response = app(engine.clone()).oneshot(request).await.unwrap();
    jar.take(response.headers());
    response
}

#[tokio::test]
async fn it_counts_and_knows_who_was_there_before() {
    let (engine, mut jar) = (memory(), Jar::default());
    let first = get(&engine, &mut jar, "/").await;
    assert_eq!(first.body(), "welcome, visit 1\n");
    let second = get(&engine, &mut jar, "/").await;
    assert_eq!(second.body(), "welcome back, visit 2\n");
    let stranger = get(&engine, &mut Jar::default(), "/").await;
    assert_eq!(stranger.body(), "welcome, visit 1\n");
    let nowhere = get(&engine, &mut jar, "/nowhere").await;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_request_reads_once_and_writes_once_whoever_takes_the_session() {
    let server = RedisServer::start();
    let (engine, mut jar) = (in_redis(&server).await, Jar::default());
    // The second request sends the script that later ones only name.
    get(&engine, &mut jar, "/").await;
    get(&engine, &mut jar, "/").await;
    let before = server.commands().await;
    let third = get(&engine, &mut jar, "/").await;
    assert_eq!(third.body(), "welcome back, visit 3\n");
    let spent = server.commands().await.since(&before);
    // `get` and `set` run inside the script.
    let expected = [("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)];
    assert_eq!(spent, Commands::from(expected));

    let before = server.commands().await;
    get(&engine, &mut jar, "/nowhere").await;
    let spent = server.commands().await.since(&before);
    assert_eq!(spent, Commands::default());
}

#[tokio::test]
async fn a_fault_is_a_503_here_too() {
    let server = RedisServer::start();
    let (engine, mut jar) = (in_redis(&server).await, Jar::default());
    get(&engine, &mut jar, "/").await;
    server.pause();
    let response = get(&engine, &mut jar, "/").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    server.resume();
    let response = get(&engine, &mut jar, "/").await;
    assert_eq!(response.body(), "welcome back, visit 2\n");
}

#[tokio::test]
async fn hyper_serves_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::task::spawn_blocking(move || ask(address));
    let (client, _) = listener.accept().await.unwrap();
    let app = TowerToHyperService::new(app(memory()));
    let server = auto::Builder::new(TokioExecutor::new());
    let served = server.serve_connection(TokioIo::new(client), app).await;
    drop(served);
    let answer = asked.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("set-cookie: __Host-id="), "{answer}");
    assert!(answer.ends_with("\r\n\r\nwelcome, visit 1\n"), "{answer}");
}

fn ask(address: SocketAddr) -> String {
    let mut server = TcpStream::connect(address).unwrap();
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    server.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    answer
}
