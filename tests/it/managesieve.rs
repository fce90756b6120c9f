//! `mfilter managesieve`: scripts that cannot be run are refused when they are saved,
//! and everything else passes unchanged. In front of a server that records what it gets,
//! and between Dovecot's own login process and server.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::imap::NOBODY;
use crate::support::managesieve::MANAGESIEVE;
use crate::support::ports::free_port;
use crate::support::{Home, MFILTER, skipped, wait_for};

const DOVECOT: &str = "/usr/sbin/dovecot";
const GOOD: &str = "require \"fileinto\";\nfileinto \"A\";\n";
const BAD: &str =
    "require \"enotify\";\n# rule:[Boss by SMS]\nif true { notify \"mailto:a@b\"; }\n";

/// The program, in front of a server; it ends when the value is dropped.
struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(server: SocketAddr, options: &[&str]) -> Gateway {
        let mut command = Command::new(MFILTER);
        command.args(["managesieve", "--listen", "127.0.0.1:0", "--server"]);
        command.arg(server.to_string()).args(options).env_clear();
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says where it listens");
        // What it says later need not be waited for.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let address = line.split(" at ").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("{line}"));
        Gateway { child, address: address.parse().expect("an address") }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that speaks ManageSieve over TCP.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        Client { stream: BufReader::new(stream) }
    }

    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// An answer, with its lines and literals; empty at the end.
    fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return answer;
            }
            let ends = ["OK", "NO", "BYE"].iter().any(|word| line.starts_with(word));
            answer.push_str(&line);
            if let Some((_, length)) =
                line.trim_end().strip_suffix('}').and_then(|it| it.rsplit_once('{'))
            {
                let mut text = vec![0; length.parse().expect("a length")];
                self.stream.read_exact(&mut text).expect("a literal");
                answer.push_str(&String::from_utf8_lossy(&text));
                let mut rest = String::new();
                self.stream.read_line(&mut rest).expect("the line's end");
            }
            if ends {
                return answer;
            }
        }
    }
}

/// A server that records each command and accepts all.
fn server() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let notes = Arc::clone(&notes);
            std::thread::spawn(move || serve(stream, &notes));
        }
    });
    (address, noted)
}

