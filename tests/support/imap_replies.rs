//! A relay to an IMAP server that loses answers.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// Between mfilter and the server: it passes everything on, except that for each message
/// and folder the first answer to `APPEND` is lost after the server has stored it.
pub struct LostReplies {
    path: PathBuf,
    lost: Arc<AtomicUsize>,
    _directory: Option<TempDir>,
}

impl LostReplies {
    /// In front of a server at a socket; at `path` if one is given, which must not exist.
    pub fn before(server: PathBuf, path: Option<PathBuf>) -> LostReplies {
        let directory = path.is_none().then(|| tempfile::tempdir().expect("a directory"));
        let path = path.or_else(|| Some(directory.as_ref()?.path().join("imap"))).expect("one");
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

fn pass(
    client: UnixStream,
    server: &Path,
    known: &Mutex<HashSet<Vec<u8>>>,
    lost: &AtomicUsize,
) -> std::io::Result<()> {
    let server = UnixStream::connect(server)?;
    let (mut to_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut client, mut server) = (BufReader::new(client), BufReader::new(server));
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
