//! Every rule on code that it must find and on code that it must not.

use std::collections::BTreeSet;

use super::*;

fn rules() -> &'static Rules {
    static RULES: std::sync::OnceLock<Rules> = std::sync::OnceLock::new();
    RULES.get_or_init(|| Rules::new().expect("the rules are valid"))
}

fn found(language: SupportLang, text: &str) -> Vec<String> {
    let rules = rules();
    let scan = rules.scan("x", language, text, |_| true);
    scan.findings.into_iter().map(|f| f.code).collect()
}

/// Rule, code to find, code not to find.
const PYTHON: &[(&str, &[&str], &[&str])] = &[
    (
        "eval",
        &["eval(x)", "exec(f'{x}')", "a = eval(x, {})"],
        &["eval('1 + 1')", "model.eval()", "ast.literal_eval(x)", "cursor.exec(x)"],
    ),
    (
        "subprocess-shell",
        &[
            "subprocess.run(cmd, shell=True)",
            "subprocess.Popen(f'ls {x}', shell=True, cwd='/')",
            "check_output('ls ' + x, shell=True)",
        ],
        &[
            "subprocess.run(['ls', x])",
            "subprocess.run('ls', shell=True)",
            "subprocess.run(cmd, shell=False)",
        ],
    ),
    (
        "os-system",
        &["os.system('rm ' + x)", "os.popen(cmd)", "subprocess.getoutput(cmd)"],
        &["os.system('clear')", "os.path.join(a, b)"],
    ),
    (
        "yaml-load",
        &["yaml.load(f)", "yaml.load(f, Loader=yaml.Loader)", "yaml.unsafe_load(f)"],
        &[
            "yaml.safe_load(f)",
            "yaml.load(f, Loader=yaml.SafeLoader)",
            "yaml.load(f, yaml.CSafeLoader)",
            "json.load(f)",
        ],
    ),
    (
        "pickle",
        &["pickle.loads(data)", "pickle.load(f)", "cPickle.loads(d)"],
        &["pickle.dumps(x)", "json.loads(x)"],
    ),
    (
        "tls-not-verified",
        &[
            "requests.get(url, verify=False)",
            "session.post(u, json=x, verify=False)",
            "ssl._create_unverified_context()",
            "ctx.verify_mode = ssl.CERT_NONE",
        ],
        &[
            "requests.get(url, verify=True)",
            "requests.get(url)",
            "requests.get(u, verify='ca.pem')",
            "solve(x, verify=False)",
        ],
    ),
    (
        "weak-password-hash",
        &["hashlib.md5(password.encode())", "hashlib.new('sha1', passwd)"],
        &["hashlib.md5(data)", "hashlib.scrypt(password, salt=s)"],
    ),
    ("mktemp", &["tempfile.mktemp()"], &["tempfile.mkstemp()", "tempfile.NamedTemporaryFile()"]),
    (
        "flask-debug",
        &["app.run(debug=True)", "app.run(host='0.0.0.0', debug=True)"],
        &["app.run(debug=DEBUG)", "app.run()", "asyncio.run(main(), debug=True)"],
    ),
    (
        "sql-text",
        &[
            "cur.execute(f\"SELECT * FROM t WHERE id = {x}\")",
            "cur.execute('SELECT * FROM t WHERE id = %s' % x)",
            "cur.execute('DELETE FROM t WHERE id = ' + x)",
            "cur.execute('select {}'.format(x))",
            "cur.execute(f'''\n  update t set a = {x}''')",
        ],
        &[
            "cur.execute('SELECT * FROM t WHERE id = %s', (x,))",
            "cur.execute(query)",
            "pool.execute(f'job {x}')",
            "cur.execute('SELECT 1' 'FROM t')",
        ],
    ),
    (
        "world-writable",
        &["os.chmod(p, 0o777)", "os.chmod(p, 0o666)"],
        &["os.chmod(p, 0o755)", "os.chmod(p, 0o600)", "os.chmod(p, mode)"],
    ),
    (
        "jwt-not-verified",
        &[
            "jwt.decode(t, options={\"verify_signature\": False})",
            "jwt.decode(t, k, algorithms=['none'])",
        ],
        &["jwt.decode(t, key, algorithms=['HS256'])"],
    ),
];