fn serve(stream: TcpStream, notes: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut stream = stream;
    let _ = stream.write_all(b"\"SIEVE\" \"fileinto\"\r\n\"STARTTLS\"\r\nOK {5}\r\nready\r\n");
    loop {
        let mut command = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            command.push_str(&line);
            let Some((_, length)) =
                line.trim_end().strip_suffix("+}").and_then(|it| it.rsplit_once('{'))
            else {
                break;
            };
            let mut literal = vec![0; length.parse().expect("a length")];
            if reader.read_exact(&mut literal).is_err() {
                return;
            }
            command.push_str(&String::from_utf8_lossy(&literal));
        }
        notes.lock().expect("no panic").push(command.clone());
        let answer = match command.split_whitespace().next().unwrap_or_default() {
            "AUTHENTICATE" => "\"Y2hhbGxlbmdl\"\r\n",
            "LISTSCRIPTS" => "{6}\r\nOK \"x\"\r\n \"a\" ACTIVE\r\nOK\r\n",
            "LOGOUT" => "OK\r\n",
            _ => "OK \"done\"\r\n",
        };
        let _ = stream.write_all(answer.as_bytes());
        if command.starts_with("LOGOUT") {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn put(name: &str, script: &str) -> String {
    format!("PUTSCRIPT \"{name}\" {{{}+}}\r\n{script}\r\n", script.len())
}

#[test]
fn what_cannot_be_run_is_refused_in_its_turn_and_all_else_passes() {
    let (address, noted) = server();
    let gateway = Gateway::start(address, &[]);
    let mut client = gateway.connect();
    let greeting = client.answer();
    assert!(greeting.starts_with("\"SIEVE\"") && !greeting.contains("STARTTLS"), "{greeting}");
    // All at once, as the standard allows.
    let check = format!("checkscript {{{}+}}\r\n{BAD}\r\n", BAD.len());
    let quoted = "PUTSCRIPT \"q\" \"error;\"\r\n";
    let all = [&put("a", GOOD), &check, "LISTSCRIPTS\r\n", quoted, "STARTTLS\r\n", "NOOP\r\n"];
    client.send(all.concat().as_bytes());
    let answers: Vec<String> = all.iter().map(|_| client.answer()).collect();
    assert_eq!(answers[0], "OK \"done\"\r\n");
    let reply = ["NO {", "line 3: the filter `Boss by SMS`: it wants to send a notification"];
    assert!(reply.iter().all(|part| answers[1].contains(part)), "{}", answers[1]);
    assert!(answers[2].ends_with("\"a\" ACTIVE\r\nOK\r\n"), "{}", answers[2]);
    assert!(answers[3].starts_with("NO") && answers[4].starts_with("NO"), "{answers:?}");
    assert_eq!(answers[5], "OK \"done\"\r\n");
    // Byte by byte; and a script in an answer to a challenge is not a script.
    for byte in put("b", GOOD).bytes() {
        client.send(&[byte]);
    }
    assert_eq!(client.answer(), "OK \"done\"\r\n");
    client.send(b"AUTHENTICATE \"X\"\r\n");
    let mut challenge = String::new();
    client.stream.read_line(&mut challenge).expect("a challenge");
    client.send(b"\"c2VjcmV0\"\r\n");
    assert_eq!(client.answer(), "OK \"done\"\r\n");
    client
        .send(&[&b"PUTSCRIPT \"l\" {1100000+}\r\n"[..], &vec![b'#'; 1_100_000], b"\r\n"].concat());
    assert!(client.answer().starts_with("NO (QUOTA/MAXSCRIPTSIZE)"));
    client.send(b"LOGOUT\r\n");
    assert_eq!((client.answer().as_str(), client.answer().as_str()), ("OK\r\n", ""));
    let expected = [
        &put("a", GOOD),
        "LISTSCRIPTS\r\n",
        "NOOP\r\n",
        &put("b", GOOD),
        "AUTHENTICATE \"X\"\r\n",
        "\"c2VjcmV0\"\r\n",
        "LOGOUT\r\n",
    ];
    assert_eq!(*noted.lock().expect("no panic"), expected);
}

#[test]
fn malformed_input_ends_the_connection_and_reaches_no_server() {
    let (address, noted) = server();
    let gateway = Gateway::start(address, &[]);
    for bytes in [
        &b"PUTSCRIPT \"a\" {5}\r\nkeep;\r\n"[..],
        b"PUTSCRIPT \"a {5+}\r\nkeep;\r\n",
        b"NO\0OP\r\n",
        &[b"x".repeat(10_000), b"\r\n".to_vec()].concat(),
    ] {
        let mut client = gateway.connect();
        client.answer();
        client.send(bytes);
        let answer = client.answer();
        assert!(answer.starts_with("BYE"), "{}: {answer}", String::from_utf8_lossy(bytes));
        assert_eq!(client.answer(), "");
    }
    // A client that leaves in the middle of a command has not sent it.
    let mut client = gateway.connect();
    client.answer();
    client.send(b"PUTSCRIPT \"a\" {500+}\r\nkeep;");
    drop(client);
    let mut client = gateway.connect();
    client.answer();
    client.send(b"NOOP\r\n");
    client.answer();
    assert_eq!(*noted.lock().expect("no panic"), ["NOOP\r\n"]);
}

#[test]
fn nobody_is_kept_waiting() {
    let (address, _) = server();
    let gateway = Gateway::start(address, &["--connections", "2"]);
    let mut clients = [gateway.connect(), gateway.connect()];
    clients.iter_mut().for_each(|client| assert!(client.answer().contains("OK")));
    assert!(gateway.connect().answer().starts_with("BYE"), "one too many");
    drop(clients);
    wait_for("a place", || gateway.connect().answer().contains("SIEVE").then_some(()));
    // No server.
    let nobody = ([127, 0, 0, 1], free_port()).into();
    assert!(Gateway::start(nobody, &[]).connect().answer().starts_with("BYE"));
}

/// A Dovecot with ports of its own; it ends when the value is dropped.
struct Dovecot<'h> {
    home: &'h Home,
}

impl Drop for Dovecot<'_> {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.home.path().join("run/master.pid")).unwrap_or_default();
        let _ = Command::new("kill").arg(pid.trim()).status();
        let pid = format!("/proc/{}", pid.trim());
        wait_for("Dovecot's end", || (!Path::new(&pid).exists()).then_some(()));
    }
}

/// Where a whole Dovecot is not available, a test says so.
fn lacks_dovecot(test: &str) -> bool {
    skipped(test, &[DOVECOT, MANAGESIEVE], true)
}

