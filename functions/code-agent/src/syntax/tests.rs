use super::*;

fn faults(path: &str, text: &str) -> Vec<Fault> {
    match check(path, text.as_bytes()) {
        Verdict::Broken(faults) => faults,
        other => panic!("{path}: {other:?}\n{text}"),
    }
}

#[test]
fn valid_files_of_every_language_pass() {
    let files = [
        ("a.rs", "fn main() { let Some(x) = y else { return }; async { x.await?; }; }\n"),
        (
            "a.py",
            "match x:\n    case [a, *_] if (n := len(a)) > 1:\n        print(f'{n!r:>{w}}')\n",
        ),
        ("a.js", "export default class A { #b = 1; static { x ??= y?.z ?? 1n } }\n"),
        ("a.jsx", "const a = <A b={c}>{d}</A>;\n"),
        (
            "a.ts",
            "const a = { b: 1 } satisfies X; enum E { A } type T<const U> = U extends infer V ? V : never;\n",
        ),
        ("a.tsx", "const a = <A<string> b={c as D}>x</A>;\n"),
        ("a.go", "package a\nfunc F[T any](x T) T { return x }\n"),
        ("A.java", "record A(int b) { sealed interface C permits D {} }\n"),
        ("a.json", "{\"a\": [1, 2.5e3, null]}\n"),
        (
            "a.yaml",
            "a: &x [1, 2]\nb: *x\n---\nc: !Ref D\nd: !Sub\n  - ${E}\n  - {E: !GetAtt F.G}\n",
        ),
        ("a.toml", "a = 1\n[b.c]\nd = [\n  1,\n]\n"),
        ("Cargo.lock", "version = 4\n[[package]]\nname = \"a\"\n"),
        // What the grammars do not know.
        ("b.rs", "extern \"C\" { pub type A; safe fn b(); }\nfn c() { let d = #[inline] || 1; }\n"),
        (
            "b.ts",
            "export type * from './a';\nlet a: import('b').C<D> | typeof import('e');\ninterface F<in A, out B> {}\n",
        ),
        (
            "b.d.ts",
            "export default function (): void;\ndeclare module 'x' {\n  global {\n    interface Y {}\n  }\n}\n",
        ),
        ("c.ts", "interface A<\n  /** b */\n  out C,\n  out D = E,\n> {}\n"),
        ("b.mjs", "export * from 'a' with {\n  type: 'json'\n};\n"),
        ("B.java", "class B { void c(int @Nullable ... d) {} }\n"),
        ("empty.py", ""),
        ("empty.yml", "# nothing\n"),
        ("bom.json", "\u{feff}{}"),
    ];
    for (path, text) in files {
        assert_eq!(check(path, text.as_bytes()), Verdict::Parsed, "{path}");
    }
}

#[test]
fn errors_are_found_with_line_and_column() {
    let files = [
        ("a.rs", "fn a() {}\nfn b( {}\n", 2),
        ("a.rs", "fn a() {\n    let x = 1\n    let y = 2;\n}\n", 2),
        ("a.py", "def a():\n    return 1\n\ndef b(:\n    pass\n", 4),
        ("a.js", "const a = 1;\nconst b = ;\n", 2),
        ("a.ts", "let a: string = 1;\nfunction ( {\n", 2),
        ("a.go", "package a\n\nfunc F() {\n\tx := \n}\n", 4),
        ("A.java", "class A {\n  int b( { }\n}\n", 2),
        ("a.json", "{\n  \"a\": 1,\n  \"b\": \n}\n", 4),
        ("a.json", "{\n  \"ü\": 1,\n}\n", 3),
        ("tsconfig.json", "{ // yes\n  \"a\": ,\n}\n", 2),
        ("a.yaml", "a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a.yml", "a: 1\n---\nb:\n\t- c\n", 4),
        ("a.toml", "a = 1\nb = \n", 2),
        ("a.toml", "a = 1\na = 2\n", 2),
    ];
    for (path, text, line) in files {
        let found = faults(path, text);
        assert_eq!(found[0].line, line, "{path}: {found:?}");
        assert!(found[0].column >= 1 && !found[0].message.is_empty(), "{found:?}");
    }
}

