#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

fn refused(url: &str, origin: Origin) -> bool {
    check_url(url, origin, &EgressConfig::default()).is_err()
}

/// Every spelling that others were got through with, and some more.
const REFUSED: [&str; 74] = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "gopher://hooks.example.com/",
    "javascript:alert(1)",
    "//hooks.example.com/",
    "hooks.example.com",
    "",
    "https://",
    "https:///path",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:0/",
    "https://user@hooks.example.com/",
    "https://user:pass@hooks.example.com/",
    "https://@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1@hooks.example.com/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com /",
    "https://hooks.example.com\n/",
    "https://127.0.0.1\t/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://127.255.255.254/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.5/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://192.0.2.1/",
    "https://198.51.100.7/",
    "https://203.0.113.9/",
    "https://198.18.0.1/",
    "https://192.0.0.192/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://１２７.0.0.1/",
    "https://⑯⑨。254。169.254/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:1::1]/",
    "https://[2001:db8::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[ff02::1]/",
    "https://[::1%25eth0]/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
    "https://metadata.google.internal/",
];

#[test]
fn every_spelling_of_a_place_that_is_not_public_is_refused() {
    for url in REFUSED {
        assert!(refused(url, Origin::Api), "{url}");
    }
    for url in ["https://printer.local/", "https://db/", "https://db./", "https://a..b/", "https://./"] {
        assert!(refused(url, Origin::Api), "{url}");
    }
    assert!(refused(&format!("https://hooks.example.com/{}", "a".repeat(2_048)), Origin::Api));
}

#[test]
fn public_places_are_let_pass() {
    for url in [
        "https://hooks.example.com/",
        "https://hooks.example.com./a?b=c#d",
        "https://hooks.example.com:8443/",
        "HTTPS://Hooks.Example.COM/path@at",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://100.63.255.255/",
        "https://172.32.0.1/",
        "https://localhost.example.com/",
        "https://bücher.example/",
    ] {
        assert!(!refused(url, Origin::Api), "{url}");
    }
    let http = EgressConfig { allow_http: true, ports: vec![80] };
    assert!(check_url("http://hooks.example.com/", Origin::Api, &http).is_ok());
    assert!(check_url("https://hooks.example.com/", Origin::Api, &http).is_err(), "443 is not listed");
}

#[test]
fn the_operators_own_urls_may_be_local_but_must_be_urls() {
    for url in [
        "http://127.0.0.1:9000/",
        "http://localhost:1234/x",
        "https://10.0.0.5/",
        "http://db/",
        "http://[::1]:1/",
    ] {
        assert!(!refused(url, Origin::Configuration), "{url}");
    }
    for url in
        ["ftp://a/", "http://0.0.0.0/", "http://user@a/", "http://224.0.0.1/", "not a url", "http://a:0/"]
    {
        assert!(refused(url, Origin::Configuration), "{url}");
    }
}

struct Table(Mutex<Vec<Vec<&'static str>>>);

#[async_trait]
impl Resolver for Table {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if host == "gone.example.com" {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such name"));
        }
        let mut answers = self.0.lock().unwrap();
        Ok(answers.remove(0).into_iter().map(|text| text.parse().unwrap()).collect())
    }
}

fn guard(answers: &[&[&'static str]]) -> Guard {
    let answers = answers.iter().map(|all| all.to_vec()).collect();
    Guard::with_resolver(EgressConfig::default(), Arc::new(Table(Mutex::new(answers))))
}

#[tokio::test]
async fn one_address_that_is_not_public_spoils_the_name() {
    for (addresses, is_refused) in [
        (&["93.184.216.34"][..], false),
        (&["93.184.216.34", "2606:2800:220:1::1"], false),
        (&["93.184.216.34", "10.0.0.1"], true),
        (&["169.254.169.254"], true),
        (&["2606:2800:220:1::1", "::ffff:10.0.0.1"], true),
        (&[], true),
    ] {
        let vetted = guard(&[addresses]).vet("https://hooks.example.com/", Origin::Api).await;
        assert_eq!(vetted.is_err(), is_refused, "{addresses:?}");
    }
    let error = guard(&[]).vet("https://gone.example.com/", Origin::Api).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_keeps_what_was_vetted() {
    let rebinding = guard(&[&["93.184.216.34"], &["127.0.0.1"]]);
    let vetted = rebinding.vet("https://hooks.example.com/", Origin::Api).await.unwrap();
    assert_eq!(vetted.addresses(), ["93.184.216.34".parse::<IpAddr>().unwrap()]);
    assert!(rebinding.vet("https://hooks.example.com/", Origin::Api).await.is_err());
}

#[test]
fn a_refusal_does_not_tell_the_address() {
    let error = check_addresses(&["10.1.2.3".parse().unwrap()], Origin::Api).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.kind()),
        ("URL leads to a private address", ErrorKind::Unprocessable)
    );
}

proptest! {
    #[test]
    fn what_the_standard_library_calls_local_is_never_public(bits in any::<u32>()) {
        let address = Ipv4Addr::from_bits(bits);
        let is_local = address.is_loopback() || address.is_private() || address.is_link_local()
            || address.is_unspecified() || address.is_multicast() || address.is_broadcast() || address.is_documentation();
        prop_assert!(!(is_local && class(address.into()) == AddressClass::Public), "{}", address);
        prop_assert!(class(address.to_ipv6_mapped().into()) != AddressClass::Public);
        prop_assert!(class(address.to_ipv6_compatible().into()) != AddressClass::Public);
    }

    #[test]
    fn only_global_unicast_of_ipv6_is_public(bits in any::<u128>()) {
        let address = Ipv6Addr::from_bits(bits);
        prop_assert!(class(address.into()) != AddressClass::Public || (bits >> 125) == 1, "{}", address);
    }

    #[test]
    fn every_way_to_write_an_ipv4_address_is_seen_through(bits in any::<u32>()) {
        let [a, b, c, d] = bits.to_be_bytes();
        for host in [
            format!("{bits}"), format!("0x{bits:x}"), format!("0{bits:o}"), format!("{a}.{b}.{c}.{d}"),
            format!("0x{a:x}.0{b:o}.{c}.{d}"), format!("{a}.{}", bits & 0xff_ffff), format!("{a}.{b}.{}", bits & 0xffff),
        ] {
            let is_public = class(Ipv4Addr::from_bits(bits).into()) == AddressClass::Public;
            prop_assert_eq!(!refused(&format!("https://{host}/"), Origin::Api), is_public, "{}", host);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}", host in "[a-z0-9.:@\\[\\]%/-]{0,30}") {
        _ = refused(&text, Origin::Api);
        _ = refused(&format!("https://{host}"), Origin::Api);
    }
}
