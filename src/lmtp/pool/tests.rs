//! Workers that are threads, and what becomes of the messages that they get.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::lmtp::warm_worker::WorkerProcess;
use crate::lmtp::wire::{self, WorkerFrame};

/// Workers that are threads: the message says what one does.
struct Threads {
    started: Arc<AtomicUsize>,
    at_work: Arc<AtomicUsize>,
}

struct Nobody;

impl WorkerProcess for Nobody {
    fn kill(&mut self) {}

    fn has_ended(&mut self) -> bool {
        true
    }
}

impl Spawner for Threads {
    fn start(&self, _: &Account) -> io::Result<(UnixStream, Box<dyn WorkerProcess>)> {
        self.started.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = UnixStream::pair()?;
        let at_work = Arc::clone(&self.at_work);
        std::thread::spawn(move || {
            while let Ok(Some(WorkerFrame { head, body, .. })) =
                wire::receive::<WorkerOrder>(&theirs)
            {
                let answer = match head {
                    WorkerOrder::Settings(_) => WorkerAnswer::Ready,
                    WorkerOrder::Deliver(Job { filtering, .. })
                    | WorkerOrder::Recover(Job { filtering, .. })
                        if body == b"die loading" && filtering != Filtering::NoRules =>
                    {
                        return;
                    }
                    WorkerOrder::Deliver(Job {
                        filtering: Filtering::Inbox | Filtering::NoRules,
                        ..
                    }) => WorkerAnswer::Done {
                        outcome: Outcome::Discarded,
                        folders: Vec::new(),
                        broke: false,
                    },
                    WorkerOrder::Deliver(_) if body == b"die" || body == b"die late" => return,
                    WorkerOrder::Deliver(_) if body == b"hang" => {
                        std::thread::sleep(Duration::from_secs(2));
                        return;
                    }
                    // An answer, a byte at a time.
                    WorkerOrder::Deliver(_) if body == b"drip" => {
                        let answer = WorkerAnswer::Done {
                            outcome: Outcome::Delivered,
                            folders: vec!["x".repeat(100)],
                            broke: false,
                        };
                        let (mut from, to) = UnixStream::pair().unwrap();
                        wire::send(&to, &answer, b"", None).unwrap();
                        drop(to);
                        let mut frame = Vec::new();
                        from.read_to_end(&mut frame).unwrap();
                        let _ = frame.iter().try_for_each(|byte| {
                            std::thread::sleep(Duration::from_millis(10));
                            (&theirs).write_all(std::slice::from_ref(byte))
                        });
                        return;
                    }
                    WorkerOrder::Deliver(_) => {
                        let before = at_work.fetch_add(1, Ordering::SeqCst);
                        if body == b"slow" {
                            std::thread::sleep(Duration::from_millis(30));
                        }
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        let is_alone = before == 0 || body != b"slow";
                        let outcome = match is_alone && body != b"later" {
                            true => Outcome::Delivered,
                            false => Outcome::deferred("later"),
                        };
                        let broke = body == b"panic";
                        WorkerAnswer::Done { outcome, folders: Vec::new(), broke }
                    }
                    WorkerOrder::Recover(_) => WorkerAnswer::Recovered(body == b"die late"),
                };
                if wire::send(&theirs, &answer, b"", None).is_err() || body == b"last" {
                    return;
                }
            }
        });
        Ok((ours, Box::new(Nobody)))
    }
}

fn pool(change: impl Fn(&mut LmtpSettings)) -> (Pool, Arc<AtomicUsize>) {
    let mut settings = LmtpSettings { workers: 2, ..LmtpSettings::default() };
    change(&mut settings);
    let started = Arc::new(AtomicUsize::new(0));
    let spawner = Threads { started: Arc::clone(&started), at_work: Arc::default() };
    let (settings, tell) = (Arc::new(settings), Arc::new(|_: &str| ()));
    (Pool::new(settings, Box::new(spawner), tell, Arc::default()), started)
}

fn deliver(pool: &Pool, user: &str, body: &str) -> u16 {
    let account = Account { name: user.into(), home: user.into(), uid: 1, gid: 1 };
    let to = Addressee {
        recipient: user.into(),
        mailbox: user.into(),
        original: None,
        detail: None,
        account,
    };
    let message = MessageData::Memory(body.into());
    pool.deliver(&Envelope::default(), &to, &message, Instant::now()).reply.code
}

#[test]
fn a_worker_is_kept_until_it_is_worn() {
    let (pool, started) = pool(|settings| settings.limits.jobs = 10);
    for _ in 0..25 {
        assert_eq!(deliver(&pool, "taro", "x"), 250);
    }
    assert_eq!(started.load(Ordering::Relaxed), 3);
    pool.change_settings(Arc::new(LmtpSettings::default()));
    assert_eq!(deliver(&pool, "taro", "x"), 250);
    assert_eq!(started.load(Ordering::Relaxed), 4);
    // A worker that died between two messages costs no message.
    assert_eq!(deliver(&pool, "taro", "last"), 250);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(deliver(&pool, "taro", "x"), 250);
}

