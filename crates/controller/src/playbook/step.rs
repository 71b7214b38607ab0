//! What a step can say: the actions of each actuator and their arguments, as far as the text alone tells. What only
//! the configuration or the target knows, such as the names of commands, is left to the dry run.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_saphyr::{Location, Spanned};
use url::{Host, Url};

/// The actuators that playbooks can name.
pub(super) const ACTUATORS: [&str; 3] = ["process", "command", "webhook"];

/// A step as it is written.
pub(super) struct Said<'a> {
    /// Where it begins.
    pub(super) at: Location,
    /// What is to be done.
    pub(super) action: &'a Spanned<String>,
    /// With what.
    pub(super) arguments: &'a [(Spanned<String>, Spanned<String>)],
    /// Where an argument vector stands, if there is one.
    pub(super) argv: Option<Location>,
}

/// A fault of a step: where, of which key, and what to write instead.
pub(super) type StepFault = (Location, String, String);

impl Said<'_> {
    fn argument(&self, name: &str) -> Option<&Spanned<String>> {
        self.arguments.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// Arguments that the action does not take.
    fn strangers(&self, known: &[&str], faults: &mut Vec<StepFault>) {
        for (key, _) in self.arguments.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
            let (action, name) = (&self.action.value, &key.value);
            let words = format!("`{action}` takes no argument `{name}`; it takes {}", known.join(", "));
            faults.push((key.referenced, argument_key(name), words));
        }
    }

    fn number(&self, name: &str, fits: fn(i64) -> bool, words: &str, faults: &mut Vec<StepFault>) {
        let Some(value) = self.argument(name) else { return };
        if !value.value.parse().is_ok_and(fits) {
            faults.push((value.referenced, argument_key(name), format!("`{}` is not {words}", value.value)));
        }
    }

    /// Exactly one of two arguments must be there.
    fn either(&self, one: &str, other: &str, faults: &mut Vec<StepFault>) {
        match (self.argument(one), self.argument(other)) {
            (Some(_), None) | (None, Some(_)) => {}
            (found, _) => {
                let at = found.map_or(self.action.referenced, |value| value.referenced);
                let words = format!("`{}` takes either `{one}` or `{other}`", self.action.value);
                faults.push((at, "steps.arguments".to_owned(), words));
            }
        }
    }
}

fn argument_key(name: &str) -> String {
    format!("steps.arguments.{name}")
}

/// All faults of a step of this actuator. Of an actuator that nobody knows nothing is said.
pub(super) fn faults(actuator: &str, said: &Said<'_>) -> Vec<StepFault> {
    let mut faults = Vec::new();
    if !ACTUATORS.contains(&actuator) {
        return faults;
    }
    if let Some(at) = said.argv {
        let words = "a step cannot bring its own argument vector: commands are named in the configuration";
        faults.push((at, "steps.argv".to_owned(), words.to_owned()));
    }
    match (actuator, said.action.value.as_str()) {
        (_, action) if action.trim().is_empty() => {
            let words = "name the action, such as `restart`".to_owned();
            faults.push((said.action.referenced, "steps.action".to_owned(), words));
        }
        ("process", "restart") => {
            said.strangers(&["instance"], &mut faults);
            said.number("instance", |n| u32::try_from(n).is_ok(), "a whole number from 0", &mut faults);
        }
        ("process", "scale") => {
            said.strangers(&["by", "to"], &mut faults);
            said.number("by", |n| n != 0, "a whole number such as 1 or -1", &mut faults);
            said.number(
                "to",
                |n| u32::try_from(n).is_ok_and(|n| n > 0),
                "a whole number from 1",
                &mut faults,
            );
            said.either("by", "to", &mut faults);
        }
        ("command", "run") => match said.argument("command") {
            Some(name) if !name.value.trim().is_empty() => {}
            found => {
                let at = found.map_or(said.at, |name| name.referenced);
                let words = "name a configured command as `command`".to_owned();
                faults.push((at, argument_key("command"), words));
            }
        },
        ("webhook", _) => {
            said.either("webhook", "url", &mut faults);
            let url = said.argument("url");
            if let Some((at, words)) = url.and_then(|u| Some((u.referenced, unfit(&u.value)?))) {
                faults.push((at, argument_key("url"), words));
            }
        }
        (_, action) => {
            let known = if actuator == "process" { "`restart` and `scale`" } else { "`run`" };
            let words = format!("the actuator `{actuator}` has {known}, not `{action}`");
            faults.push((said.action.referenced, "steps.action".to_owned(), words));
        }
    }
    faults
}

/// Why a URL can never be told, seen from its text alone; the egress guard asks again with the addresses behind it.
fn unfit(text: &str) -> Option<String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(e) => return Some(format!("`{text}` is not a URL: {e}")),
    };
    if url.scheme() != "https" {
        return Some(format!("`{text}` must begin with https://"));
    }
    let inside = match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => is_inside(address),
        Host::Ipv6(address) => is_inside_v6(address),
    };
    inside.then(|| format!("`{text}` leads into a private network or to this machine"))
}

const fn is_inside(a: Ipv4Addr) -> bool {
    let [first, second, ..] = a.octets();
    let shared = first == 100 && second & 0xc0 == 64;
    a.is_loopback() || a.is_private() || a.is_link_local() || first == 0 || shared || first >= 224
}

fn is_inside_v6(a: Ipv6Addr) -> bool {
    let [first, ..] = a.segments();
    a.to_ipv4().is_some_and(is_inside)
        || a.is_loopback()
        || a.is_unspecified()
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || first & 0xff00 == 0xff00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_lead_inside_are_known_by_their_text() {
        for (url, words) in [
            ("https://hooks.example.org/mend", None),
            ("https://203.0.113.7:8443/x", None),
            ("https://[2001:db8::1]/", None),
            ("http://hooks.example.org/", Some("https://")),
            ("ftp://hooks.example.org/", Some("https://")),
            ("hooks.example.org", Some("not a URL")),
            ("", Some("not a URL")),
            ("https://", Some("not a URL")),
            ("https://localhost/", Some("private")),
            ("https://api.localhost./", Some("private")),
            ("https://127.0.0.1/", Some("private")),
            ("https://0x7f.1/", Some("private")),
            ("https://2130706433/", Some("private")),
            ("https://0.0.0.0/", Some("private")),
            ("https://10.1.2.3/", Some("private")),
            ("https://172.16.0.1/", Some("private")),
            ("https://192.168.1.1/", Some("private")),
            ("https://169.254.169.254/latest", Some("private")),
            ("https://100.64.0.1/", Some("private")),
            ("https://[::1]/", Some("private")),
            ("https://[::ffff:10.0.0.1]/", Some("private")),
            ("https://[fd00::1]/", Some("private")),
            ("https://[fe80::1]/", Some("private")),
        ] {
            let found = unfit(url);
            match words {
                None => assert_eq!(found, None, "{url}"),
                Some(words) => assert!(found.as_ref().is_some_and(|f| f.contains(words)), "{url}: {found:?}"),
            }
        }
    }
}
