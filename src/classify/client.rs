//! The host that handed the message to our border: the fields `client.ip`,
//! `client.host` and `client.helo`.
//!
//! The MTA's environment knows best (Postfix's `CLIENT_ADDRESS`,
//! `CLIENT_HOSTNAME`, `CLIENT_HELO`, local(8)); otherwise the border's Received
//! line tells. If the environment names one of our own machines, for instance a
//! relay, the message reached the border earlier, and the Received lines are
//! used.

use std::net::IpAddr;

use crate::classify::Mail;
use crate::classify::received::{is_inside, parse_ip};

/// The address; `None` if the message did not come over a network.
pub fn ip(mail: &Mail<'_>) -> Option<IpAddr> {
    match of_environment(mail) {
        Some(ip) => Some(ip),
        None => mail.trace_lines().border()?.ip,
    }
}

/// The reverse name; `None` if the client has none, or none that leads back to
/// it, and if there is no client.
pub fn host(mail: &Mail<'_>) -> Option<String> {
    if of_environment(mail).is_some() {
        let host = (mail.variable)("CLIENT_HOSTNAME")?;
        let host = host.trim_end_matches('.');
        let missing = host.is_empty() || host.eq_ignore_ascii_case("unknown");
        return (!missing).then(|| host.to_owned());
    }
    mail.trace_lines().border()?.host.clone()
}

/// What the client called itself.
pub fn helo(mail: &Mail<'_>) -> Option<String> {
    if of_environment(mail).is_some() {
        return (mail.variable)("CLIENT_HELO").filter(|helo| !helo.is_empty());
    }
    mail.trace_lines().border()?.helo.clone()
}

/// The environment's client, if it is not one of our machines. Postfix checks
/// that the name leads back to the address.
fn of_environment(mail: &Mail<'_>) -> Option<IpAddr> {
    let address = (mail.variable)("CLIENT_ADDRESS")?;
    let ip = parse_ip(&address).filter(|ip| !is_inside(*ip))?;
    let relays = mail.relays();
    let is_named = || (mail.variable)("CLIENT_HOSTNAME").is_some_and(|host| relays.has_name(&host));
    (!relays.has_address(ip) && !is_named()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::testing::{TestWorld, with_mail};

    const MAIL: &str = "Received: from filter ([10.0.0.1]) by here (Postfix) with ESMTP id 2; x\n\
        Received: from pc (mail.example.org [192.0.2.1]) by mx (Postfix) with ESMTP id 1; x\n\n";

    fn fields(variables: &[(&str, &str)]) -> [String; 3] {
        with_mail(MAIL, &TestWorld { variables, ..TestWorld::default() }, |mail| {
            [ip(mail).map(|ip| ip.to_string()), host(mail), helo(mail)]
                .map(|field| field.unwrap_or_default())
        })
    }

    #[test]
    fn the_border_knows_the_client() {
        assert_eq!(fields(&[]), ["192.0.2.1", "mail.example.org", "pc"]);
    }

    #[test]
    fn the_environment_knows_better() {
        let variables = [
            ("CLIENT_ADDRESS", "2001:db8::7"),
            ("CLIENT_HOSTNAME", "unknown"),
            ("CLIENT_HELO", "other"),
        ];
        assert_eq!(fields(&variables), ["2001:db8::7", "", "other"]);
    }

    #[test]
    fn a_relay_of_ours_is_no_client() {
        let variables = [("CLIENT_ADDRESS", "10.0.0.1"), ("CLIENT_HOSTNAME", "filter")];
        assert_eq!(fields(&variables), ["192.0.2.1", "mail.example.org", "pc"]);
    }
}