const JAVASCRIPT: &[(&str, &[&str], &[&str])] = &[
    (
        "eval",
        &["eval(x)", "new Function(body)", "new Function('a', body)", "eval(`f(${x})`)"],
        &["eval('1')", "page.eval(x)", "new Function('return 1')"],
    ),
    (
        "shell",
        &[
            "exec(`ls ${dir}`)",
            "child_process.exec('ls ' + dir, cb)",
            "cp.execSync(`rm ${x}`)",
            "require('child_process').exec('a' + b)",
        ],
        &["exec('ls')", "regex.exec(a + b)", "execFile('ls', [dir])", "exec(a + b)"],
    ),
    (
        "inner-html",
        &["el.innerHTML = text", "el.innerHTML = `<b>${x}</b>`", "document.write(x)"],
        &[
            "el.innerHTML = ''",
            "el.innerHTML = `<b>x</b>`",
            "el.textContent = text",
            "document.write('<p>')",
        ],
    ),
    (
        "tls-not-verified",
        &[
            "new Agent({ rejectUnauthorized: false })",
            "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'",
        ],
        &[
            "new Agent({ rejectUnauthorized: true })",
            "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '1'",
        ],
    ),
    (
        "jwt-none",
        &["jwt.verify(t, k, { algorithms: ['none'] })", "jwt.sign(p, k, { algorithm: 'none' })"],
        &["jwt.verify(t, k, { algorithms: ['RS256'] })", "const s = { display: 'none' }"],
    ),
    (
        "sql-text",
        &[
            "db.query(`SELECT * FROM t WHERE id = ${id}`)",
            "conn.execute('DELETE FROM t WHERE id = ' + id)",
        ],
        &[
            "db.query('SELECT * FROM t WHERE id = ?', [id])",
            "sql`SELECT ${id}`",
            "cache.get(`user ${id}`)",
            "db.query(`SELECT 1`)",
        ],
    ),
    (
        "predictable-secret",
        &["const token = Math.random().toString(36)", "session.apiKey = String(Math.random())"],
        &["const x = Math.random()", "const token = crypto.randomUUID()"],
    ),
    (
        "cipher-without-iv",
        &["crypto.createCipher('aes192', k)"],
        &["crypto.createCipheriv('aes-256-gcm', k, iv)"],
    ),
];

const GO: &[(&str, &[&str], &[&str])] = &[
    (
        "shell",
        &[
            "exec.Command(\"sh\", \"-c\", cmd)",
            "exec.CommandContext(ctx, \"/bin/bash\", \"-c\", \"ls \"+dir)",
        ],
        &[
            "exec.Command(\"sh\", \"-c\", \"ls\")",
            "exec.Command(\"ls\", dir)",
            "exec.Command(\"sh\", script)",
        ],
    ),
    (
        "tls-not-verified",
        &["c := &tls.Config{InsecureSkipVerify: true}", "cfg.InsecureSkipVerify = true"],
        &["c := &tls.Config{InsecureSkipVerify: false}", "cfg.InsecureSkipVerify = insecure"],
    ),
    (
        "sql-text",
        &[
            "db.Query(fmt.Sprintf(\"SELECT * FROM t WHERE id = %s\", id))",
            "db.ExecContext(ctx, \"DELETE FROM t WHERE id = \" + id)",
        ],
        &[
            "db.Query(\"SELECT * FROM t WHERE id = $1\", id)",
            "db.Query(query)",
            "log.Print(fmt.Sprintf(\"select %s\", x))",
        ],
    ),
    (
        "predictable-secret",
        &["token := rand.Intn(100)", "s.secret = strconv.Itoa(rand.Int63())"],
        &["n := rand.Intn(100)", "token, err := rand.Int(rand.Reader, max)"],
    ),
    ("weak-cipher", &["des.NewCipher(k)", "rc4.NewCipher(k)"], &["aes.NewCipher(k)"]),
    (
        "unescaped-html",
        &["template.HTML(text)"],
        &["template.HTML(\"<br>\")", "template.New(\"x\")"],
    ),
];