/// Dovecot's login process in front of the program and Dovecot behind it, as in the
/// example; taro's password is `secret`.
fn with_dovecot(work: impl FnOnce(&Home, SocketAddr)) {
    let home = Home::new();
    let path = home.path().display();
    let (front, behind) = (free_port(), free_port());
    let gateway = Gateway::start(([127, 0, 0, 1], behind).into(), &[]);
    let between = gateway.address.port();
    let example = include_str!("../../examples/dovecot/95-mfilter-managesieve.conf");
    let example = example
        // A port may contain one of these numbers.
        .replace("419", "port ")
        .replace("port 0", &front.to_string())
        .replace("port 1", &between.to_string())
        .replace("port 2", &behind.to_string())
        .replace("driver = pam", "driver = passwd-file")
        .replace("args = dovecot", &format!("args = scheme=PLAIN {path}/passwd"));
    let settings = include_str!("../../examples/dovecot/90-mfilter.conf");
    home.write("passwd", "taro:{PLAIN}secret\n");
    home.write(
        "dovecot.conf",
        format!(
            "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/dovecot.log\n\
             protocols = imap\nlisten = 127.0.0.1\nssl = no\nmail_location = maildir:~/Maildir\n\
             first_valid_uid = 1\nauth_mechanisms = plain\ndefault_internal_user = nobody\n\
             default_login_user = nobody\ndefault_internal_group = nogroup\n\
             service imap-login {{\n inet_listener imap {{\n  port = 0\n }}\n \
             inet_listener imaps {{\n  port = 0\n }}\n}}\n\
             userdb {{\n driver = static\n args = uid={NOBODY} gid={NOBODY} home={path}/taro\n}}\n\
             {settings}\n{example}"
        ),
    );
    fs::create_dir(home.path().join("taro")).expect("made");
    std::os::unix::fs::chown(home.path().join("taro"), Some(NOBODY), Some(NOBODY)).expect("given");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("set");
    let mut command = Command::new(DOVECOT);
    // It goes on behind its parent, with what it was given: no pipe for its words.
    let words = home.path().join("dovecot.err");
    let file = File::create(&words).expect("made");
    command.arg("-c").arg(home.path().join("dovecot.conf")).stdout(Stdio::null()).stderr(file);
    let started = command.status().expect("it runs");
    let words = fs::read_to_string(words).expect("readable");
    assert!(started.success(), "{started}: {words}{}", log(&home));
    let _dovecot = Dovecot { home: &home };
    let address: SocketAddr = ([127, 0, 0, 1], front).into();
    wait_for("Dovecot", || TcpStream::connect(address).ok());
    work(&home, address);
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.path().join("dovecot.log")).unwrap_or_default()
}

/// The names of taro's scripts.
fn scripts(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path().join("taro/sieve")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".sieve")).collect();
    names.sort();
    names
}

/// A script that Dovecot accepts, and mfilter cannot run.
const RAW: &str = "require \"body\";\n# rule:[Raw]\nif body :raw :contains \"x\" { discard; }\n";

#[test]
fn between_dovecots_login_process_and_its_server() {
    if lacks_dovecot("the test with a whole Dovecot") {
        return;
    }
    with_dovecot(passes_between);
}

fn passes_between(home: &Home, address: SocketAddr) {
    let login = |password: &[u8]| {
        let mut client = Client::connect(address);
        assert!(client.answer().contains("\"SIEVE\""), "{}", log(home));
        // RFC 4616, in Base64.
        client.send(&[&b"AUTHENTICATE \"PLAIN\" \""[..], password, b"\"\r\n"].concat());
        let answer = client.answer();
        (client, answer)
    };
    let (_, refused) = login(b"AHRhcm8Ad3Jvbmc=");
    assert!(refused.starts_with("NO"), "no other password is good: {refused}");
    let (mut client, answer) = login(b"AHRhcm8Ac2VjcmV0");
    assert!(answer.starts_with("OK"), "{answer}\n{}", log(home));
    client.send(put("good", GOOD).as_bytes());
    assert!(client.answer().starts_with("OK"), "{}", log(home));
    for refused in [put("raw", RAW), format!("CHECKSCRIPT {{{}+}}\r\n{RAW}\r\n", RAW.len())] {
        client.send(refused.as_bytes());
        let answer = client.answer();
        assert!(
            answer.starts_with("NO") && answer.contains("line 3: the filter `Raw`"),
            "{answer}"
        );
    }
    // And what Dovecot itself refuses is left for Dovecot to report.
    client.send(b"PUTSCRIPT \"x\" \"fileinto \\\"A\\\";\"\r\n");
    assert!(client.answer().starts_with("NO"));
    client.send(b"SETACTIVE \"good\"\r\n");
    assert!(client.answer().starts_with("OK"));
    assert_eq!(scripts(home), ["good.sieve"]);
    assert!(fs::read_link(home.path().join("taro/.dovecot.sieve")).is_ok());
}

