//! The small programs that stand in for `sendmail`: what they do with what
//! mfilter hands them. A Postfix takes it.

use super::POSTFIX_LOCAL;
use super::scenario::{Server, forward_and_answer};

const DMA: Server = Server {
    packages: Some("dma"),
    start: r#"
/usr/lib/postfix/sbin/master -w
cat > /etc/dma/dma.conf <<'END'
SMARTHOST 127.0.0.1
PORT 25
SPOOLDIR /var/spool/dma
MAILNAME mx.test.example
END
mkdir -p /var/spool/dma
chown root:mail /var/spool/dma
chmod 2775 /var/spool/dma
chgrp mail /usr/sbin/dma
chmod 2755 /usr/sbin/dma
"#,
    flush: "/usr/sbin/dma -q",
    lacks_null_sender: true,
    ..POSTFIX_LOCAL
};

const MSMTP: Server = Server {
    packages: Some("msmtp"),
    start: r#"
/usr/lib/postfix/sbin/master -w
printf 'account default\nhost 127.0.0.1\nport 25\n' > /etc/msmtprc
"#,
    ..POSTFIX_LOCAL
};

const NULLMAILER: Server = Server {
    packages: Some("nullmailer"),
    start: r#"
/usr/lib/postfix/sbin/master -w
mkdir -p /etc/nullmailer /var/spool/nullmailer
cd /var/spool/nullmailer
mkdir -p queue tmp failed
mkfifo -m 622 trigger
chown -R nullmail:nullmail .
chmod 700 queue tmp failed
chown nullmail /usr/sbin/nullmailer-queue
chmod 4755 /usr/sbin/nullmailer-queue
echo '127.0.0.1 smtp --port=25' > /etc/nullmailer/remotes
chown nullmail /etc/nullmailer/remotes
chmod 600 /etc/nullmailer/remotes
echo mx.test.example > /etc/nullmailer/me
setsid setpriv --reuid nullmail --regid nullmail --clear-groups /usr/sbin/nullmailer-send &
"#,
    ..POSTFIX_LOCAL
};

#[test]
fn what_dma_hands_on() {
    forward_and_answer("the test with dma", &DMA);
}

#[test]
fn what_msmtp_hands_on() {
    forward_and_answer("the test with msmtp", &MSMTP);
}

#[test]
fn what_nullmailer_hands_on() {
    forward_and_answer("the test with nullmailer", &NULLMAILER);
}