#[test]
fn columns_count_characters() {
    assert_eq!(faults("a.json", "{\"üü\": x}")[0].column, 8);
    assert_eq!(faults("a.toml", "\"üü\" = = 1")[0].column, 8);
    let found = faults("a.js", "const ü = '…'; const = 1;\n");
    assert_eq!((found[0].line, found[0].column), (1, 22), "{found:?}");
}

#[test]
fn what_may_be_meant_so_is_unsure_or_valid() {
    let unsure = [
        ("settings.json", "{ // note\n \"a\": 1 }"),
        ("log.json", "{\"a\":1}\n{\"a\":2}\n"),
        ("chart/templates/d.yaml", "{{- if .Values.x }}\na: {{ .b }}\n{{- end }}\n"),
        ("deploy.yaml", "a:\n{% for x in y %}\n  - {{ x }}\n{% endfor %}\n"),
        ("pkg/testdata/broken.go", "package \n"),
        ("tests/fixtures/bad.py", "def (:\n"),
        ("core/src/dockerTest/resources/a.toml", "id = 'a';\n"),
        ("{{cookiecutter.name}}/a.py", "from {{cookiecutter.name}} import x\n"),
        ("x/pyproject.toml", "name = {{ name }}\n"),
        ("old.py", "#!/usr/bin/env python2\nprint \"a\" % b, `c`\n"),
        ("flow.js", "/* @flow */\nfunction a(b: string): number { return 1 }\n"),
    ];
    for (path, text) in unsure {
        let verdict = check(path, text.as_bytes());
        assert!(matches!(verdict, Verdict::Unsure(..)), "{path}: {verdict:?}");
    }
    let valid = [
        ("tsconfig.build.json", "{ // a\n \"b\": [1,],\n}"),
        (".vscode/settings.json", "/* a */ {\"b\": 1,}"),
        (".eslintrc", "// a\n{}"),
        (".eslintrc", "root: true\n"),
        ("x.jsonc", "{}// a"),
        (".github/workflows/ci.yml", "a: ${{ b }}\nc: \"${{ d }}\"\n"),
    ];
    for (path, text) in valid {
        assert_eq!(check(path, text.as_bytes()), Verdict::Parsed, "{path}");
    }
}

#[test]
fn a_mark_does_not_excuse_a_fault_elsewhere() {
    faults("i18n/en.json", "{\"a\": \"{{count}} files\"\n \"b\": 1}");
    faults(".github/workflows/ci.yml", "a: ${{ b }}\nc: [1\nd: 2\n");
    faults("src/a.rs", "fn a() { format!(\"{{}}\") \n");
    faults("deploy.yaml", "a: \"{{ x }}\"\nb: [1\nc: 2\n");
    faults("src/a.jsx", "const a = <B style={{ c: 1 }} d=>e</B>;\n");
    faults("src/a.py", "a = '{{ b }}'\nif a\n    pass\n");
    faults(
        "src/a.js",
        "// not @flow\nlet a = '{{ b }}';\nlet = = 1;\n".replace("@flow", "flow").as_str(),
    );
}

