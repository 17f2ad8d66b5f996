//! The grammars of names, paths and origins.

/// `^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`, not ending in `-<digits>`.
pub(super) fn is_service_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let digits = name
        .rsplit_once('-')
        .is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()));
    starts && !digits && name.len() <= 40 && is_dns_label(name)
}

/// RFC 1123: 1 to 63 of a-z, 0-9 and hyphens inside.
pub(super) fn is_dns_label(label: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let inside = !label.starts_with('-') && !label.ends_with('-');
    inside && (1..=63).contains(&label.len()) && label.bytes().all(allowed)
}

/// Labels joined by dots.
pub(super) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

/// An absolute path that can stand in a request line, without query and dot segments.
pub(super) fn is_path(path: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    let dots = path
        .split('/')
        .any(|segment| segment == "." || segment == "..");
    path.starts_with('/') && !dots && path.len() <= 1024 && path.bytes().all(visible)
}

/// An RFC 9110 token in lower case.
pub(super) fn is_header_name(name: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    (1..=100).contains(&name.len()) && name.bytes().all(allowed)
}

/// The name of an environment variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    starts && name.len() <= 256 && name.bytes().all(allowed)
}

/// `*`, or scheme, host and perhaps port, without a slash at the end.
pub(super) fn is_web_origin(origin: &str) -> bool {
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    let plain = |rest: &str| {
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "80"));
        is_subdomain(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    origin == "*" || rest.is_some_and(plain)
}