const JAVA: &[(&str, &[&str], &[&str])] = &[
    (
        "runtime-exec",
        &[
            "Runtime.getRuntime().exec(\"ls \" + dir);",
            "runtime.exec(String.format(\"ls %s\", dir));",
        ],
        &[
            "Runtime.getRuntime().exec(\"ls\");",
            "executor.exec(a + b);",
            "new ProcessBuilder(\"ls\", dir).start();",
        ],
    ),
    (
        "object-input-stream",
        &["var o = new ObjectInputStream(in);"],
        &["var o = new ObjectOutputStream(out);"],
    ),
    (
        "weak-cipher",
        &[
            "Cipher.getInstance(\"DES\");",
            "Cipher.getInstance(\"AES/ECB/PKCS5Padding\");",
            "Cipher.getInstance(\"AES\");",
        ],
        &["Cipher.getInstance(\"AES/GCM/NoPadding\");"],
    ),
    (
        "weak-hash",
        &["MessageDigest.getInstance(\"MD5\");", "MessageDigest.getInstance(\"SHA-1\");"],
        &["MessageDigest.getInstance(\"SHA-256\");"],
    ),
    (
        "trust-all",
        &[
            "public void checkServerTrusted(X509Certificate[] c, String a) {}",
            "public void checkServerTrusted(X509Certificate[] c, String a) { // fine\n }",
            "client.setHostnameVerifier((h, s) -> true);",
        ],
        &[
            "public void checkServerTrusted(X509Certificate[] c, String a) { inner.checkServerTrusted(c, a); }",
            "client.setHostnameVerifier(verifier);",
        ],
    ),
    (
        "sql-text",
        &[
            "st.executeQuery(\"SELECT * FROM t WHERE id = \" + id);",
            "st.execute(String.format(\"DELETE FROM t WHERE id = %s\", id));",
        ],
        &[
            "st.executeQuery(\"SELECT * FROM t\" + \" WHERE a = 1\");",
            "c.prepareStatement(\"SELECT * FROM t WHERE id = ?\");",
            "log.update(\"x\" + y);",
        ],
    ),
];

const RUST: &[(&str, &[&str], &[&str])] = &[
    (
        "shell-format",
        &[
            "Command::new(\"sh\").arg(\"-c\").arg(format!(\"ls {dir}\"));",
            "std::process::Command::new(\"/bin/bash\").args([\"-c\", &format!(\"ls {}\", dir)]);",
        ],
        &[
            "Command::new(\"ls\").arg(format!(\"{dir}\"));",
            "Command::new(\"sh\").arg(\"-c\").arg(\"ls\");",
        ],
    ),
    (
        "tls-not-verified",
        &["b.danger_accept_invalid_certs(true);", "b.danger_accept_invalid_hostnames(true);"],
        &["b.danger_accept_invalid_certs(false);"],
    ),
    (
        "sql-format",
        &[
            "sqlx::query(&format!(\"SELECT * FROM t WHERE id = {id}\"));",
            "db.execute(&format!(\"DELETE FROM t WHERE id = {}\", id), [])",
        ],
        &["sqlx::query(\"SELECT * FROM t WHERE id = $1\");", "db.execute(&format!(\"job {x}\"));"],
    ),
    (
        "world-writable",
        &["Permissions::from_mode(0o777);"],
        &["Permissions::from_mode(0o755);", "Permissions::from_mode(mode);"],
    ),
];