#[test]
fn what_cannot_be_parsed_says_why() {
    assert!(
        matches!(check("a.py", b"# \xe9\n"), Verdict::Unsure(doubt, _) if doubt.cause == Cause::Encoding)
    );
    // Only its comments are in another encoding.
    assert_eq!(check("a.c", b"/* \xe9 */ int a;\n"), Verdict::Parsed);
    assert_eq!(check("a.json", b"\xff\xfe{\0}\0"), Verdict::Parsed);
    assert!(
        matches!(check("a.hs", b"main = 1\n"), Verdict::NotParsed(why) if why.contains("Haskell"))
    );
    assert!(matches!(check("README", b"text"), Verdict::NotParsed(_)));
    let deep = "(".repeat(100_000);
    for path in ["a.rs", "a.py", "a.js", "a.ts", "a.php", "a.sh", "a.tf", "a.java"] {
        let verdict = check(path, deep.as_bytes());
        assert!(
            matches!(verdict, Verdict::Unsure(doubt, _) if doubt.cause == Cause::Depth),
            "{path}"
        );
    }
    // What may be as it should be, and how deep is read.
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let flow = |depth: usize| format!("a: {}", nested(depth));
    for (path, text, levels) in [
        ("a.json", nested(1_001), "1000"),
        ("a.toml", format!("a = {}", nested(81)), "80"),
        ("a.yml", flow(300), "255"),
        ("a.rs", nested(2_000), "1000"),
    ] {
        match check(path, text.as_bytes()) {
            Verdict::Unsure(doubt, faults) => {
                assert_eq!(doubt.cause, Cause::Depth, "{path}: {doubt:?}");
                assert!(doubt.reason.contains(levels), "{path}: {doubt:?}");
                assert!(
                    faults.iter().all(|f| f.message.contains("too deeply")),
                    "{path}: {faults:?}"
                );
            }
            verdict => panic!("{path}: {verdict:?}"),
        }
    }
    assert_eq!(check("a.json", nested(1_000).as_bytes()), Verdict::Parsed);
    assert_eq!(check("a.toml", format!("a = {}", nested(80)).as_bytes()), Verdict::Parsed);
    assert_eq!(check("a.yml", flow(250).as_bytes()), Verdict::Parsed);
    assert!(
        matches!(check("page.html.j2", b"{{ a }}"), Verdict::Unsure(doubt, _) if doubt.cause == Cause::Template)
    );
}

#[test]
fn a_merge_that_was_not_finished_is_found_at_its_mark() {
    let text = "a: 1\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> d\n";
    for path in
        ["a.py", "a.js", "a.ts", "a.rs", "A.java", "a.go", "a.json", "a.yaml", "a.tf", "a.php"]
    {
        match check(path, text.as_bytes()) {
            Verdict::Broken(faults) => assert_eq!(faults[0].line, 2, "{path}"),
            // Text outside of `<?php` is output.
            Verdict::Parsed => assert_eq!(path, "a.php"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "[ -~\\n\u{e4}{}\\[\\]:&*!|>\"'`#-]{0,120}") {
        for path in [
            "a.rs", "a.py", "a.js", "a.tsx", "a.go", "a.java", "a.json", "a.jsonc", "a.yaml", "a.toml",
            "a.c", "a.cpp", "a.cs", "a.css", "Dockerfile", "a.html", "a.kt", "a.php", "a.rb", "a.sh",
            "a.sql", "a.swift", "a.tf", "a.xml",
        ] {
            let verdict = check(path, text.as_bytes());
            if let Verdict::Broken(faults) = &verdict {
                proptest::prop_assert!(!faults.is_empty());
            }
            if let Verdict::Broken(faults) | Verdict::Unsure(_, faults) = verdict {
                proptest::prop_assert!(faults.len() <= verdict::MAX_FAULTS);
                for fault in faults {
                    proptest::prop_assert!(fault.line >= 1 && fault.column >= 1);
                }
            }
        }
    }
}

#[test]
fn parts_of_c_are_unsure_and_what_is_never_compiled_counts_for_nothing() {
    let part = "// A part.\nint a = 0;\nb.c = d->e;\nswitch (b.c)\n{\n\tfor (;;)\n\t{\n\tcase 0:\n";
    assert!(matches!(check("head.c", part.as_bytes()), Verdict::Unsure(..)));
    let editor = "#ifdef __cplusplus\nextern \"C\" {\n#endif\n#if 0 // for an editor\n}\n#endif\nint a(void);\n#ifdef __cplusplus\n}\n#endif\n";
    let verdict = check("a.h", editor.as_bytes());
    assert!(!matches!(verdict, Verdict::Broken(_)), "{verdict:?}");
    // A whole unit that is cut off is broken all the same.
    let cut = "#include <a.h>\nint a(int b)\n{\n\tif (b) {\n\t\treturn 1;\n";
    assert!(matches!(check("a.c", cut.as_bytes()), Verdict::Broken(_)));
}
