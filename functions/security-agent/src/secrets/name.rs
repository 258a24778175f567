//! Whether a name promises a secret.

/// What a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// No secret.
    Nothing,
    /// Some key: only what a generator made counts.
    Key,
    /// A secret or a token.
    Secret,
    /// A password, which a person may have chosen.
    Password,
}

/// Parts of names for which a value is worth a look.
pub(crate) const TRIGGERS: &[&str] = &[
    "pass", "pwd", "secret", "token", "key", "cred", "auth", "sasl", "psw", "bearer", "pin_code",
    "salt", "api", "psk", "pw",
];

const PASSWORDS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "pwd",
    "pswd",
    "psw",
    "pass",
    "pw",
    "userpass",
    "dbpass",
    "dbpassword",
    "requirepass",
    "masterauth",
    "sshpass",
    "rootpass",
    "mypass",
    "adminpass",
    "keypass",
    "storepass",
    "userpwd",
    "mypassword",
    "pgpassword",
    "password1",
    "password2",
    "rootpw",
    "bindpw",
    "rootpassword",
    "adminpassword",
    "userpassword",
    "motdepasse",
    "contrasena",
    "senha",
    "wachtwoord",
    "kennwort",
];
const SECRETS: &[&str] = &[
    "secret",
    "secrets",
    "token",
    "tokens",
    "credential",
    "credentials",
    "creds",
    "cred",
    "apikey",
    "apikeys",
    "apitoken",
    "apisecret",
    "accesskey",
    "secretkey",
    "accesstoken",
    "authtoken",
    "authkey",
    "privatekey",
    "clientsecret",
    "appsecret",
    "bearer",
    "cookiesecret",
    "refreshtoken",
    "sessiontoken",
    "jwt",
    "pat",
    "secretkeybase",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "sharedkey",
    "accountkey",
    "servicekey",
    "presharedkey",
    "psk",
    "authentication",
    "basicauth",
    "idtoken",
    "deploytoken",
    "bottoken",
    "usertoken",
];
/// A word before `key` that makes it a secret.
const BEFORE_KEY: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "encrypt",
    "signing",
    "sign",
    "signature",
    "master",
    "account",
    "shared",
    "session",
    "service",
    "app",
    "application",
    "consumer",
    "storage",
    "admin",
    "deploy",
    "webhook",
    "crypt",
    "crypto",
    "cipher",
    "aes",
    "hmac",
    "jwt",
    "client",
    "server",
    "security",
    "symmetric",
    "root",
    "license",
    "write",
    "preshared",
    "user",
    "ssh",
    "rsa",
    "pgp",
    "gpg",
    "decryption",
    "decrypt",
    "cookie",
    "functions",
    "host",
    "subscription",
    "integration",
    "ingest",
    "publisher",
    "stripe",
    "aws",
    "azure",
    "google",
    "gcp",
    "maps",
    "firebase",
    "openai",
    "mailgun",
    "sendgrid",
    "algolia",
    "twilio",
    "github",
    "gitlab",
];
/// A last word after which the value is about the secret, not the secret.
const ABOUT: &[&str] = &[
    "id",
    "ids",
    "name",
    "names",
    "file",
    "files",
    "filename",
    "path",
    "paths",
    "dir",
    "folder",
    "url",
    "urls",
    "uri",
    "endpoint",
    "host",
    "port",
    "type",
    "types",
    "kind",
    "length",
    "len",
    "size",
    "count",
    "max",
    "min",
    "limit",
    "field",
    "fields",
    "label",
    "placeholder",
    "prefix",
    "suffix",
    "header",
    "param",
    "params",
    "parameter",
    "regex",
    "pattern",
    "format",
    "policy",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "timeout",
    "age",
    "time",
    "date",
    "version",
    "hint",
    "message",
    "msg",
    "error",
    "errors",
    "text",
    "title",
    "description",
    "hash",
    "hashes",
    "digest",
    "checksum",
    "sum",
    "sha",
    "sha1",
    "sha256",
    "sha512",
    "md5",
    "fingerprint",
    "thumbprint",
    "ref",
    "reference",
    "arn",
    "alias",
    "location",
    "store",
    "provider",
    "manager",
    "input",
    "form",
    "reset",
    "enabled",
    "required",
    "visible",
    "validator",
    "rule",
    "rules",
    "class",
    "selector",
    "css",
    "xpath",
    "index",
    "algorithm",
    "alg",
    "mode",
    "status",
    "env",
    "var",
    "variable",
    "source",
    "callback",
    "generator",
    "encoder",
    "parser",
    "strategy",
    "scope",
    "scopes",
    "audience",
    "issuer",
    "usage",
    "template",
    "column",
    "table",
    "exists",
    "changed",
    "confirm",
    "confirmation",
    "icon",
    "button",
    "link",
    "page",
    "view",
    "screen",
    "modal",
    "dialog",
    "test",
    "spec",
    "method",
    "function",
    "handler",
    "service",
    "controller",
    "response",
    "request",
    "event",
    "action",
    "state",
    "props",
    "ring",
    "code_verifier",
    "map",
    "list",
    "array",
    "set",
    "info",
    "data_type",
    "metadata",
    "schema",
    "model",
    "interface",
    "impl",
    "factory",
    "util",
    "utils",
    "helper",
    "constant",
    "constants",
    "group",
    "role",
    "user",
    "username",
    "email",
    "owner",
    "account",
    "region",
    "zone",
    "bucket",
    "line",
    "start",
    "end",
    "begin",
    "pos",
    "offset",
    "position",
    "cert",
    "certificate",
    "crt",
    "pub",
    "public",
    "attribute",
    "attr",
    "property",
    "filter",
    "flag",
    "option",
    "options",
    "setting",
    "settings",
    "config",
];
/// A word anywhere that makes a name harmless.
const HARMLESS: &[&str] = &[
    "public",
    "pub",
    "publickey",
    "publickeytoken",
    "csrf",
    "xsrf",
    "keyword",
    "keywords",
    "keyboard",
    "keycode",
    "tokenizer",
    "tokenize",
    "tokenizers",
    "primary",
    "foreign",
    "partition",
    "sort",
    "cache",
    "cachekey",
    "pagination",
    "continuation",
    "cancellation",
    "lexer",
    "syntax",
    "grammar",
    "i18n",
    "translation",
    "locale",
    "site",
    "sitekey",
    "publishable",
    "anon",
    "dedup",
    "idempotency",
    "monkey",
    "turkey",
    "hotkey",
    "shortcut",
    "keymap",
    "keybinding",
    "keyframe",
    "keyframes",
    "keyid",
    "tokenid",
    "kid",
    "author",
    "authors",
    "authority",
    "compass",
    "bypass",
    "passive",
    "passed",
    "passing",
    "passes",
    "passenger",
    "passport_number",
    "integrity",
    "registry",
    "keystroke",
    "key_press",
    "keydown",
    "keyup",
    "sha256",
    "sha512",
    "sha1",
    "md5",
    "digest",
    "checksum",
    "hash",
    "nonce",
    "uuid",
    "guid",
    "etag",
    "commit",
    "revision",
    "encodedpoint",
    "next",
    "prev",
    "previous",
    "eos",
    "bos",
    "vocab",
    "special",
    "mask",
    "pad",
    "unk",
];

