//! Which route serves a request: a full match before a greedy one before `$default`; fixed text
//! before a variable; the method's own route before `ANY`.

use super::settings::HttpRoute;
use std::collections::BTreeMap;

#[derive(Debug)]
enum Segment {
    Fixed(String),
    Variable(String),
    Greedy(String),
}

#[derive(Debug)]
struct Entry {
    route: HttpRoute,
    /// None for `$default`.
    segments: Option<Vec<Segment>>,
}

/// All routes of an API.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
}

/// The route of a request.
#[derive(Debug)]
pub(super) struct Found<'t> {
    pub(super) route: &'t HttpRoute,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Found<'_> {
    /// As API Gateway names a route: `GET /v1/runs/{id}` or `$default`.
    pub(super) fn key(&self) -> String {
        match self.route.path.as_str() {
            "$default" => "$default".to_owned(),
            path => format!("{} {path}", self.route.method.to_uppercase()),
        }
    }
}

impl Table {
    pub(super) fn new(routes: Vec<HttpRoute>) -> Table {
        let entries = routes
            .into_iter()
            .map(|route| {
                let segments =
                    route.path.strip_prefix('/').map(|path| path.split('/').map(segment).collect());
                Entry { route, segments }
            })
            .collect();
        Table { entries }
    }

    pub(super) fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        self.entries
            .iter()
            .filter_map(|entry| {
                let any = entry.route.method.eq_ignore_ascii_case("ANY");
                if !any && !entry.route.method.eq_ignore_ascii_case(method) {
                    return None;
                }
                let (class, ranks, parameters) = match &entry.segments {
                    Some(segments) => matched(segments, path)?,
                    None => (2, Vec::new(), BTreeMap::new()),
                };
                Some(((class, ranks, any), Found { route: &entry.route, parameters }))
            })
            .min_by(|(first, _), (second, _)| first.cmp(second))
            .map(|(_, found)| found)
    }
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
        None => Segment::Fixed(text.to_owned()),
    }
}

type Match = (u8, Vec<u8>, BTreeMap<String, String>);

fn matched(segments: &[Segment], path: &str) -> Option<Match> {
    let mut rest = Some(path.strip_prefix('/')?);
    let mut ranks = Vec::new();
    let mut parameters = BTreeMap::new();
    let mut class = 0;
    for segment in segments {
        let remaining = rest?;
        let (first, tail) = match remaining.split_once('/') {
            Some((first, tail)) => (first, Some(tail)),
            None => (remaining, None),
        };
        match segment {
            Segment::Fixed(text) if decode(first) == *text => {
                ranks.push(0);
                rest = tail;
            }
            Segment::Fixed(_) => return None,
            Segment::Variable(_) if first.is_empty() => return None,
            Segment::Variable(name) => {
                ranks.push(1);
                parameters.insert(name.clone(), decode(first));
                rest = tail;
            }
            Segment::Greedy(_) if remaining.is_empty() => return None,
            Segment::Greedy(name) => {
                class = 1;
                ranks.push(2);
                parameters.insert(name.clone(), decode(remaining));
                rest = None;
            }
        }
    }
    rest.is_none().then_some((class, ranks, parameters))
}

/// Percent-decoding; what is not an escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(routes: &[(&str, &str)]) -> Table {
        let route = |(method, path): &(&str, &str)| HttpRoute {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            function: "f".to_owned(),
        };
        Table::new(routes.iter().map(route).collect())
    }

    #[test]
    fn the_most_specific_route_wins() {
        let table = table(&[
            ("ANY", "$default"),
            ("ANY", "/{proxy+}"),
            ("GET", "/pets/{proxy+}"),
            ("GET", "/pets/dog/{id}"),
            ("GET", "/pets/dog/1"),
            ("ANY", "/pets/dog/1"),
            ("GET", "/{kind}/cat/1"),
            ("GET", "/"),
        ]);
        for (method, path, key) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("PUT", "/pets/dog/1", "ANY /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /{kind}/cat/1"),
            ("GET", "/pets/cat/2/x", "GET /pets/{proxy+}"),
            ("POST", "/pets/cat/2", "ANY /{proxy+}"),
            ("GET", "/", "GET /"),
            ("POST", "/", "$default"),
        ] {
            assert_eq!(table.find(method, path).unwrap().key(), key, "{method} {path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let table = table(&[("GET", "/v1/runs/{id}"), ("GET", "/files/{path+}")]);
        let value = |path: &str| table.find("GET", path).unwrap().parameters.into_values().next();
        assert_eq!(value("/v1/runs/a%20b%2Fc"), Some("a b/c".to_owned()));
        assert_eq!(value("/files/a/b%C3%A9"), Some("a/bé".to_owned()));
        assert!(table.find("GET", "/v1/runs").is_none());
        assert!(table.find("GET", "/v1/runs/").is_none());
        assert!(table.find("GET", "/v1/runs/a/b").is_none());
        assert!(table.find("GET", "/files/").is_none());
        assert!(table.find("POST", "/v1/runs/a").is_none());
    }

    proptest! {
        #[test]
        fn decoding_never_panics(text in "[%0-9a-fA-Fé/]{0,20}") {
            decode(&text);
        }
    }
}
