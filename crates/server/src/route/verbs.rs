//! Custom verbs: `interventions/{id}:approve`.
//!
//! A verb follows its noun after a colon. The router can only match whole segments, so that inside it is one:
//! `interventions/{id}/~approve`. Ids of resources contain a colon as well; a request is rewritten only where the table has
//! that verb under that path.

use axum::http::{Method, Uri};

use super::Route;

/// Noun and verb of a path of the table.
fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once(':').filter(|(_, verb)| !verb.contains(['/', '}']))
}

/// The path of the table as the router has it.
pub(super) fn inner_path(path: &str) -> String {
    split(path).map_or_else(|| path.to_owned(), |(noun, verb)| format!("{noun}/~{verb}"))
}

/// Whether a path has the form of one of the table, in which `{name}` stands for any one segment.
fn fits(form: &str, path: &str) -> bool {
    let (mut form, mut path) = (form.split('/'), path.split('/'));
    loop {
        match (form.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) => {
                let is_any = wanted.starts_with('{') && !given.is_empty();
                if wanted != given && !is_any {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The paths of a table, those with a verb and those without.
pub(crate) struct Verbs {
    with: Vec<(Method, &'static str, &'static str)>,
    without: Vec<(Method, &'static str)>,
}

impl Verbs {
    /// Those of a table.
    pub(crate) fn of(table: &[Route]) -> Self {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for operation in table.iter().map(|route| &route.operation) {
            let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap_or_default();
            match split(operation.path) {
                Some((noun, verb)) => with.push((method, noun, verb)),
                None => without.push((method, operation.path)),
            }
        }
        Self { with, without }
    }

    /// The path inside the router. A verb that takes another method is still that verb, so that the answer can say so,
    /// unless the path is that of a thing whose id ends like the verb.
    pub(crate) fn inner(&self, method: &Method, path: &str) -> Option<String> {
        let (noun, verb) = split(path)?;
        let takes = self.with.iter().filter(|(_, form, known)| *known == verb && fits(form, noun));
        let mut methods = takes.map(|(method, ..)| method).peekable();
        methods.peek()?;
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let is_thing = || self.without.iter().any(|(of, form)| of == method && fits(form, path));
        (methods.any(|of| of == method) || !is_thing()).then(|| format!("{noun}/~{verb}"))
    }

    /// The address inside the router, where it is another.
    pub(crate) fn rewritten(&self, method: &Method, uri: &Uri) -> Option<Uri> {
        let inner = self.inner(method, uri.path())?;
        match uri.query() {
            Some(query) => format!("{inner}?{query}").parse().ok(),
            None => inner.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn verbs_become_segments_and_ids_that_end_like_one_stay() {
        let verbs = Verbs::of(&routes::table());
        for (method, outer, inner) in [
            (Method::POST, "/api/v1/interventions/1:approve", Some("/api/v1/interventions/1/~approve")),
            (Method::POST, "/api/v1/slos:preview", Some("/api/v1/slos/~preview")),
            (Method::POST, "/api/v1/resources/service:a:whatif", Some("/api/v1/resources/service:a/~whatif")),
            (Method::GET, "/api/v1/resources/service:whatif", None),
            (Method::HEAD, "/api/v1/resources/service:whatif", None),
            (Method::GET, "/api/v1/resources/service:train", None),
            (Method::GET, "/api/v1/resources/service:orders", None),
            (Method::GET, "/api/v1/resources/service:train/points", None),
            (Method::GET, "/api/v1/models:train", Some("/api/v1/models/~train")),
            (Method::POST, "/api/v1/models/:promote", None),
        ] {
            assert_eq!(verbs.inner(&method, outer).as_deref(), inner, "{method} {outer}");
        }
    }

    #[test]
    fn every_verb_of_the_table_reaches_its_route() {
        let table = routes::table();
        let verbs = Verbs::of(&table);
        for route in table.iter().map(|route| &route.operation).filter(|o| split(o.path).is_some()) {
            let method = Method::from_bytes(route.method.to_uppercase().as_bytes()).unwrap_or_default();
            let path = route.path.replace("{id}", "service:x");
            let inner = inner_path(route.path).replace("{id}", "service:x");
            assert_eq!(verbs.inner(&method, &path), Some(inner), "{}", route.path);
        }
    }
}
