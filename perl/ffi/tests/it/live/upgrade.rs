//! A Dancer application goes over to our distribution and back, while its visitors go on.

use std::collections::BTreeSet;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::*;

/// The application behind one front door: which one it is, and where, while it answers.
#[derive(Debug, Clone, Copy)]
struct Site {
    number: usize,
    address: Option<SocketAddr>,
}

const CLOSED: Site = Site {
    number: 0,
    address: None,
};

const ORIGINAL: usize = 0;
const OURS: usize = 1;
const ORIGINAL_AGAIN: usize = 2;

/// A visitor who is logged in and never will again.
struct Guest {
    visitor: Visitor,
    name: String,
    id: String,
    count: u64,
    /// Whether it is one who asks ours for a new id.
    renews: bool,
    renewed: bool,
}

impl Guest {
    async fn log_in(number: usize, address: SocketAddr) -> Self {
        let visitor = Visitor::default();
        let name = format!("guest{number}");
        visitor.post(address, "/login", &[("name", &name)]).await;
        Self {
            id: visitor.cookie(COOKIE).unwrap(),
            visitor,
            name,
            count: 0,
            renews: number.is_multiple_of(2),
            renewed: false,
        }
    }

    /// The first whole answer, and whose it is; `None` when the door is closed for good.
    async fn ask(
        &self,
        door: &mut watch::Receiver<Site>,
        method: &str,
        path: &str,
    ) -> Option<(usize, String)> {
        loop {
            let site = *door.wait_for(|site| site.address.is_some()).await.ok()?;
            let address = site.address.expect("it was waited for");
            match self.visitor.try_ask(address, method, path, &[]).await {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                    return Some((site.number, answer.text));
                }
                // Cut off by its end: a browser would ask again.
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// A few requests; whose the last answer was.
    async fn look_around(&mut self, door: &mut watch::Receiver<Site>) -> Option<usize> {
        let (_, user) = self.ask(door, "GET", "/whoami").await?;
        assert_eq!(user, self.name, "still logged in");
        let (number, count) = self.ask(door, "GET", "/count").await?;
        let count = count.parse().unwrap();
        assert!(count > self.count, "{count} after {}", self.count);
        self.count = count;
        if number == OURS && self.renews && !self.renewed {
            let (_, id) = self.ask(door, "POST", "/renew").await?;
            assert_ne!(id, self.id);
            (self.id, self.renewed) = (id, true);
        }
        assert_eq!(self.visitor.cookie(COOKIE).as_ref(), Some(&self.id));
        Some(number)
    }
}

/// One of several threads' worth of visitors, until the door is closed; each round is told.
async fn browse(
    client: usize,
    mut guests: Vec<Guest>,
    mut door: watch::Receiver<Site>,
    rounds: mpsc::UnboundedSender<(usize, usize)>,
) -> Vec<Guest> {
    loop {
        let mut seen = Vec::new();
        for guest in &mut guests {
            match guest.look_around(&mut door).await {
                Some(number) => seen.push(number),
                None => return guests,
            }
        }
        // A round is of one site from its first answer on.
        let first = seen.first().copied().unwrap_or_default();
        let _ = rounds.send((client, first));
    }
}

const CLIENTS: usize = 8;

/// Waits until all guests have gone round twice on this site.
async fn all_round(rounds: &mut mpsc::UnboundedReceiver<(usize, usize)>, number: usize) {
    let mut left = [2_usize; CLIENTS];
    let all = async {
        while left.iter().any(|&left| left > 0) {
            let (client, seen) = rounds.recv().await.expect("the guests go on");
            if seen == number {
                left[client] = left[client].saturating_sub(1);
            }
        }
    };
    let waited = timeout(TIMEOUT, all).await;
    waited.expect("each guest is answered by the new site");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_session_goes_on_when_the_application_changes_its_module_and_back() {
    let redis = RedisServer::start();
    let start_original = || DancerApp::start_with(&redis, &[("WORKERS", "4")]);
    let original = start_original();
    let (door, behind) = watch::channel(Site {
        number: ORIGINAL,
        address: Some(original.address()),
    });
    let mut groups: Vec<Vec<Guest>> = (0..CLIENTS).map(|_| Vec::new()).collect();
    for number in 0..50 {
        let guest = Guest::log_in(number, original.address()).await;
        groups[number % CLIENTS].push(guest);
    }
    let (rounds, mut told) = mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for (client, guests) in groups.into_iter().enumerate() {
        let guests = browse(client, guests, behind.clone(), rounds.clone());
        clients.push(tokio::spawn(guests));
    }
    all_round(&mut told, ORIGINAL).await;

    // One request is under way for sure when the application ends, and never comes back.
    let in_between = Guest::log_in(50, original.address()).await;
    let gate = original.gate("cut-off");
    let (visitor, address) = (in_between.visitor.clone(), original.address());
    let path = gate.before("/held_count");
    let cut_off = tokio::spawn(async move { visitor.try_ask(address, "GET", &path, &[]).await });
    gate.reached().await;
    let change = |from: DancerApp, number: usize, start: &dyn Fn() -> DancerApp| {
        door.send_replace(CLOSED);
        drop(from);
        let app = start();
        let address = Some(app.address());
        door.send_replace(Site { number, address });
        app
    };
    let ours = change(original, OURS, &|| ours(&redis));
    assert!(cut_off.await.unwrap().is_err());
    let count = in_between.visitor.get(ours.address(), "/count").await;
    assert_eq!(count, "1", "what was cut off had stored nothing");
    all_round(&mut told, OURS).await;
    no_complaints(&ours);
    let original = change(ours, ORIGINAL_AGAIN, &start_original);
    all_round(&mut told, ORIGINAL_AGAIN).await;

    // A door that was only dropped would go on to show the last site.
    door.send_replace(CLOSED);
    drop(door);
    let mut guests = vec![in_between];
    for client in clients {
        guests.extend(client.await.unwrap());
    }
    no_complaints(&original);
    check(&redis, &original, &guests).await;
}

/// All are who they were, for both modules and for Rust, and nothing stays for ever.
async fn check(redis: &RedisServer, original: &DancerApp, guests: &[Guest]) {
    let engine = SessionEngine::init(settings(redis)).await.unwrap();
    for guest in guests {
        let user = guest.visitor.get(original.address(), "/whoami").await;
        assert_eq!(user, guest.name);
        let session = engine.retrieve(&guest.id).await.unwrap().unwrap();
        assert_eq!(session.get("user").unwrap(), Some(user));
        assert_eq!(guest.id.len() == 40, guest.renewed);
    }
    let ids: BTreeSet<_> = guests.iter().map(|guest| &guest.id).collect();
    assert_eq!(ids.len(), 51);
    let renewed = guests.iter().filter(|guest| guest.renewed).count();
    assert_eq!(renewed, 25);
    for key in redis.scan().await {
        let key = String::from_utf8(key).unwrap();
        assert!(redis.pttl(&key).await > 0, "{key}");
    }
}
