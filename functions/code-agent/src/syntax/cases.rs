//! Forms that were once taken for errors, or errors for forms: what is valid, what is not and where,
//! and what nobody can say.

use super::{Verdict, check};

const VALID: &[(&str, &str)] = &[
    ("go_new_call.go", "package a\n\nfunc f() *int64 { return new(int64(300)) }\n"),
    (
        "java_flex_ctor.java",
        "class B extends A { B(int y) { if (y < 0) throw new Error(); super(y); } }\n",
    ),
    ("java_import_module.java", "import module java.base;\nclass A {}\n"),
    ("jsx_amp_attr.jsx", "export const A = () => <a href=\"https://x.org/?a=1&b=2\">x</a>;\n"),
    ("jsx_amp_text.jsx", "export const A = () => <p>Runtime & Build</p>;\n"),
    ("py_type_default.py", "type Pair[T = int] = tuple[T, T]\n"),
    ("ts_abstract_prop.ts", "class G { abstract: number; }\n"),
    ("ts_callsig_asi.ts", "interface A {\n  <R>(x: R): void\n  <P>(y: P): void\n}\n"),
    (
        "ts_export_type_name.ts",
        "declare const type: number; declare const b: number;\nexport { type, b };\n",
    ),
    (
        "ts_fn_type_newline.ts",
        "export function f<A>(\n  x: A\n): B<A>\nexport function f(x: any) { return x }\n",
    ),
    ("ts_import_type_name.ts", "import { type, isType } from \"x\";\n"),
    ("ts_in_prop.ts", "interface A {\n  in?: string\n  in2?: number | undefined\n}\n"),
    ("ts_in_prop3.ts", "interface A {\n  in2?: string\n  x: import(\"y\").Z\n  in?: number\n}\n"),
    ("ts_inout_multiline.ts", "interface A<\n  in out B extends C,\n> {}\n"),
    ("ts_mapped_arr.ts", "type A = { [K in keyof readonly any[]]?: boolean };\n"),
    ("ts_mapped_space_opt.ts", "type A<T> = { [K in keyof T]? : boolean };\n"),
    ("ts_ns_kw.ts", "namespace A { const default_: number; }\n"),
    ("ts_obj_param_opt.ts", "declare const f: ({ a }?: { a: number }) => void;\n"),
    ("ts_obj_param_type.d.ts", "export type R = ({\n  a, b\n}: X) => number;\n"),
    ("ts_using_ident.js", "let using = \"\";\nusing += (using ? \",\" : \"using \") + \"x\";\n"),
    ("tsx_amp_attr.tsx", "export const A = () => <a href=\"https://x.org/?a=1&b=2\">x</a>;\n"),
    ("tsx_amp_text.tsx", "export const A = () => <p>Runtime & Build</p>;\n"),
    (
        "tsx_generic_targ.tsx",
        "const f = useCallback<<K extends T>(data: K) => Promise<void>>(g);\n",
    ),
    (
        "app_de.ts",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!DOCTYPE TS>\n<TS version=\"2.1\" language=\"de_DE\">\n<context>\n    <name>Main</name>\n    <message>\n        <source>Open file</source>\n        <translation>Datei</translation>\n    </message>\n</context>\n</TS>\n",
    ),
    (
        "go_new_composite.go",
        "package a\nfunc f() any { return new(T{a: 1}) }\nfunc g() *string { return new(\"a\") }\nfunc h(a, b int) *int { return new(a + b) }\nfunc i() *[]int { return new([]int) }\nfunc j() *T { return new(T) }\n",
    ),
    ("java_compact.java", "void main() { IO.println(\"a\"); }\nString a = \"b\";\n"),
    ("java_flex_this.java", "class B { B(int y) { check(y); this.z = y; this(y, 1); } }\n"),
    (
        "ts_satisfies.ts",
        "const a = { b: 1 } as const satisfies C;\nenum D { E = 1 }\nabstract class F<const T> { accessor g = 1; declare h: string; }\n",
    ),
    ("js_scripts.js", "with (a) { b = 010; }\ndelete c;\n"),
    (
        "js_modules.js",
        "import a from 'b' with { type: 'json' };\nconst c = await a;\nexport * as d from 'e';\n",
    ),
    (
        "py_new.py",
        "match a:\n    case {'b': [c, *d], **e} if c: pass\nwith (open(f) as g, h): pass\nx = f'{a!r:{w}}' f\"{'\"'}\"\ntype T[*A, **B] = C\ntry: pass\nexcept* D: pass\n",
    ),
    ("tabs.py", "if a:\n\tb\n\tif c:\n\t\td\n"),
    (
        "a.php",
        "<?php\nenum A: string { case B = 'c'; }\nfinal readonly class D { public function __construct(private(set) int $e = 1) {} }\n$f = g(...);\n?>\n<p><?= $f ?></p>\n",
    ),
    (
        "a.cs",
        "namespace A;\nrecord B(int C) { public int D { get; init; } = 1; }\nclass E(int f) { string G => $\"{f:N0} {(f > 1 ? \"a\" : \"b\")}\"; }\n",
    ),
    ("a.rb", "def a(b:, **c) = b\ncase d\nin {e: [f, *]} then g\nend\nh = <<~I\n  text #{j}\nI\n"),
    (
        "a.kt",
        "data class A<out T>(val b: T) { fun c() = \"$b ${b.toString()}\" }\nfun interface D { fun e(): Int }\n",
    ),
    (
        "a.swift",
        "struct A<T>: B where T: C { var d: Int { get async throws { 1 } } }\nfunc e() async throws -> some F { try await g() }\n",
    ),
    (
        "a.sh",
        "#!/bin/bash\nset -euo pipefail\nfor a in \"${b[@]:1}\"; do [[ $a =~ ^c ]] && echo \"${a%%.*}\" || true; done\ncat <<'E' | tr a b\nx ( y\nE\ncase $1 in a|b) c;; *) d;; esac\n",
    ),
    (
        "a.tf",
        "resource \"a\" \"b\" {\n  c = [for d in var.e : \"${d.f}-x\" if d != null]\n  dynamic \"g\" {\n    for_each = h\n    content {}\n  }\n  i = <<-EOT\n    x\n  EOT\n}\n",
    ),
    (
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nARG A=1\nFROM b:${A} AS c\nRUN --mount=type=cache,target=/d \\\n  e && \\\n  f\nCOPY --from=c --chmod=755 g h\nRUN <<EOF\ni\nEOF\nCMD [\"j\"]\n",
    ),
    (
        "a.sql",
        "CREATE TABLE a (b SERIAL PRIMARY KEY, c JSONB NOT NULL DEFAULT '{}');\nWITH d AS (SELECT 1) INSERT INTO a SELECT * FROM d ON CONFLICT (b) DO NOTHING RETURNING b;\n",
    ),
    (
        "a.html",
        "<!doctype html>\n<p>a<br>b\n<ul><li>c<li>d</ul>\n<script>if (a < b && c) {}</script>\n",
    ),
    (
        "ie.css",
        "a { filter: progid:DX.Matrix(M11=0.7, M21=-0.7); *zoom: 1; width: 5px\\9; }\nb { filter: alpha(opacity=50); }\n",
    ),
    (
        "arrow.kt",
        "fun a() {\n    b?.let { c\n        ->\n        d(c)\n    }\n    val e = f.g\n    (e as H.I).j =\n        if (k) null else l()\n}\n",
    ),
    (
        "width.css",
        "@media (width >= 40rem) { a { b: c; } }\n@container d (max-width: 9px) { e { f: g; } }\n",
    ),
    (
        "async.cs",
        "class A { Task B(bool async, int c) => D(async, e: async); bool F = async; void G() { H?[1] = 2; I.J([k, ..l]); } }\n",
    ),
    (
        "unit.swift",
        "class A {\n    @_lifetime(borrow self)\n    func b(_ c: __owned some D) -> E { return .success(()) }\n    func f() { let g = h { _ in () }; i(()) }\n}\n",
    ),
    ("op.c", "#define OP(f, o) int f(int a, int b) { return a o b; }\nOP(g, |=)\nOP(h, ==)\n"),
    (
        "branches.c",
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\nA_EXPORT int a(void);\n#ifdef __cplusplus\n} // extern \"C\"\n#endif\nstatic int b(int c) {\n#ifdef D\n  if (c) {\n#else\n  if (!c) {\n#endif\n    return 1;\n  }\n  list_for_each(c, d, e) {\n    f(c);\n  }\n  return 0;\n}\n",
    ),
    (
        "address.css",
        "a { b: url(../c/d.svg#e) no-repeat; }\n.f\\:g { h: i; }\n@keyframes j { 6.5% { k: l; } }\n",
    ),
    (
        "middle.Dockerfile",
        "FROM a\nRUN cat <<-EOF > $HOME/.b && chmod 600 $HOME/.b\n[client]\nssl=OFF\nEOF\nRUN c\n",
    ),
    (
        "macros.c",
        "STATIC_ASSERT(sizeof(a) == sizeof(b),\n              a_is_b)\nMODULE_BEGIN\nA_EXPORT int c(const TYPE_NAME *d, UNUSED int e);\nstatic EX_CLASS f =\n    EX_INIT;\nDEFINE_FN(g, h) {\n  return 1;\n}\n",
    ),
    (
        "script.rs",
        "#!/usr/bin/env -S cargo -Zscript\n---cargo\n[dependencies]\na = \"1\"\n---\nfn main() {}\n",
    ),
    ("new.go", "package a\n\nfunc f() *int { return new(g(1)) }\n\nfunc h() {}\n"),
    ("renovate.json", "{\n  // why\n  \"a\": [1,],\n}\n"),
    ("twice.d.ts", "declare let a: number;\ndeclare let a: string;\n"),
    ("a.css", "@layer a { .b:has(> c) { d: calc(1px + var(--e)); &:hover { f: g } } }\n"),
    ("a.xml", "<?xml version=\"1.0\"?>\n<a xmlns:b=\"c\"><b:d e='1'/>&amp;<![CDATA[<]]></a>\n"),
    (
        "a.c",
        "#include <a.h>\n#define B(c) do { d(c); } while (0)\nstatic int e(const char *restrict f, size_t g) { return (int){0} ? _Generic(g, int: 1, default: 2) : f[g]; }\n",
    ),
    (
        "a.cpp",
        "template <typename T> requires C<T> auto f(T&& t) -> decltype(auto) { return [&]<class U>(U u) { co_return u; }; }\n",
    ),
];

/// With the line of the first fault.
const INVALID: &[(&str, &str, u32)] = &[
    ("go_import_late.go", "package a\nfunc f() {}\nimport \"x\"\n", 3),
    ("java_missing_semi.java", "class A { int x = 1 int y; }\n", 1),
    ("js_await_in_fn.js", "function f() { await x(); }\n", 1),
    ("js_bad_assign.js", "1 = x;\n", 1),
    ("js_dup_let.js", "let a = 1; let a = 2;\n", 1),
    ("js_merge.js", "let x = 1;\n<<<<<<< HEAD\nlet y = 2;\n=======\nlet y = 3;\n>>>>>>> b\n", 2),
    ("json_trailing.json", "{\"a\":1,}\n", 1),
    ("py_bad_dedent.py", "def f():\n        x = 1\n    return x\n", 3),
    ("py_bad_escape.py", "x = \"\\N{not a name}\"\n", 1),
    ("py_bad_indent.py", "def f():\n    x = 1\n      y = 2\n    return x\n", 3),
    ("py_break_outside.py", "break\n", 1),
    ("py_dup_kwarg.py", "f(a=1, a=2)\n", 1),
    ("py_leading_zero.py", "x = 0777\n", 1),
    ("py_merge.py", "x = 1\n<<<<<<< HEAD\ny = 2\n=======\ny = 3\n>>>>>>> b\n", 2),
    ("py_pos_after_kw.py", "f(a=1, 2)\n", 1),
    ("py_print2.py", "x = 1\nprint \"hello\"\n", 2),
    ("py_return_assign.py", "f() = 3\n", 1),
    ("py_return_outside.py", "return 1\n", 1),
    ("py_top_indent.py", "import os\n sys = 1\n", 2),
    ("py_unterminated_fstr.py", "x = f\"{a\"\n", 1),
    ("yml_tab_indent.yml", "a:\n\t- b\n", 2),
    ("py_no_body.py", "def f():\nx = 1\n", 2),
    ("py_tabs_mixed.py", "if a:\n        b = 1\n\tc = 2\n", 3),
    ("py_missing_colon.py", "x = 1\nif x\n    y = 2\n", 2),
    ("py_else_alone.py", "x = 1\nelse:\n    y = 2\n", 2),
    ("py_keyword.py", "x = 1\ndef class():\n    pass\n", 2),
    ("py_continue.py", "x = 1\ncontinue\n", 2),
    ("py_yield.py", "x = 1\nyield x\n", 2),
    ("py_assign_call.py", "x = 1\nx + 1 = 2\n", 2),
    ("py_star.py", "x = 1\nprint(*)\n", 2),
    ("js_dup_const.js", "const a = 1;\nconst a = 2;\n", 2),
    ("js_break.js", "a();\nbreak;\n", 2),
    ("js_new_target.js", "a();\nfunction* b() { yield = 1 }\n", 2),
    ("js_unclosed.js", "const a = `b ${c`;\n", 1),
    ("ts_missing.ts", "interface A {\n  b: ;\n}\n", 2),
    ("ts_enum.ts", "const a = 1;\nenum { A }\n", 2),
    ("java_stmt_top.java", "void a() {}\nb = 1;\n", 2),
    ("java_unclosed.java", "class A {\n  void b() { c(\"d; }\n}\n", 2),
    ("go_stmt_top.go", "package a\nx := 1\n", 2),
    ("go_no_package.go", "func f() {}\n", 1),
    ("a.php", "<?php\n$a = 1\n$b = 2;\n", 3),
    ("a.cs", "class A {\n  int B() { return 1 }\n}\n", 2),
    ("a.kt", "fun a() {\n  b(1, 2\n}\n", 2),
    ("a.swift", "func a() {\n  let b = [1, 2\n}\n", 2),
    ("a.c", "int a(void) {\n  return b[1;\n}\n", 2),
    ("a.sh", "#!/bin/sh\nif true; then\n  echo a\n", 3),
    ("a.tf", "resource \"a\" \"b\" {\n  c = \n}\n", 2),
    ("Dockerfile", "FROM a\nRNU b\n", 2),
    ("a.xml", "<a>\n  <b></c>\n</a>\n", 2),
    ("a.css", "a { b: c; }\nd { e: \"f; }\ng {\n", 2),
    ("slip.go", "package a\n\nfucn b() {\n\tc()\n}\n", 3),
    ("slip.cs", "namespace A;\npublic calss B {\n  int C() { return 1; }\n}\n", 2),
    ("slip.rb", "module A\n  def a\n    1\n  end\n\n  dfe b(c)\n    d\n  end\nend\n", 6),
    ("cut.rb", "module A\n  def b(c\n    d\n  end\nend\n", 2),
    ("twice.cs", "class A {\n  void B() {\n    int c = = 1;\n  }\n}\n", 3),
    ("merge.swift", "let a = 1\n<<<<<<< HEAD\nlet b = 2\n=======\nlet b = 3\n>>>>>>> c\n", 2),
    ("more.rb", "class A\n  def b\n    1\n  end\n  end\nend\n", 6),
    ("lost.rb", "class A\n  def b(c)\n    d c)\n  end\nend\n", 3),
    ("lost.c", "int a(int b) {\n  int c = b + 1\n  return c;\n}\n", 2),
    // Namespaces are not indented; what is in them is.
    ("flat.cpp", "namespace a {\n\nint b() {\n  if (c) {\n    d();\n\n  return 1;\n}\n\n}\n", 7),
    ("slip.Dockerfile", "FORM a\nRUN b\n", 1),
    // The indentation says which block lost its end, or where one is too many.
    ("lost.cs", "class A {\n  void B() {\n    c();\n\n  void D() {\n    e();\n  }\n}\n", 5),
    (
        "more.kt",
        "class A {\n    fun b() {\n        if (c) {\n            d()\n        }\n        }\n    }\n\n    fun e() {}\n}\n",
        6,
    ),
    ("a.json", "{\"a\": 1\n\"b\": 2}\n", 2),
    ("a.toml", "a = 1\nb = [1, 2\n", 2),
];

const UNSURE: &[(&str, &str)] = &[
    ("java_velocity.java", "package ${package};\nclass A {}\n"),
    ("js_return_top.js", "return 1;\n"),
    ("flow.js", "// @flow\ntype A = {| b: number |};\nfunction c(d: ?A): void {}\n"),
    ("jinja.yaml", "a: {{ b }}\nc:\n{% for d in e %}\n  - {{ d }}\n{% endfor %}\n"),
    ("jinja.py", "import {{ package }}\n\n\ndef {{ name }}():\n    pass\n"),
    ("erb.js", "var a = <%= b %>;\n<% if c %>\nd();\n<% end %>\n"),
    (
        "stubs/a.stub",
        "<?php\n\nuse {{ b }};\nuse {{ c }}Http\\D;\nclass {{ e }} { function f({{ g }} ${{ h }}) {} }\n",
    ),
    ("Test Data/a.json", "{\"a\": \n"),
    ("data/malformed/a.json", "[1,,\n"),
    ("a/test-fixtures/b.json", "{\"a\" 1}\n"),
    ("lines.jsonl", "{\n  \"a\": 1\n}\n{ \"b\": 2 }\n"),
    (
        "zsh.sh",
        "zmodload zsh/datetime\n[[ -n \"$A\" ]] || export A=\"${${(%):-%x}:a:h}\"\nfor b (c d) print $b\n",
    ),
    (
        "blocks.ts",
        "<% if (a) { %>import { b } from 'c';\n<% } else { %>import d from '<%= e %>;\n<% } %>\n",
    ),
    ("part.kt", "fun a() {\n    val b = c as D\n        ?? e\n}\n"),
    ("zope.py", "## Script (Python) \"a\"\n##parameters=b\n##\nreturn b\n"),
    ("ends.sh", "#!/bin/sh\necho a\nexit 0\n\nnotes (not code\nfi\n"),
    ("a.xml", "<?xml version=\"1.0\"?>\n<!ELEMENT a (b*)>\n<!ATTLIST a c CDATA #IMPLIED>\n"),
    ("jscript.js", "a.b(\"c\") = d;\n"),
    ("part.yml", "a:\n  <<: *of_another_file\n"),
    ("tests/ui/a.rs", "fn a( {}\n"),
    ("texts.c", "const char a[] = TEXT(\"\"\"\nclass B:\n    'c'\n\"\"\");\n"),
    ("pattern.swift", "let a = Regex {\n    /^]: (\\d+)$/\n}\n"),
    ("vendor/a/b.js", "let let = = 1;\n"),
    ("old.py", "#!/usr/bin/python2\nprint 'a'\n"),
    ("dialect.sql", "MAKE TABLE a WITH b LIKE c;\n"),
    ("zsh.zsh", "for a (b c) print $a\n"),
    ("part.html", "<div><span></div>\n"),
    (
        "chart/templates/a.yaml",
        "a:\n  {{- toYaml .Values.b | nindent 2 }}\n{{- if .c }}\nd: {{ .e }}\n{{- end }}\n",
    ),
];

#[test]
fn what_is_valid_parses() {
    let wrong: Vec<_> = VALID
        .iter()
        .map(|(path, text)| (path, check(path, text.as_bytes())))
        .filter(|(_, verdict)| *verdict != Verdict::Parsed)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_not_valid_is_refused_in_its_line() {
    let wrong: Vec<_> = INVALID
        .iter()
        .map(|(path, text, line)| (path, line, check(path, text.as_bytes())))
        .filter(|(_, line, verdict)| {
            !matches!(verdict, Verdict::Broken(faults) if faults.first().is_some_and(|f| f.line == **line))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_nobody_can_say_is_unsure() {
    let wrong: Vec<_> = UNSURE
        .iter()
        .map(|(path, text)| (path, check(path, text.as_bytes())))
        .filter(|(_, verdict)| !matches!(verdict, Verdict::Unsure(..)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