/// Puts a statement where the language wants it.
fn program(language: SupportLang, code: &str) -> String {
    match language {
        SupportLang::Go => format!("package p\n\nfunc f() {{\n\t{code}\n}}\n"),
        SupportLang::Java if code.starts_with("public") => format!("class A {{\n  {code}\n}}\n"),
        SupportLang::Java => format!("class A {{\n  void f() {{\n    {code}\n  }}\n}}\n"),
        SupportLang::Rust => format!("fn f() {{\n    {code}\n}}\n"),
        _ => format!("{code}\n"),
    }
}

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_else() {
    let tables = [
        ("python", PYTHON, &[SupportLang::Python][..]),
        (
            "javascript",
            JAVASCRIPT,
            &[SupportLang::JavaScript, SupportLang::TypeScript, SupportLang::Tsx][..],
        ),
        ("go", GO, &[SupportLang::Go][..]),
        ("java", JAVA, &[SupportLang::Java][..]),
        ("rust", RUST, &[SupportLang::Rust][..]),
    ];
    let rules = rules();
    let mut untested: BTreeSet<String> = rules.0.iter().map(|r| r.id.clone()).collect();
    let mut wrong = Vec::new();
    for (prefix, table, languages) in tables {
        for (name, positive, negative) in table {
            let id = format!("{prefix}-{name}");
            untested.remove(&id);
            for language in languages {
                for code in *positive {
                    if found(*language, &program(*language, code)) != [id.as_str()] {
                        wrong.push(format!(
                            "{language}: {id} ought to find {code}: {:?}",
                            found(*language, &program(*language, code))
                        ));
                    }
                }
                for code in *negative {
                    let codes = found(*language, &program(*language, code));
                    if !codes.is_empty() {
                        wrong.push(format!("{language}: {codes:?} found in {code}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(untested.is_empty(), "rules without a case: {untested:?}");
}

#[test]
fn only_added_lines_count_and_a_comment_allows_one_rule() {
    let rules = rules();
    let text = "eval(a)\neval(b)  # pact:allow python-eval: constant table\n# pact:allow python-pickle\neval(c)\n  \nx = [\n  eval(\n    d)]\n";
    let scan = rules.scan("x.py", SupportLang::Python, text, |line| line != 1);
    let lines: Vec<_> = scan.findings.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(lines, [(Some(4), Some(1)), (Some(7), Some(3))]);
    assert_eq!(scan.allowed, 1);
    let scan = rules.scan("x.py", SupportLang::Python, text, |line| line == 8);
    assert_eq!(scan.findings.len(), 1);
    assert_eq!((scan.findings[0].line, scan.findings[0].column), (Some(8), None));
}

#[test]
fn deep_and_broken_files_do_no_harm() {
    let rules = rules();
    for language in [
        SupportLang::Python,
        SupportLang::JavaScript,
        SupportLang::Go,
        SupportLang::Java,
        SupportLang::Rust,
    ] {
        for text in [
            "(".repeat(20_000),
            "eval(".repeat(20_000),
            "a+".repeat(20_000),
            "{[".repeat(10_000),
            "\"\u{0}\u{fffd}é".repeat(1_000),
        ] {
            // As small a stack as the threads have that the check runs on.
            rules.scan("x", language, &text, |_| true);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    #[test]
    fn any_text_is_scanned_without_a_panic(text in "\\PC{0,300}") {
        let rules = rules();
        for language in [SupportLang::Python, SupportLang::TypeScript, SupportLang::Go, SupportLang::Java, SupportLang::Rust] {
            rules.scan("x", language, &text, |_| true);
        }
    }
}

#[test]
fn tests_do_not_ship_and_weigh_less() {
    let severity = |path| {
        let scan = rules().scan(path, SupportLang::Python, "eval(x)", |_| true);
        scan.findings.iter().map(|f| f.severity).collect::<Vec<_>>()
    };
    assert_eq!(severity("app/a.py"), [Severity::High]);
    assert_eq!(severity("tests/test_a.py"), [Severity::Medium]);
}

#[test]
fn languages_by_name() {
    assert_eq!(language("a/b.py"), Some(SupportLang::Python));
    assert_eq!(language("a.d.ts"), Some(SupportLang::TypeScript));
    assert_eq!(language("x.py/readme"), None);
    assert_eq!(language("Makefile"), None);
}

/// Counts what is found in a folder:
/// `PACT_CODE_CORPUS=<folder> cargo test -p pact-security-agent corpus -- --ignored --nocapture`.
#[test]
#[ignore = "reads the folder that PACT_CODE_CORPUS names"]
#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn corpus_findings_by_rule() {
    let Some(root) = std::env::var_os("PACT_CODE_CORPUS") else {
        println!("skipped: PACT_CODE_CORPUS is not set");
        return;
    };
    let mut folders = vec![std::path::PathBuf::from(root)];
    let (mut files, mut bytes) = (0u64, 0usize);
    let mut slowest = (std::time::Duration::ZERO, String::new());
    let mut counts: std::collections::BTreeMap<(Severity, String), u64> = Default::default();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path().display().to_string();
            match (entry.file_type(), language(&path)) {
                (Ok(kind), _) if kind.is_dir() => folders.push(entry.path()),
                (Ok(kind), Some(language)) if kind.is_file() => {
                    let content = std::fs::read(entry.path()).expect("a file");
                    if content.len() > 1024 * 1024 {
                        continue;
                    }
                    let begun = std::time::Instant::now();
                    let text = String::from_utf8_lossy(&content);
                    for f in rules().scan(&path, language, &text, |_| true).findings {
                        println!("{:?} {} {}", f.severity, f.code, f.place().unwrap_or_default());
                        *counts.entry((f.severity, f.code)).or_default() += 1;
                    }
                    slowest = slowest.max((begun.elapsed(), path));
                    files += 1;
                    bytes += content.len();
                }
                _ => {}
            }
        }
    }
    println!("{files} files, {bytes} bytes, slowest {slowest:?}");
    for ((severity, code), count) in counts {
        println!("{count:6} {severity:?} {code}");
    }
}
