#![expect(clippy::print_stderr, reason = "tests say why they were skipped")]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use pact_contract::ChangeKind;

use super::*;

/// A repository made with the git program.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let fixture = Self(folder);
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: there is no git program");
            return None;
        }
        fixture.git(&["init", "-q", "-b", "main"]);
        Some(fixture)
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        git(self.0.path(), arguments)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, content).expect("is written");
    }

    fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        self.head()
    }

    fn head(&self) -> String {
        String::from_utf8(self.git(&["rev-parse", "HEAD"])).expect("a hash").trim().to_owned()
    }

    /// Commits, compares with git and returns what changed since `base`.
    fn agree(&self, base: Option<&str>) -> Vec<FileChange> {
        let head = self.commit();
        let ours = ours(self.0.path(), base, &head);
        assert_eq!(numstat(&ours), git_numstat(self.0.path(), base, &head));
        ours
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid"])
        .args(["-c", "core.autocrlf=false", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn ours(folder: &Path, base: Option<&str>, head: &str) -> Vec<FileChange> {
    try_ours(folder, base, head).expect("compares")
}

fn try_ours(folder: &Path, base: Option<&str>, head: &str) -> Result<Vec<FileChange>, AgentError> {
    let repository = gix::open_opts(folder, gix::open::Options::isolated()).expect("opens");
    let tree = |commit: &str| {
        let id = ObjectId::from_hex(commit.as_bytes()).expect("an id");
        repository.find_commit(id).expect("a commit").tree_id().expect("a tree").detach()
    };
    let head = tree(head);
    let mut attributes = Attributes::new(&repository, head);
    between(&repository, base.map(tree), head, &mut attributes, &AtomicBool::new(false))
}

/// Added, deleted, old path, path; the numbers are none for binary files.
type Row = (Option<u64>, Option<u64>, Option<String>, String);

fn numstat(files: &[FileChange]) -> Vec<Row> {
    let number = |file: &FileChange, n| (!file.binary).then_some(n);
    let mut rows: Vec<Row> = files
        .iter()
        .map(|f| (number(f, f.added), number(f, f.deleted), f.old_path.clone(), f.path.clone()))
        .collect();
    rows.sort();
    rows
}

const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

fn git_numstat(folder: &Path, base: Option<&str>, head: &str) -> Vec<Row> {
    let source = format!("--attr-source={head}");
    let base = base.unwrap_or(EMPTY_TREE);
    let out = git(folder, &[&source, "diff", "--numstat", "-M", "-z", base, head]);
    let mut fields = out.split(|b| *b == 0).map(|f| String::from_utf8_lossy(f).into_owned());
    let mut rows = Vec::new();
    while let Some(field) = fields.next().filter(|field| !field.is_empty()) {
        let mut columns = field.splitn(3, '\t');
        let mut number = || columns.next().expect("a column").parse().ok();
        let (added, deleted) = (number(), number());
        let path = columns.next().expect("a path").to_owned();
        rows.push(if path.is_empty() {
            let old = fields.next().expect("an old path");
            (added, deleted, Some(old), fields.next().expect("a new path"))
        } else {
            (added, deleted, None, path)
        });
    }
    rows.sort();
    rows
}

fn numbered(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line number {n:04} of the text\n")).collect()
}

#[test]
fn a_first_commit_is_all_new_and_an_empty_one_changes_nothing() {
    let Some(repo) = Fixture::new() else { return };
    repo.write("a.rs", "fn a() {}\n");
    repo.write("no-end.txt", "one\ntwo");
    repo.write("empty", "");
    repo.write("binary.bin", b"\0\x01\n\n");
    let files = repo.agree(None);
    assert_eq!(files.len(), 4);
    assert_eq!(files[0].language.as_deref(), Some("Rust"));
    assert!(files.iter().all(|f| f.kind == ChangeKind::Added));
    let base = repo.head();
    assert!(repo.agree(Some(&base)).is_empty());
}

#[test]
fn edits_deletions_modes_links_and_line_ends_agree_with_git() {
    let Some(repo) = Fixture::new() else { return };
    repo.write("edit.txt", numbered(0..50));
    repo.write("gone.txt", "only here\n");
    repo.write("crlf.txt", "a\r\nb\r\nc\r\n");
    repo.write("no-end.txt", "a\nb");
    repo.write("run.sh", "#!/bin/sh\n");
    repo.write("file-then-link", "target");
    repo.write("file-then-folder", "text\n");
    repo.write("image.png", b"\x89PNG\0\0one");
    let base = repo.commit();
    repo.write("edit.txt", numbered(0..20) + "new\n" + &numbered(25..55));
    std::fs::remove_file(repo.0.path().join("gone.txt")).expect("is removed");
    repo.write("crlf.txt", "a\nb\r\nc\n");
    repo.write("no-end.txt", "a\nb\n");
    repo.write("image.png", b"\x89PNG\0\0two");
    std::fs::remove_file(repo.0.path().join("file-then-folder")).expect("is removed");
    repo.write("file-then-folder/inner", "text\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let run = repo.0.path().join("run.sh");
        std::fs::set_permissions(&run, PermissionsExt::from_mode(0o755)).expect("is set");
        let link = repo.0.path().join("file-then-link");
        std::fs::remove_file(&link).expect("is removed");
        symlink("target", &link).expect("is linked");
        symlink("edit.txt", repo.0.path().join("new-link")).expect("is linked");
    }
    let files = repo.agree(Some(&base));
    let edit = files.iter().find(|f| f.path == "edit.txt").expect("is there");
    assert!(edit.touches(21) && edit.touches(50) && !edit.touches(20) && !edit.touches(30));
    assert!(files.iter().any(|f| f.path == "image.png" && f.binary));
    let mode = files.iter().find(|f| f.path == "run.sh").expect("is there");
    assert_eq!((mode.kind, mode.added, mode.deleted), (ChangeKind::Modified, 0, 0));
}

#[test]
fn renames_agree_with_git() {
    let Some(repo) = Fixture::new() else { return };
    for (path, range) in [("a/one.txt", 0..60), ("a/two.txt", 100..160), ("a/three.txt", 200..260)]
    {
        repo.write(path, numbered(range));
    }
    repo.write("same/1", "identical\n");
    repo.write("same/2", "identical\n");
    repo.write("swap/a", numbered(300..340));
    repo.write("swap/b", numbered(400..440));
    repo.write("half.txt", numbered(500..600));
    repo.write("ends.txt", numbered(700..760));
    repo.write("logo.bin", [&b"\0\x01"[..], numbered(800..900).as_bytes()].concat());
    let base = repo.commit();
    repo.git(&["mv", "a", "b"]);
    repo.write("b/two.txt", numbered(100..150) + &numbered(160..170));
    repo.git(&["mv", "same/1", "same/9"]);
    repo.git(&["mv", "swap/a", "swap/tmp"]);
    repo.git(&["mv", "swap/b", "swap/a"]);
    repo.git(&["mv", "swap/tmp", "swap/b"]);
    repo.git(&["mv", "half.txt", "half-moved.txt"]);
    repo.write("half-moved.txt", numbered(500..551) + &numbered(900..949));
    repo.git(&["mv", "ends.txt", "ended.txt"]);
    repo.write("ended.txt", numbered(700..760).trim_end());
    repo.git(&["mv", "logo.bin", "logo2.bin"]);
    repo.write("copy.txt", numbered(0..60));
    let files = repo.agree(Some(&base));
    let renamed = files.iter().filter(|f| f.kind == ChangeKind::Renamed).count();
    assert!(renamed >= 7, "{files:#?}");
    let two = files.iter().find(|f| f.path == "b/two.txt").expect("is there");
    assert_eq!(two.old_path.as_deref(), Some("a/two.txt"));
}

#[test]
fn the_pair_that_is_most_alike_is_taken_and_the_rest_gets_the_next_best() {
    let Some(repo) = Fixture::new() else { return };
    repo.write("old/a", numbered(0..100));
    repo.write("old/b", numbered(20..100) + &numbered(200..220));
    repo.write("old/c", numbered(600..650));
    let base = repo.commit();
    std::fs::remove_dir_all(repo.0.path().join("old")).expect("is removed");
    repo.write("new/x", numbered(0..95));
    repo.write("new/y", numbered(2..97));
    let files = repo.agree(Some(&base));
    let renamed: Vec<_> = files.iter().filter_map(|f| f.old_path.as_deref()).collect();
    assert_eq!(renamed.len(), 2, "{files:#?}");
}

/// Other line ends are other lines to the tracker; git knows them for the same text.
#[test]
fn a_file_that_moved_and_got_other_line_ends_is_deleted_and_added() {
    let Some(repo) = Fixture::new() else { return };
    repo.write("lf.txt", numbered(0..60));
    let base = repo.commit();
    repo.git(&["mv", "lf.txt", "crlf.txt"]);
    repo.write("crlf.txt", numbered(0..60).replace('\n', "\r\n"));
    let head = repo.commit();
    let kinds: Vec<_> =
        ours(repo.0.path(), Some(&base), &head).iter().map(|file| file.kind).collect();
    assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Deleted]);
}

#[test]
fn merges_attributes_submodules_and_odd_names_agree_with_git() {
    let Some(repo) = Fixture::new() else { return };
    repo.write("base.txt", numbered(0..30));
    repo.write("data.lock", "text\n");
    repo.write("forced.bin", b"a\0b\n");
    let base = repo.commit();
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("side.txt", "side\n");
    repo.commit();
    repo.git(&["checkout", "-q", "main"]);
    repo.write("base.txt", numbered(0..29));
    repo.commit();
    repo.git(&["merge", "-q", "--no-ff", "-m", "m", "side"]);
    assert_eq!(repo.agree(Some(&base)).len(), 2);

    repo.write(".gitattributes", "*.lock -diff\n*.bin diff\nsub/** binary\n");
    repo.write("data.lock", "changed\n");
    repo.write("forced.bin", b"a\0c\n");
    repo.write("sub/x.txt", "text\n");
    repo.write("with space and ü.txt", "x\n");
    repo.write("quo\"te\ttab\n.txt", "x\n");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"latin-\xe9.txt");
        std::fs::write(repo.0.path().join(name), "x\n").expect("is written");
    }
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{base},module")]);
    std::fs::create_dir(repo.0.path().join("module")).expect("a folder");
    let head = {
        repo.git(&["add", "--", ".gitattributes", "data.lock", "forced.bin", "sub"]);
        repo.git(&["add", "--", "*.txt"]);
        repo.git(&["commit", "-q", "-m", "x"]);
        repo.head()
    };
    let found = ours(repo.0.path(), Some(&base), &head);
    assert_eq!(numstat(&found), git_numstat(repo.0.path(), Some(&base), &head));
    let binary = |path: &str| found.iter().find(|f| f.path == path).expect("is there").binary;
    assert!(binary("data.lock") && binary("sub/x.txt") && !binary("forced.bin"));
    assert!(found.iter().any(|f| f.path == "module"));
}

