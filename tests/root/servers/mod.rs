//! The mail servers that Debian has, run for real, each in a root of its own
//! and connected by the lines of docs/guide/mail-servers.md: one scenario for
//! all, and a table of how each is set up and what it does otherwise.

mod cyrus;
mod dovecot24;
mod jail;
mod lmtp;
mod lmtp_rate;
mod scenario;
mod sendmails;
mod systemd;
mod two_machines;

use scenario::Server;

/// Debian's own routers, as far as a test needs them.
const EXIM: Server = Server {
    name: "Exim",
    packages: Some("exim"),
    setup: r#"
mkdir -p /etc/exim4 /var/spool/exim4 /var/log/exim4
chown Debian-exim: /var/spool/exim4 /var/log/exim4
{
    echo 'primary_hostname = mx.test.example'
    echo 'domainlist local_domains = test.example : mx.test.example'
    echo 'local_interfaces = 127.0.0.1'
    echo 'acl_smtp_rcpt = accept'
    echo 'acl_smtp_data = accept'
    echo 'host_lookup ='
    echo 'never_users = root'
    echo 'keep_environment ='
    echo 'tls_advertise_hosts ='
    cat /guide/4
    echo 'begin routers'
    echo 'userforward:'
    echo '  driver = redirect'
    echo '  check_local_user'
    echo '  local_part_suffix = +*'
    echo '  local_part_suffix_optional'
    echo '  file = $home/.forward'
    echo '  no_verify'
    echo '  pipe_transport = address_pipe'
    cat /guide/1
    echo 'begin transports'
    cat /guide/2 /guide/3
    echo 'begin retry'
    echo '* * F,1h,1s'
} > /etc/exim4/exim4.conf
"#,
    start: "exim4 -bd",
    flush: "exim4 -qff",
    waiting: "exim4 -bpc",
    delimiter: '+',
    own: Some((".forward", "\"|/usr/bin/mfilter\"")),
    takes_quoted_senders: true,
    waits_for_the_program: true,
    ..Server::PLAIN
};

const OPENSMTPD: Server = Server {
    name: "OpenSMTPD",
    packages: Some("opensmtpd"),
    setup: r#"
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
chmod 711 /var/spool/smtpd
chgrp opensmtpq /usr/sbin/smtpctl
chmod 2755 /usr/sbin/smtpctl
echo 'root: hana' > /etc/aliases
{
    echo 'table aliases file:/etc/aliases'
    echo 'smtp sub-addr-delim "+"'
    echo 'listen on lo'
    cat /guide/1
} > /etc/smtpd.conf
"#,
    start: "smtpd",
    flush: "smtpctl schedule all",
    waiting: "smtpctl show queue | wc -l",
    delimiter: '+',
    own: Some((".forward", "@2")),
    waits_for_the_program: true,
    ..Server::PLAIN
};

/// The program that Debian's links lead to is set-group-id for its own queue.
const SENDMAIL: Server = Server {
    name: "sendmail",
    packages: Some("sendmail"),
    setup: r#"
cf=/usr/share/sendmail/cf
mkdir -p /etc/mail /var/spool/mqueue /var/spool/clientmqueue
program=/usr/libexec/sendmail/sendmail
chown root:smmsp $program
chmod 2755 $program
chown smmsp:smmsp /var/spool/clientmqueue
chmod 770 /var/spool/clientmqueue
ln -sf $program /usr/sbin/sendmail
printf 'hosts files\naliases files\n' > /etc/mail/service.switch
echo 'postmaster: root' > /etc/mail/aliases
printf 'test.example\n' > /etc/mail/local-host-names
touch /etc/mail/trusted-users
{
    echo 'divert(0)dnl'
    echo "OSTYPE(\`linux')dnl"
    echo "define(\`confDOMAIN_NAME', \`mx.test.example')dnl"
    echo "define(\`confTO_IDENT', \`0')dnl"
    echo "define(\`confPID_FILE', \`/run/sendmail.pid')dnl"
    echo "define(\`STATUS_FILE', \`/tmp/statistics')dnl"
    echo "define(\`ALIAS_FILE', \`/etc/mail/aliases')dnl"
    echo "define(\`confSERVICE_SWITCH_FILE', \`/etc/mail/service.switch')dnl"
    echo "define(\`confMIN_QUEUE_AGE', \`0')dnl"
    echo "FEATURE(\`accept_unresolvable_domains')dnl"
    echo "FEATURE(\`nocanonify')dnl"
    echo "FEATURE(\`use_cw_file')dnl"
    echo "DAEMON_OPTIONS(\`Port=25, Addr=127.0.0.1, Name=MTA')dnl"
    cat /guide/1
    echo "MAILER(\`local')dnl"
    echo "MAILER(\`smtp')dnl"
} > /etc/mail/sendmail.mc
m4 -D_CF_DIR_=$cf/ $cf/m4/cf.m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf
m4 -D_CF_DIR_=$cf/ $cf/m4/cf.m4 $cf/cf/submit.mc > /etc/mail/submit.cf
$program -bi > /dev/null
"#,
    start: "/usr/libexec/sendmail/sendmail -bd",
    flush: "/usr/libexec/sendmail/sendmail -q",
    waiting: "find /var/spool/mqueue /var/spool/clientmqueue -name '[qQ]f*' | wc -l",
    delimiter: '+',
    own: Some((".forward", "@2")),
    takes_quoted_senders: true,
    ..Server::PLAIN
};

