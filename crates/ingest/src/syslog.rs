//! Syslog messages, one a datagram: RFC 5424, and what is left of RFC 3164.
//!
//! | syslog | here |
//! |---|---|
//! | HOSTNAME, else the address it came from | the resource, a host |
//! | severity | severity number as OpenTelemetry maps it |
//! | facility, APP-NAME or tag, PROCID, MSGID | `syslog.facility`, `syslog.app`, `process.pid`, `syslog.msgid` |
//! | structured data | `syslog.<SD-ID>.<PARAM-NAME>` |
//! | TIMESTAMP of RFC 5424 | time; else it is when the message came: RFC 3164 tells neither year nor zone |
//! | the rest | body |

use std::net::IpAddr;

use echobase_types::signal::LogRecord;
use echobase_types::{Attributes, ResourceKind, Timestamp};

use crate::identity::{Identified, named};
use crate::intake::{Intake, Refusal, malformed, shown};

/// RFC 5424, table 1.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
/// OpenTelemetry's number of each severity, from emergency to debug (logs data model, appendix B).
const SEVERITIES: [u8; 8] = [21, 19, 18, 17, 13, 10, 9, 5];
/// What a message without a priority counts as: user, notice (RFC 3164, section 4.3.3).
const UNSAID: u8 = 13;

/// A message as it stands.
#[derive(Debug, PartialEq)]
struct Message<'a> {
    priority: u8,
    time: Option<Timestamp>,
    host: &'a str,
    app: &'a str,
    pid: &'a str,
    msgid: &'a str,
    data: Data,
    body: &'a str,
}

/// Takes a message in that came from `peer`.
pub(crate) fn take(intake: &mut Intake<'_>, datagram: &[u8], peer: IpAddr) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(datagram);
    let message = parse(text.trim_end_matches(['\n', '\r', '\0']))?;
    let mut attributes = Attributes::new();
    let facility = FACILITIES.get(usize::from(message.priority >> 3)).copied().unwrap_or("local7");
    for (name, value) in
        [("syslog.facility", facility), ("syslog.app", message.app), ("syslog.msgid", message.msgid)]
    {
        if !value.is_empty() {
            attributes.insert(name, value);
        }
    }
    match message.pid.parse::<i64>() {
        Ok(pid) => attributes.insert("process.pid", pid),
        Err(_) if !message.pid.is_empty() => attributes.insert("syslog.procid", message.pid),
        Err(_) => {}
    }
    for (name, value) in message.data {
        attributes.insert(name, value);
    }
    let host = if message.host.is_empty() { peer.to_string() } else { message.host.to_owned() };
    let described = [("host.name", host.as_str())].into_iter().collect();
    let resource = named(ResourceKind::Host, &host, described);
    let source = intake.source(Identified { resource, instance: Attributes::new() })?;
    let record = LogRecord {
        resource: 0,
        time: message.time.unwrap_or(intake.now()),
        severity: SEVERITIES[usize::from(message.priority & 7)],
        event_name: String::new(),
        body: message.body.to_owned(),
        trace_id: String::new(),
        span_id: String::new(),
        attributes,
    };
    intake.log(&source, record)
}

fn parse(text: &str) -> Result<Message<'_>, Refusal> {
    if text.is_empty() {
        return Err(malformed("message is empty".to_owned()));
    }
    let (priority, rest) = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((number, rest)) if number.len() <= 3 => {
            let priority = number.parse().ok().filter(|priority: &u8| *priority < 192);
            let wrong = || malformed(format!("priority `{}` is not 0 to 191", shown(number)));
            (priority.ok_or_else(wrong)?, rest)
        }
        _ => (UNSAID, text),
    };
    match rest.strip_prefix("1 ") {
        Some(rest) => structured(priority, rest),
        None => Ok(traditional(priority, rest)),
    }
}