#[test]
fn a_death_costs_one_message_and_the_third_try_goes_past_the_rules() {
    let (pool, _) = pool(|_| ());
    assert_eq!(deliver(&pool, "taro", "die late"), 250, "it is found");
    for body in ["die", "panic"] {
        let first = [deliver(&pool, "taro", body), deliver(&pool, "taro", body)];
        assert_eq!(first, if body == "die" { [451, 451] } else { [250, 250] });
        assert_eq!(deliver(&pool, "hana", "x"), 250);
        assert_eq!(deliver(&pool, "taro", body), 250, "the inbox");
    }
    assert_eq!(deliver(&pool, "hana", "die"), 451, "another recipient is another case");
}

#[test]
fn rules_that_kill_while_they_are_loaded_are_left_alone_at_last() {
    let (pool, _) = pool(|_| ());
    let codes = [(); 4].map(|()| deliver(&pool, "taro", "die loading"));
    assert_eq!(codes, [451, 451, 451, 250]);
}

#[test]
fn a_worker_that_hangs_is_ended() {
    let (pool, _) = pool(|settings| settings.limits.wall = Duration::from_millis(50));
    assert_eq!(deliver(&pool, "taro", "hang"), 451);
    assert_eq!(deliver(&pool, "taro", "x"), 250);
}

/// Where users have uids of their own, a worker is in the hands of its user.
#[test]
fn a_worker_that_answers_a_byte_at_a_time_is_ended() {
    let (pool, _) = pool(|settings| settings.limits.wall = Duration::from_millis(100));
    assert_eq!(deliver(&pool, "taro", "drip"), 451);
    assert_eq!(deliver(&pool, "taro", "x"), 250);
}

#[test]
fn each_user_has_one_worker_where_each_has_a_uid() {
    let (pool, started) = pool(|settings| settings.own_uids = true);
    for user in ["a", "b", "a", "b", "c", "c"] {
        assert_eq!(deliver(&pool, user, "x"), 250);
    }
    assert_eq!(started.load(Ordering::Relaxed), 3);
}

#[test]
fn one_user_is_never_served_twice_at_once() {
    let (pool, _) = pool(|settings| settings.workers = 4);
    std::thread::scope(|scope| {
        let slow = [(); 4].map(|()| scope.spawn(|| deliver(&pool, "taro", "slow")));
        assert_eq!(slow.map(|slow| slow.join().unwrap()), [250; 4]);
    });
}

#[test]
fn a_worker_is_started_only_if_all_are_busy() {
    let (pool, started) = pool(|settings| settings.workers = 4);
    let users: Vec<String> = (0..200).map(|user| format!("user{user}")).collect();
    assert!(users.iter().all(|user| deliver(&pool, user, "x") == 250));
    assert_eq!(started.load(Ordering::Relaxed), 1);
    let seats = users.iter().take(3).map(|user| {
        let account = Account { name: user.clone(), home: user.into(), uid: 1, gid: 1 };
        let mut lease = pool.acquire(&account, Instant::now()).ok().unwrap();
        if lease.worker.is_none() {
            lease.worker = Some(lease.start(&account).unwrap());
        }
        lease
    });
    drop(seats.collect::<Vec<_>>());
    assert_eq!(started.load(Ordering::Relaxed), 3);
    let chosen = || -> Vec<usize> {
        let state = pool.state();
        users.iter().map(|user| pool.choose(&state, Path::new(user)).unwrap()).collect()
    };
    let before = chosen();
    let places: HashSet<usize> = before.iter().copied().collect();
    assert_eq!(places, HashSet::from([0, 1, 2]), "each has a share of the users");
    assert!(users.iter().all(|user| deliver(&pool, user, "x") == 250));
    assert_eq!(chosen(), before, "a user's worker stays the same");
}

#[test]
fn nobody_waits_for_a_user_whose_worker_hangs() {
    let (pool, started) = pool(|settings| settings.limits.wall = Duration::from_millis(300));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| deliver(&pool, "taro", "hang"));
        while started.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        for user in 0..20 {
            assert_eq!(deliver(&pool, &format!("user{user}"), "x"), 250);
        }
        assert!(!slow.is_finished(), "all others came before");
        assert_eq!(slow.join().unwrap(), 451);
    });
}

#[test]
fn few_messages_wait_long_for_one_user() {
    let (pool, _) = pool(|_| ());
    let account = Account { name: "a".into(), home: "a".into(), uid: 1, gid: 1 };
    let before = Instant::now() - SHORT_QUEUE_TIME;
    let lease = pool.acquire(&account, before).ok().unwrap();
    std::thread::scope(|scope| {
        let wait = || pool.acquire(&account, before).is_ok();
        let waiting = [(); WAITERS].map(|()| scope.spawn(wait));
        while pool.state().waiting.values().sum::<usize>() < WAITERS {
            std::thread::yield_now();
        }
        let why = pool.acquire(&account, before).err();
        assert!(
            why.is_some_and(|why| why.contains("this user")),
            "one more than may wait: {why:?}"
        );
        let other = Account { home: "b".into(), ..account.clone() };
        assert!(pool.acquire(&other, before).is_ok());
        drop(lease);
        assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()));
    });
    assert!(pool.state().waiting.is_empty());
}

#[test]
fn a_deferral_forgets_no_death() {
    let (pool, _) = pool(|_| ());
    let message = MessageData::Memory(b"later".into());
    pool.deaths.note(&message, "taro");
    assert_eq!(deliver(&pool, "taro", "later"), 451);
    assert_eq!(pool.deaths.of(&message, "taro"), 1);
}
