//! The path and query that a URL makes a client send.

/// The path (empty if the URL has none) and the query of `http://…`, `https://…` or an absolute
/// path; the fragment is never sent. `None` for anything else.
pub fn split_url(url: &str) -> Option<(&str, Option<&str>)> {
    let sent = url.split('#').next().unwrap_or_default();
    let target = if sent.starts_with('/') {
        sent
    } else {
        after_authority(sent)?
    };
    match target.split_once('?') {
        Some((path, query)) => Some((path, Some(query))),
        None => Some((target, None)),
    }
}

fn after_authority(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    (web && end > 0).then(|| &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_as_they_are_sent() {
        assert_eq!(split_url("http://a:1/b?c=d#e"), Some(("/b", Some("c=d"))));
        assert_eq!(split_url("HTTPS://a"), Some(("", None)));
        assert_eq!(split_url("https://a?x"), Some(("", Some("x"))));
        assert_eq!(split_url("/b/?"), Some(("/b/", Some(""))));
        for bad in ["", "a/b", "ftp://a/b", "http:///b", "*"] {
            assert_eq!(split_url(bad), None, "{bad}");
        }
    }
}