/// RFC 5424, section 6, from the time stamp on.
fn structured(priority: u8, rest: &str) -> Result<Message<'_>, Refusal> {
    let mut fields = rest.splitn(6, ' ');
    let mut field = || match fields.next() {
        None => Err(malformed("message ends within its header".to_owned())),
        Some("-") => Ok(""),
        Some(word) => Ok(word),
    };
    let (time, host, app, pid, msgid, rest) = (field()?, field()?, field()?, field()?, field()?, field()?);
    let wrong = || malformed(format!("time `{}` is not RFC 3339", shown(time)));
    let time = match time {
        "" => None,
        text => Some(text.parse::<jiff::Timestamp>().map_err(|_| wrong())?),
    };
    let time = time.map(|time| Timestamp::from_micros(time.as_microsecond()));
    let (data, body) = if rest.starts_with('[') { elements(rest)? } else { (Vec::new(), rest) };
    let body = body.strip_prefix("- ").unwrap_or(if body == "-" { "" } else { body });
    let body = body.strip_prefix(' ').unwrap_or(body);
    Ok(Message {
        priority,
        time,
        host,
        app,
        pid,
        msgid,
        data,
        body: body.strip_prefix('\u{feff}').unwrap_or(body),
    })
}

/// Attributes, in the order in which they stand.
type Data = Vec<(String, String)>;

/// Structured data, `[id name="value" …]…`, and what follows.
fn elements(text: &str) -> Result<(Data, &str), Refusal> {
    let wrong = || malformed("structured data is not closed".to_owned());
    let mut data = Vec::new();
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']']).ok_or_else(wrong)?;
        let id = &element[..end];
        rest = &element[end..];
        while let Some(parameter) = rest.strip_prefix(' ') {
            let (name, quoted) = parameter.split_once("=\"").ok_or_else(wrong)?;
            let mut value = String::new();
            let mut characters = quoted.char_indices();
            let closed = loop {
                match characters.next().ok_or_else(wrong)? {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next().ok_or_else(wrong)? {
                        (_, escaped @ ('"' | '\\' | ']')) => value.push(escaped),
                        (_, other) => value.extend(['\\', other]),
                    },
                    (_, character) => value.push(character),
                }
            };
            data.push((format!("syslog.{id}.{name}"), value));
            rest = &quoted[closed + 1..];
        }
        rest = rest.strip_prefix(']').ok_or_else(wrong)?;
    }
    Ok((data, rest))
}

/// RFC 3164: `Mmm dd hh:mm:ss HOST TAG[PID]: text`, each part only if it is there.
fn traditional(priority: u8, text: &str) -> Message<'_> {
    let bare =
        Message { priority, time: None, host: "", app: "", pid: "", msgid: "", data: Vec::new(), body: text };
    let Some(rest) = text.get(15..).filter(|_| is_stamp(&text.as_bytes()[..15])) else { return bare };
    let Some((host, rest)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')) else {
        return bare;
    };
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c))).unwrap_or(rest.len());
    let (app, after) = rest.split_at(end);
    let (pid, after) = match after.strip_prefix('[').and_then(|pid| pid.split_once(']')) {
        Some((pid, after)) => (pid, after),
        None => ("", after),
    };
    match after.strip_prefix(':') {
        Some(body) => Message { host, app, pid, body: body.strip_prefix(' ').unwrap_or(body), ..bare },
        None => Message { host, body: rest, ..bare },
    }
}