/// Debian's sieve-connect, in Perl.
#[test]
fn sieve_connect_saves_and_is_refused() {
    const CLIENT: &str = "/usr/bin/sieve-connect";
    let test = "the test with sieve-connect";
    if skipped(test, &[CLIENT], true) || lacks_dovecot(test) {
        return;
    }
    with_dovecot(|home, address| {
        home.write("good.sieve", GOOD);
        home.write("raw.sieve", RAW);
        let local = |name: &str| home.path().join(format!("{name}.sieve")).display().to_string();
        let connect = |action: &str, fine: bool| {
            let mut command = Command::new("sh");
            let call = format!(
                "{CLIENT} --server 127.0.0.1 --port {} --user taro --authmech PLAIN \
                 --clearchan --passwordfd 0 {action}",
                address.port()
            );
            command.args(["-c", &call]);
            let run = crate::support::run(command, b"secret\n");
            let text = run.stdout.clone() + &run.stderr;
            assert_eq!(run.code == Some(0), fine, "{action}: {text}\n{}", log(home));
            text
        };
        let upload =
            |name: &str| format!("--upload --localsieve {} --remotesieve {name}", local(name));
        connect(&upload("good"), true);
        let reply = connect(&upload("raw"), false);
        assert!(reply.contains("line 3: the filter `Raw`"), "it shows the line: {reply}");
        let reply = connect(&format!("--checkscript --localsieve {}", local("raw")), false);
        assert!(reply.contains("line 3"), "{reply}");
        connect("--activate --remotesieve good", true);
        assert!(connect("--list", true).contains("\"good\" ACTIVE"));
        let copy = home.path().join("copy.sieve");
        connect(&format!("--download --remotesieve good --localsieve {}", copy.display()), true);
        assert_eq!(fs::read_to_string(copy).expect("it is there"), GOOD);
        connect("--deactivate", true);
        connect("--delete --remotesieve good", true);
        assert_eq!(scripts(home), [""; 0]);
    });
}

/// sievelib, which Modoboa and many scripts use.
#[test]
fn sievelib_does_all_that_it_can() {
    const PYTHON: &str = "/usr/bin/python3";
    let test = "the test with python3-sievelib";
    const LIBRARY: &str = "/usr/lib/python3/dist-packages/sievelib";
    if skipped(test, &[PYTHON, LIBRARY], true) || lacks_dovecot(test) {
        return;
    }
    with_dovecot(|home, address| {
        home.write("good.sieve", GOOD);
        home.write("raw.sieve", RAW);
        let mut command = Command::new(PYTHON);
        command
            .args(["-W", "ignore", "-c", SIEVELIB])
            .arg(address.port().to_string())
            .arg(home.path());
        let run = crate::support::run(command, b"");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}\n{}", run.stdout, log(home));
        assert_eq!(scripts(home), ["kept.sieve"]);
        assert!(fs::read_link(home.path().join("taro/.dovecot.sieve")).is_err());
    });
}

const SIEVELIB: &str = r#"
import sys
from sievelib.managesieve import Client
port, home = int(sys.argv[1]), sys.argv[2]
good, raw = (open(f'{home}/{name}.sieve').read() for name in ('good', 'raw'))

def told(client):
    message = client.errmsg
    return message.decode() if isinstance(message, bytes) else message

client = Client('127.0.0.1', port)
assert client.connect('taro', 'secret', authmech='PLAIN')
assert 'body' in client.get_sieve_capabilities() and 'enotify' not in client.get_sieve_capabilities()
assert client.havespace('a', 1000)
assert client.putscript('a', good), told(client)
assert client.checkscript(good), told(client)
for refused in (lambda: client.putscript('a', raw), lambda: client.checkscript(raw)):
    assert not refused() and 'line 3: the filter `Raw`' in told(client), told(client)
assert client.getscript('a').strip() == good.strip()
assert client.setactive('a'), told(client)
assert client.listscripts() == ('a', []), client.listscripts()
assert client.putscript('b', good), told(client)
assert client.renamescript('b', 'kept'), told(client)
assert client.listscripts() == ('a', ['kept']), client.listscripts()
assert not client.deletescript('a'), 'the active one'
assert client.setactive(''), told(client)
assert client.deletescript('a'), told(client)
assert client.listscripts()[1] == ['kept'], client.listscripts()
client.logout()
"#;
