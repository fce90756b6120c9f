//! A relay to a mail store that loses answers.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// Between mfilter and the server: it passes everything on, except that the first answer
/// for each copy is lost after the server has stored it.
pub struct LostReplies {
    path: PathBuf,
    lost: Arc<AtomicUsize>,
    _directory: Option<TempDir>,
}

impl LostReplies {
    /// In front of an IMAP server at a socket; at `path` if one is given, which must not
    /// exist.
    pub fn of_imap(server: PathBuf, path: Option<PathBuf>) -> LostReplies {
        LostReplies::before(server, path, pass_imap)
    }

    /// In front of an LMTP server at a socket.
    pub fn of_lmtp(server: PathBuf) -> LostReplies {
        LostReplies::before(server, None, pass_lmtp)
    }

    fn before(server: PathBuf, path: Option<PathBuf>, pass: Pass) -> LostReplies {
        let directory = path.is_none().then(|| tempfile::tempdir().expect("a directory"));
        let path = path.or_else(|| Some(directory.as_ref()?.path().join("store"))).expect("one");
        let listener = UnixListener::bind(&path).expect("a socket");
        let above = path.parent().expect("a directory");
        for (path, mode) in [(above, 0o755), (path.as_path(), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
        let lost = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lost);
        std::thread::spawn(move || {
            let known = Mutex::new(HashSet::new());
            std::thread::scope(|scope| {
                for client in listener.incoming().flatten() {
                    let (server, known, counted) = (&server, &known, &counted);
                    scope.spawn(move || pass(client, server, known, counted));
                }
            });
        });
        LostReplies { path, lost, _directory: directory }
    }

    /// The socket on which it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Serves a client in front of a server: what is known of copies, and how many answers were
/// lost.
type Pass = fn(UnixStream, &Path, &Mutex<HashSet<Vec<u8>>>, &AtomicUsize) -> io::Result<()>;

/// Both directions of a connection.
fn halves(stream: UnixStream) -> io::Result<(BufReader<UnixStream>, UnixStream)> {
    let writer = stream.try_clone()?;
    Ok((BufReader::new(stream), writer))
}

/// Loses the first answer to `APPEND` for each message and folder.
fn pass_imap(
    client: UnixStream,
    server: &Path,
    known: &Mutex<HashSet<Vec<u8>>>,
    lost: &AtomicUsize,
) -> io::Result<()> {
    let ((mut client, mut to_client), (mut server, mut to_server)) =
        (halves(client)?, halves(UnixStream::connect(server)?)?);
    let mut greeting = Vec::new();
    server.read_until(b'\n', &mut greeting)?;
    to_client.write_all(&greeting)?;
    loop {
        let mut command = String::new();
        if client.read_line(&mut command)? == 0 {
            return Ok(());
        }
        to_server.write_all(command.as_bytes())?;
        let (tag, rest) = command.split_once(' ').expect("a tag");
        let mut key = rest.as_bytes().to_vec();
        if let Some((_, size)) = command.trim_end().trim_end_matches('}').rsplit_once('{') {
            let size = size.strip_suffix('+').expect("they are small");
            let mut literal = vec![0; size.parse().expect("a number")];
            client.read_exact(&mut literal)?;
            client.read_until(b'\n', &mut literal)?;
            to_server.write_all(&literal)?;
            key.extend_from_slice(&literal);
        }
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            if server.read_until(b'\n', &mut answer)? == 0 {
                return to_client.write_all(&answer);
            }
            if answer[start..].starts_with(format!("{tag} ").as_bytes()) {
                assert!(!answer[start..].starts_with(format!("{tag} BAD").as_bytes()), "{command}");
                break;
            }
        }
        if rest.starts_with("APPEND") && known.lock().expect("no panic").insert(key) {
            lost.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        to_client.write_all(&answer)?;
    }
}

/// Loses the first answer for each recipient.
fn pass_lmtp(
    client: UnixStream,
    server: &Path,
    known: &Mutex<HashSet<Vec<u8>>>,
    lost: &AtomicUsize,
) -> io::Result<()> {
    let ((mut client, mut to_client), (mut server, mut to_server)) =
        (halves(client)?, halves(UnixStream::connect(server)?)?);
    let mut reply = || {
        let mut all = String::new();
        loop {
            let start = all.len();
            if server.read_line(&mut all)? == 0 || all.as_bytes().get(start + 3) != Some(&b'-') {
                return io::Result::Ok(all);
            }
        }
    };
    to_client.write_all(reply()?.as_bytes())?;
    let mut recipients: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Ok(());
        }
        to_server.write_all(line.as_bytes())?;
        let answer = reply()?;
        if line.starts_with("RCPT") {
            recipients.push(line.clone());
        }
        to_client.write_all(answer.as_bytes())?;
        if line != "DATA\r\n" {
            continue;
        }
        while line != ".\r\n" {
            line.clear();
            client.read_line(&mut line)?;
            to_server.write_all(line.as_bytes())?;
        }
        let answers: Vec<String> = recipients.iter().map(|_| reply()).collect::<Result<_, _>>()?;
        for (recipient, answer) in recipients.drain(..).zip(answers) {
            assert!(answer.starts_with("250"), "{answer}");
            if known.lock().expect("no panic").insert(recipient.into_bytes()) {
                lost.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            to_client.write_all(answer.as_bytes())?;
        }
    }
}