/// The words of a name in lower case: by signs and by capitals.
fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (index, c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = index.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(index + 1);
        let begins = c.is_ascii_uppercase()
            && (before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || before.is_some_and(char::is_ascii_uppercase)
                    && after.is_some_and(char::is_ascii_lowercase));
        if begins && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// What `name` promises.
pub(crate) fn promise(name: &str) -> Promise {
    let words = words(name);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    // A number or an environment at the end says nothing.
    while words.len() > 1
        && words.last().is_some_and(|w| {
            w.bytes().all(|b| b.is_ascii_digit())
                || [
                    "prod",
                    "production",
                    "dev",
                    "staging",
                    "stage",
                    "live",
                    "old",
                    "new",
                    "base64",
                    "b64",
                    "value",
                    "string",
                    "str",
                    "plain",
                    "hex",
                    "default",
                    "override",
                    "main",
                ]
                .contains(w)
        })
    {
        words.pop();
    }
    if words.iter().any(|w| HARMLESS.contains(w)) {
        return Promise::Nothing;
    }
    let Some(last) = words.last() else { return Promise::Nothing };
    if ABOUT.contains(last) {
        return Promise::Nothing;
    }
    let is_password = |w: &&str| {
        PASSWORDS.contains(w) || w.len() > 8 && (w.ends_with("password") || w.ends_with("passwd"))
    };
    let is_secret = |w: &&str| {
        SECRETS.contains(w)
            || w.len() > 6
                && (w.ends_with("secret") || w.ends_with("apikey") || w.ends_with("token"))
    };
    if is_password(last) {
        return Promise::Password;
    }
    if is_secret(last) {
        return Promise::Secret;
    }
    let before = words.len().checked_sub(2).and_then(|i| words.get(i)).copied().unwrap_or_default();
    if *last == "key" || *last == "keys" {
        return match before {
            "" => Promise::Nothing,
            b if BEFORE_KEY.contains(&b) => Promise::Secret,
            _ => Promise::Key,
        };
    }
    if ["auth", "authorization", "salt", "hmac"].contains(last) && words.len() <= 3 {
        return Promise::Key;
    }
    // `password_for_replication`, `secretValueX`: the word stands earlier.
    let count = words.len();
    let early = words.iter().rev().take(3).collect::<Vec<_>>();
    if count <= 5 && early.iter().any(|w| is_password(w)) {
        return Promise::Secret;
    }
    if count <= 4 && early.iter().any(|w| is_secret(w)) {
        return Promise::Key;
    }
    Promise::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise() {
        for (name, expected) in [
            ("DB_PASSWORD", Promise::Password),
            ("spring.datasource.password", Promise::Password),
            ("sasl_password", Promise::Password),
            ("clientSecret", Promise::Secret),
            ("apiKey", Promise::Secret),
            ("API_KEY_PROD", Promise::Secret),
            ("AZURE_OPENAI_API_KEY", Promise::Secret),
            ("other_key", Promise::Key),
            ("accessToken", Promise::Secret),
            ("password_hash", Promise::Nothing),
            ("token_sha256", Promise::Nothing),
            ("publicKeyToken", Promise::Nothing),
            ("passwordField", Promise::Nothing),
            ("tokenType", Promise::Nothing),
            ("secret_name", Promise::Nothing),
            ("key", Promise::Nothing),
            ("primary_key", Promise::Nothing),
            ("max_tokens_count", Promise::Nothing),
            ("keyboard", Promise::Nothing),
            ("monkey", Promise::Nothing),
        ] {
            assert_eq!(promise(name), expected, "{name}");
        }
    }
}