#[test]
fn random_histories_agree_with_git() {
    let Some(repo) = Fixture::new() else { return };
    // A fixed sequence, so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut base = None;
    for _ in 0..12 {
        for _ in 0..25 {
            let path = format!("d{}/f{}", random(3), random(12));
            let full = repo.0.path().join(&path);
            match (random(4), full.exists()) {
                (0, true) => std::fs::remove_file(&full).expect("is removed"),
                (1, true) => {
                    let target = repo.0.path().join(format!("d{}/f{}", random(3), random(12)));
                    if !target.exists() && target.parent().expect("a parent").exists() {
                        std::fs::rename(&full, target).expect("is moved");
                    }
                }
                (_, exists) => {
                    let old = if exists {
                        std::fs::read_to_string(&full).expect("text")
                    } else {
                        String::new()
                    };
                    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
                    for _ in 0..random(12) {
                        let at = usize::try_from(random(lines.len() as u64 + 1)).expect("small");
                        if random(3) == 0 && at < lines.len() {
                            lines.remove(at);
                        } else {
                            lines.insert(at, format!("word {}", random(20)));
                        }
                    }
                    repo.write(&path, lines.join("\n"));
                }
            }
        }
        let head = repo.commit();
        let found = numstat(&ours(repo.0.path(), base.as_deref(), &head));
        // Of short files whose few words are the same, other pairs may be as good.
        let difference = difference(&found, &git_numstat(repo.0.path(), base.as_deref(), &head));
        assert_ne!(difference, Difference::Numbers, "{base:?}..{head}");
        base = Some(head);
    }
}