const COURIER: Server = Server {
    name: "Courier",
    packages: Some("courier"),
    setup: r#"
mkdir -p /run/courier/authdaemon
echo mx.test.example > /etc/courier/me
echo test.example > /etc/courier/defaultdomain
printf 'localhost\ntest.example\nmx.test.example\n' > /etc/courier/locals
echo '"Mail system" <postmaster@test.example>' > /etc/courier/dsnfrom
echo test.example > /etc/courier/esmtpacceptmailfor
sed -i '/^DEFAULTDELIVERY=/d' /etc/courier/courierd
cat /guide/1 >> /etc/courier/courierd
sed -i 's/^BOFHCHECKDNS=.*/BOFHCHECKDNS=0/; s/^TARPIT=.*/TARPIT=0/
    s/-noidentlookup/-noidentlookup -nodnslookup/' /etc/courier/esmtpd
chown -R courier:courier /run/courier /var/lib/courier /etc/courier
chown root:courier /usr/sbin/sendmail
chmod 2755 /usr/sbin/sendmail
chown courier:courier /usr/lib/courier/courier/submitmkdir /usr/bin/mailq
chmod 4755 /usr/lib/courier/courier/submitmkdir
chmod 2755 /usr/bin/mailq
makealiases
makesmtpaccess
makeacceptmailfor
"#,
    start: "authdaemond start; courier start; esmtpd start",
    flush: "courier flush",
    waiting: "mailq -batch | grep -c ';' || true",
    delimiter: '-',
    own: Some((".courier", "@2")),
    for_extensions: Some((".courier-default", "@2")),
    waits_for_the_program: true,
    ..Server::PLAIN
};

/// The Postfix that is installed, in a root of its own.
const POSTFIX_SETUP: &str = r#"
mkdir -p /var/lib/postfix
chown postfix: /var/lib/postfix
rm -rf /etc/postfix
mkdir -p /etc/postfix
mkdir -m 755 /var/spool/postfix
cd /var/spool/postfix
mkdir -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace
chown postfix *
mkdir -m 755 pid
mkdir -m 710 public
mkdir -m 730 maildrop
chown postfix:postdrop public maildrop
{
    echo 'compatibility_level = 3.6'
    echo 'maillog_file = /var/log/postfix.log'
    echo 'inet_interfaces = 127.0.0.1'
    echo 'inet_protocols = ipv4'
    echo 'myhostname = mx.test.example'
    echo 'mynetworks = 127.0.0.0/8'
    echo 'smtpd_recipient_restrictions = permit_mynetworks, reject'
    echo 'smtpd_peername_lookup = no'
    echo 'strict_rfc821_envelopes = no'
    echo 'alias_maps ='
    echo 'alias_database ='
    echo 'minimal_backoff_time = 1s'
    echo 'default_transport = error:no mail leaves this test'
    echo 'biff = no'
    cat /guide/main
} > /etc/postfix/main.cf
{
    echo 'smtp inet n - n - - smtpd'
    echo 'pickup unix n - n 60 1 pickup'
    echo 'cleanup unix n - n - 0 cleanup'
    echo 'qmgr unix n - n 300 1 qmgr'
    echo 'rewrite unix - - n - - trivial-rewrite'
    echo 'bounce unix - - n - 0 bounce'
    echo 'defer unix - - n - 0 bounce'
    echo 'trace unix - - n - 0 bounce'
    echo 'flush unix n - n 1000? 0 flush'
    echo 'proxymap unix - - n - - proxymap'
    echo 'error unix - - n - - error'
    echo 'retry unix - - n - - error'
    echo 'local unix - n n - - local'
    echo 'anvil unix - - n - 1 anvil'
    echo 'showq unix n - n - - showq'
    echo 'postlog unix-dgram n - n - 1 postlogd'
    cat /guide/master
} > /etc/postfix/master.cf
"#;

