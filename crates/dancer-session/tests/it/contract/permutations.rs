//! Every order of what one request may do, against a model (R09).

use dancer_session::{Flushed, Session};

use crate::bench::{Bench, Kind, id};

for_every_store! {
    r09_no_order_of_operations_brings_the_old_id_back
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Write,
    Destroy,
    Renew,
    /// Another request of the same client reads, and so extends.
    Touch,
    Flush,
}

use Step::{Destroy, Flush, Renew, Touch, Write};

/// What one request should see, told without any of the engine's words.
#[derive(Debug, Default)]
struct Model {
    /// Which session, counted from 0, and whether it is in the store.
    session: Option<u32>,
    made: u32,
    wants_new_id: bool,
    writes: u32,
    /// What the current session holds: how many writes were stored.
    stored: u32,
    destroyed: bool,
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Write => self.writes += 1,
            Renew => self.wants_new_id = true,
            Destroy => {
                self.destroyed |= self.session.take().is_some();
                (self.writes, self.stored, self.wants_new_id) = (0, 0, false);
            }
            Touch => {}
            Flush => self.flush(),
        }
    }

    fn flush(&mut self) {
        let makes = match self.session {
            None => self.writes > 0,
            Some(_) => self.wants_new_id,
        };
        if makes {
            self.made += 1;
            self.session = Some(self.made);
            self.destroyed = false;
        }
        self.stored += self.writes;
        (self.writes, self.wants_new_id) = (0, false);
    }
}

async fn r09_no_order_of_operations_brings_the_old_id_back(kind: Kind) {
    let bench = Bench::new(kind).await;
    let mut programs: Vec<Vec<Step>> = vec![vec![]];
    for length in 0..4 {
        let longer: Vec<Vec<Step>> = programs
            .iter()
            .filter(|program| program.len() == length)
            .flat_map(|program| {
                [Write, Destroy, Renew, Touch, Flush].map(|step| [&program[..], &[step]].concat())
            })
            .collect();
        programs.extend(longer);
    }
    assert_eq!(programs.len(), 1 + 5 + 25 + 125 + 625);
    for program in programs {
        run(&bench, &program).await;
    }
}

async fn run(bench: &Bench, program: &[Step]) {
    let session = bench.session(&[]).await;
    let mut ids = vec![id(&session)];
    let mut model = Model {
        session: Some(0),
        ..Model::default()
    };
    for step in program.iter().copied().chain([Flush]) {
        let before = session.id();
        act(bench, &session, step, &ids).await;
        model.step(step);
        if step == Flush && session.id() != before && session.id().is_some() {
            assert!(!ids.contains(&id(&session)), "{program:?}: an id came back");
            ids.push(id(&session));
        }
        assert_eq!(
            session.id().is_some(),
            model.session.is_some(),
            "{program:?} at {step:?}"
        );
    }
    assert_eq!(ids.len() as u32, model.made + 1, "{program:?}");
    assert_eq!(session.is_destroyed(), model.destroyed, "{program:?}");
    for (n, issued) in (0..).zip(&ids) {
        let found = bench
            .find_id(issued)
            .await
            .filter(|found| !found.is_ended());
        let expected = (model.session == Some(n)).then_some(model.stored);
        let writes = found.map(|found| found.get("writes").unwrap().unwrap_or(0));
        assert_eq!(writes, expected, "{program:?}: session {n}");
    }
}

async fn act(bench: &Bench, session: &Session, step: Step, ids: &[String]) {
    match step {
        Write => session
            .update("writes", |n: Option<u32>| n.unwrap_or(0) + 1)
            .unwrap(),
        Renew => session.renew(),
        Destroy => session.destroy(),
        Touch => drop(bench.find_id(ids.last().unwrap()).await),
        Flush => assert_ne!(session.flush().await.unwrap(), Flushed::Ended),
    }
}