/// How two lists of rows differ.
#[derive(Debug, PartialEq, Eq)]
enum Difference {
    /// Not at all.
    None,
    /// Other files were paired; what is paired alike has the same numbers.
    Pairs,
    /// The same file has other numbers.
    Numbers,
}

fn difference(ours: &[Row], theirs: &[Row]) -> Difference {
    if ours == theirs {
        return Difference::None;
    }
    let names = |row: &Row| (row.2.clone(), row.3.clone());
    let theirs: std::collections::HashMap<_, _> =
        theirs.iter().map(|row| (names(row), (row.0, row.1))).collect();
    let differ = |row: &Row| theirs.get(&names(row)).is_some_and(|t| *t != (row.0, row.1));
    if ours.iter().any(differ) { Difference::Numbers } else { Difference::Pairs }
}

/// Compares whole histories: `PACT_TEST_HISTORIES` lists repositories, separated by commas, and
/// `PACT_TEST_COMMITS` says how many of the latest commits of each. The choice of pairs may
/// differ in one commit of a hundred; the numbers of a pair never do.
#[test]
#[ignore = "needs repositories with a history"]
fn histories_agree_with_git() {
    let Ok(list) = std::env::var("PACT_TEST_HISTORIES") else { return };
    let limit = std::env::var("PACT_TEST_COMMITS").unwrap_or_else(|_| "500".to_owned());
    let (mut commits, mut pairs) = (0, 0);
    for folder in list.split(',').map(Path::new) {
        let log = git(folder, &["log", "-n", &limit, "--format=%H %P"]);
        let log = String::from_utf8(log).expect("hashes");
        let (mut agreed, mut all) = (0, 0);
        for line in log.lines() {
            let mut ids = line.split(' ').filter(|id| !id.is_empty());
            let head = ids.next().expect("a commit");
            let base = ids.next();
            // A snapshot may lack its largest files; git cannot compare those either.
            let Ok(found) = try_ours(folder, base, head) else { continue };
            let (found, expected) = (numstat(&found), git_numstat(folder, base, head));
            all += 1;
            let difference = difference(&found, &expected);
            if difference == Difference::None {
                agreed += 1;
                continue;
            }
            eprintln!("{base:?}..{head}: {difference:?}");
            for row in found.iter().filter(|row| !expected.contains(row)) {
                eprintln!("  ours   {row:?}");
            }
            for row in expected.iter().filter(|row| !found.contains(row)) {
                eprintln!("  theirs {row:?}");
            }
            assert_ne!(difference, Difference::Numbers, "{head}");
        }
        eprintln!("{}: {agreed} of {all} agree", folder.display());
        commits += all;
        pairs += all - agreed;
    }
    eprintln!("{commits} commits, {pairs} with other pairs");
    assert!(pairs * 100 <= commits, "{pairs} of {commits}");
}