const POSTFIX_LOCAL: Server = Server {
    name: "Postfix",
    program: "/usr/lib/postfix/sbin/master",
    setup: r#"
{
    cat /guide/1
    echo 'mydestination = test.example'
    echo 'local_recipient_maps ='
    echo 'recipient_delimiter = +'
} > /guide/main
echo > /guide/master
"#,
    then: POSTFIX_SETUP,
    start: "/usr/lib/postfix/sbin/master -w",
    flush: "postqueue -f",
    waiting: "postqueue -j | wc -l",
    delimiter: '+',
    own: Some((".forward", "@2")),
    takes_quoted_senders: true,
    waits_for_the_program: true,
    ..Server::PLAIN
};

const POSTFIX_PIPE: Server = Server {
    setup: r#"
sed 's/ taro@test.example=x/&, full@test.example=x/' /guide/3 > /guide/main
echo 'mydestination =' >> /guide/main
cat /guide/4 > /guide/master
"#,
    own: None,
    is_virtual: true,
    ..POSTFIX_LOCAL
};

#[test]
fn mail_through_a_real_exim() {
    scenario::run(&EXIM);
}

#[test]
fn mail_through_a_real_opensmtpd() {
    scenario::run(&OPENSMTPD);
}

#[test]
fn mail_through_a_real_sendmail() {
    scenario::run(&SENDMAIL);
}

#[test]
fn mail_through_a_real_courier() {
    scenario::run(&COURIER);
}

#[test]
fn mail_through_a_real_postfix_with_local() {
    scenario::run(&POSTFIX_LOCAL);
}

#[test]
fn mail_through_a_real_postfix_with_pipe() {
    scenario::run(&POSTFIX_PIPE);
}

/// mailrules(5), "For providers": what keeps users from going around the site rules.
#[test]
fn a_forward_file_does_not_go_around_the_site_rules_of_exim() {
    // As Debian has it, but for the folders of files.
    const FILES: &str = r#"
sed -i 's/^  file = .home..forward/&\n  file_transport = address_file/
    s/^begin transports/&\naddress_file:\n  driver = appendfile\n/' /etc/exim4/exim4.conf
"#;
    const GUARD: &str = r#"
sed -i 's/^  file = .home..forward/&\n  file_transport = address_file\n  forbid_pipe\n  forbid_file/
    s/^begin transports/&\naddress_file:\n  driver = appendfile\n/' /etc/exim4/exim4.conf
"#;
    let came = |then| {
        let server = Server { then, ..EXIM };
        scenario::around_the_site_rules("`.forward` with a real Exim", &server)
    };
    let Some(open) = came(FILES) else { return };
    assert_eq!(open, ["folder ", "the file"]);
    assert_eq!(came(GUARD).expect("again"), ["bounced", "bounced"]);
    const NO_ROUTER: &str = "sed -i '/^userforward:/,/^  pipe_transport/d' /etc/exim4/exim4.conf";
    let guarded = came(NO_ROUTER).expect("again");
    assert_eq!(guarded, ["folder .Quarantine", "folder .Quarantine"]);
}

#[test]
fn a_forward_file_does_not_go_around_the_site_rules_of_sendmail() {
    const GUARD: &str = r#"
sed -i "s/^OSTYPE.*/&\ndefine(\`confFORWARD_PATH', \`')dnl/" /etc/mail/sendmail.mc
cf=/usr/share/sendmail/cf
m4 -D_CF_DIR_=$cf/ $cf/m4/cf.m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf
"#;
    let came = |then| {
        let server = Server { then, ..SENDMAIL };
        scenario::around_the_site_rules("`.forward` with a real sendmail", &server)
    };
    let Some(open) = came("") else { return };
    assert_eq!(open, ["folder ", "the file"]);
    assert_eq!(came(GUARD).expect("again"), ["folder .Quarantine", "folder .Quarantine"]);
}
