//! Which networks a connection may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How far connections may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To hosts that everybody can reach.
    Public,
    /// To private networks and this machine too.
    Private,
    /// Wherever it is.
    Anywhere,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    /// Private networks, carriers' and this machine.
    Private,
    /// The own link, on which cloud platforms hand out credentials, and what is no host's address.
    Link,
}

impl Reach {
    /// Whether the address may be connected to.
    #[must_use]
    pub fn admits(self, ip: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Private => place(ip) != Place::Link,
            Self::Public => place(ip) == Place::Public,
        }
    }

    /// Whether the host of `url`, where it is an address, may be connected to.
    pub(crate) fn check(self, url: &Url) -> Result<(), String> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.admits(ip) { Ok(()) } else { Err(refusal(ip)) }
    }
}

/// Why an address is out of reach, and what would let it in.
pub(crate) fn refusal(ip: IpAddr) -> String {
    let (what, remedy) = match place(ip) {
        Place::Link => ("link-local or reserved", ""),
        Place::Private | Place::Public => ("private", ", or the word `private`"),
    };
    format!(
        "{ip} is a {what} address; PACT_ALLOWED_SOURCES would have to have an address with its host{remedy}"
    )
}

/// By the special-purpose registries of IANA (RFC 6890 and what followed it).
fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_4(ip),
        IpAddr::V6(ip) => place_6(ip),
    }
}

fn place_4(ip: Ipv4Addr) -> Place {
    match ip.octets() {
        [169, 254, ..] | [0, ..] | [224..=255, ..] | [192, 0, 0, _] => Place::Link,
        // Test networks are nobody's, benchmarks somebody's own.
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Link,
        [100, 64..=127, ..] | [198, 18..=19, ..] => Place::Private,
        _ if ip.is_private() || ip.is_loopback() => Place::Private,
        _ => Place::Public,
    }
}

fn place_6(ip: Ipv6Addr) -> Place {
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        place_4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private,
        // IPv4 in IPv6: mapped, by translation (RFC 6052), by 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            four(high, low)
        }
        [0x2002, high, low, ..] => four(high, low),
        // AWS hands out credentials at fd00:ec2::254.
        [0xfd00, 0x0ec2, ..] => Place::Link,
        [0xfc00..=0xfdff, ..] => Place::Private,
        [0x2001, 0x0db8, ..] => Place::Link,
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_is_the_same_place() {
        let cases = [
            ("8.8.8.8", Place::Public),
            ("2606:4700::1111", Place::Public),
            ("::ffff:8.8.8.8", Place::Public),
            ("10.1.2.3", Place::Private),
            ("172.31.0.1", Place::Private),
            ("172.32.0.1", Place::Public),
            ("192.168.1.1", Place::Private),
            ("100.64.0.1", Place::Private),
            ("127.0.0.53", Place::Private),
            ("::1", Place::Private),
            ("fd12:3456::1", Place::Private),
            ("::ffff:10.0.0.1", Place::Private),
            ("64:ff9b::7f00:1", Place::Private),
            ("2002:a00:1::", Place::Private),
            ("169.254.169.254", Place::Link),
            ("::ffff:169.254.169.254", Place::Link),
            ("64:ff9b::a9fe:a9fe", Place::Link),
            ("fd00:ec2::254", Place::Link),
            ("fe80::1", Place::Link),
            ("0.0.0.0", Place::Link),
            ("::", Place::Link),
            ("255.255.255.255", Place::Link),
            ("ff02::1", Place::Link),
            ("::7f00:1", Place::Link),
        ];
        for (text, expected) in cases {
            assert_eq!(place(text.parse().expect("an address")), expected, "{text}");
        }
    }
}