/// `Feb  5 17:32:18`.
fn is_stamp(text: &[u8]) -> bool {
    let shape = b"Aaa 90 00:00:00";
    text.iter().zip(shape).all(|(byte, kind)| match kind {
        b'A' => byte.is_ascii_uppercase(),
        b'a' => byte.is_ascii_lowercase(),
        b'9' => byte.is_ascii_digit() || *byte == b' ',
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use echobase_types::{IngestLimits, TenantId};
    use proptest::prelude::*;

    use super::*;
    use crate::{Admission, Decoded, SeriesBudget};

    const NOW: i64 = 1_800_000_000;

    fn taken(datagram: &[u8]) -> (Decoded, Result<(), Refusal>) {
        let (tenant, limits, budget) =
            (TenantId::default_tenant(), IngestLimits::default(), SeriesBudget::default());
        let admission = Admission::live(&tenant, &limits, &budget, Timestamp::from_secs(NOW));
        let mut intake = Intake::new(&admission);
        let outcome = take(&mut intake, datagram, "10.0.0.7".parse().unwrap());
        (intake.finish(), outcome)
    }

    /// Resource, severity, attributes, body.
    fn told(datagram: &str) -> (String, u8, String, String) {
        let (decoded, outcome) = taken(datagram.as_bytes());
        outcome.unwrap();
        let record = &decoded.batch.logs[0];
        let attributes: Vec<String> = record.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let resource = decoded.batch.resources[0].id.to_string();
        (resource, record.severity, attributes.join(" "), record.body.clone())
    }

    #[test]
    fn messages_of_both_standards_are_read() {
        // The examples of RFC 5424, section 6.5, and RFC 3164, section 5.4, with times of today where the time counts.
        let table = [
            (
                "<34>1 2027-01-15T07:59:59.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
                (
                    "host:mymachine.example.com",
                    18,
                    "syslog.app=su syslog.facility=auth syslog.msgid=ID47",
                    "'su root' failed",
                ),
            ),
            (
                "<165>1 2027-01-15T07:59:59Z 192.0.2.1 myproc 8710 - - %% It's time",
                (
                    "host:192.0.2.1",
                    10,
                    "process.pid=8710 syslog.app=myproc syslog.facility=local4",
                    "%% It's time",
                ),
            ),
            (
                "<165>1 2027-01-15T07:59:59Z h app - - [ex@1 iut=\"3\" s=\"a \\\"b\\] \\c\"][p@2 x=\"\"] said",
                (
                    "host:h",
                    10,
                    "syslog.app=app syslog.ex@1.iut=3 syslog.ex@1.s=a \"b] \\c syslog.facility=local4 syslog.p@2.x=",
                    "said",
                ),
            ),
            ("<165>1 - - - - - -", ("host:10.0.0.7", 10, "syslog.facility=local4", "")),
            (
                "<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed\n",
                (
                    "host:mymachine",
                    18,
                    "process.pid=42 syslog.app=su syslog.facility=auth",
                    "'su root' failed",
                ),
            ),
            (
                "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
                ("host:10.0.0.99", 10, "syslog.facility=user", "Use the BFG!"),
            ),
            ("Use the BFG!", ("host:10.0.0.7", 10, "syslog.facility=user", "Use the BFG!")),
            ("<7>kernel panic", ("host:10.0.0.7", 5, "syslog.facility=kern", "kernel panic")),
        ];
        for (datagram, (resource, severity, attributes, body)) in table {
            let expected = (resource.to_owned(), severity, attributes.to_owned(), body.to_owned());
            assert_eq!(told(datagram), expected, "{datagram}");
        }
        let (decoded, _) = taken(b"<34>1 2027-01-15T07:59:59.003Z h a - - - x");
        assert_eq!(decoded.batch.logs[0].time, Timestamp::from_micros(1_799_999_999_003_000));
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (datagram, why) in [
            ("", "empty"),
            ("<192>1 - - - - - -", "not 0 to 191"),
            ("<34>1 yesterday h a - - - x", "not RFC 3339"),
            ("<34>1 - h a", "ends within its header"),
            ("<34>1 - h a - - [x y=\"z", "not closed"),
        ] {
            let refusal = taken(datagram.as_bytes()).1.unwrap_err();
            assert!(refusal.detail.contains(why), "{datagram}: {}", refusal.detail);
        }
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes: Vec<u8>, text in r#"<[0-9]{1,3}>1? ?[-a "\\\]\[=:ü0-9]{0,40}"#) {
            let _ = taken(&bytes);
            let _ = taken(text.as_bytes());
        }
    }
}
