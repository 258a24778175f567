//! What the buildspecs of several agents have in common.

/// Gets an address into a file, and puts a file to an address, by what an image has for it: that of
/// AWS has curl, a machine of one's own perhaps another.
pub const TRANSFER: &str = r#"has() { command -v "$1" >/dev/null 2>&1; }
none() { echo "this environment has none of curl, wget and python3 to fetch the commit and to hand the results over with" >&2; return 127; }
get() {
if has curl; then curl -fsS --retry 3 --max-time 900 -o "$2" "$1"
elif has wget; then wget -nv -t 3 -T 900 -O "$2" "$1"
elif has python3; then python3 -c 'import shutil, sys, urllib.request as r
with r.urlopen(sys.argv[1], timeout=900) as a, open(sys.argv[2], "wb") as f: shutil.copyfileobj(a, f)' "$1" "$2"
else none; fi
}
put() {
if has curl; then curl -fsS --retry 3 --max-time 900 -o /dev/null -T "$2" "$1"
elif has wget; then wget -nv -t 3 -T 900 -O /dev/null --method=PUT --body-file="$2" "$1"
elif has python3; then python3 -c 'import os, sys, urllib.request as r
with open(sys.argv[2], "rb") as f: r.urlopen(r.Request(sys.argv[1], f, {"Content-Length": str(os.path.getsize(sys.argv[2]))}, method="PUT"), timeout=900).read()' "$1" "$2"
else none; fi
}
"#;

/// A presigned address.
pub struct Signed {
    /// Without its signature.
    pub address: String,
    /// `?` and the rest.
    pub signature: String,
}

impl Signed {
    /// Takes it apart.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let (address, signature) = url.split_once('?').unwrap_or((url, ""));
        Self { address: address.to_owned(), signature: format!("?{signature}") }
    }
}

/// A word of the shell.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
