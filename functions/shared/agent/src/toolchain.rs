//! What a program that builds, tests or serves something may see of a function's environment: where
//! tools and their caches are, and nothing that could be a secret of this installation.

/// Variables that say where tools, their caches and certificates are, and in which language they
/// speak.
pub const TOOLCHAIN: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOFLAGS",
    "GOPROXY",
    "JAVA_HOME",
    "MAVEN_HOME",
    "MAVEN_OPTS",
    "GRADLE_USER_HOME",
    "NVM_DIR",
    "npm_config_cache",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
];

/// Variables that name a proxy on the way to the outside.
pub const PROXY: &[&str] =
    &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/// Whether a program may see this variable of the toolchain: an address may carry a user's name and
/// password, and an empty value says nothing.
#[must_use]
pub fn is_inherited(name: &str, value: &str) -> bool {
    let has_password = value.contains("://") && value.contains('@');
    TOOLCHAIN.contains(&name) && !value.is_empty() && !has_password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_and_secrets_are_not() {
        assert!(is_inherited("PATH", "/bin") && is_inherited("GOPROXY", "https://proxy.example"));
        assert!(!is_inherited("GOPROXY", "https://ada:secret@proxy.example"));
        assert!(!is_inherited("GOPROXY", ""));
        assert!(!is_inherited("AWS_SECRET_ACCESS_KEY", "x") && !is_inherited("HTTP_PROXY", "x"));
    }
}
