//! What each tool writes, and what is made of it.

use super::*;
use proptest::prelude::*;

fn scan(text: &str) -> Summary {
    let mut scanner = Scanner::default();
    text.lines().for_each(|line| scanner.line(line));
    scanner.finish()
}

fn counts(text: &str) -> (u64, u64, u64) {
    let summary = scan(text);
    assert!(summary.seen, "nothing seen in {text:?}");
    (summary.passed, summary.failed, summary.skipped)
}

#[test]
fn what_fails_as_expected_has_not_passed() {
    for (text, expected) in [
        ("== 1 failed, 2 passed, 3 xfailed, 1 xpassed in 0.12s ==", [3, 1, 0, 3]),
        ("Ran 5 tests in 0.001s\n\nOK (skipped=1, expected failures=2)", [2, 0, 1, 2]),
        ("Ran 2 tests in 0.001s\n\nFAILED (unexpected successes=1)", [1, 1, 0, 0]),
        ("  2 tests passed\n  1 known failure", [2, 0, 0, 1]),
    ] {
        let sum = scan(text);
        assert_eq!([sum.passed, sum.failed, sum.skipped, sum.expected], expected, "{text}");
    }
}

#[test]
fn the_table_of_files_of_node_tap_is_read_once() {
    let old = "ok test/align.js ............................ 2/2\n\
               not ok test/table.js ........................ 1/3\n    Command: \"node\" \"table.js\"\n    \
               ok 1 should be equal\n    not ok 2 should be equal\n\
               total ....................................... 3/5\n\nnot ok\n";
    let sum = scan(old);
    assert_eq!((sum.passed, sum.failed), (3, 2));
    let [failure] = &sum.failures[..] else { panic!("{:?}", sum.failures) };
    assert_eq!(failure.name, "test/table.js");
    assert!(failure.detail.contains("not ok 2 should be equal"), "{failure:?}");
    let new = "test/a.js ............................ 12/12\ntotal ................................ 12/12\n\n  \
               12 passing (241ms)\n\n  ok\n";
    assert_eq!(counts(new), (12, 0, 0));
    for text in ["see page ... 3/4", "total 3/4", "total ......... 3/x"] {
        let sum = scan(text);
        assert!(!sum.seen && sum.failures.is_empty(), "{text}");
    }
}

#[test]
fn a_file_of_tests_that_ends_before_its_first_test_says_why() {
    let crash = "TAP version 13\n# node:internal/modules:1210\n#   throw err;\n# Error: Cannot find module \
                 '../utilz'\n# Require stack:\n# Node.js v20.20.2\n# Subtest: test/a.test.js\n\
                 not ok 1 - test/a.test.js\n  ---\n  duration_ms: 755.9\n  error: 'test failed'\n  ...\n";
    let [failure] = &scan(crash).failures[..] else { panic!("one failure") };
    assert!(failure.detail.starts_with("Error: Cannot find module '../utilz'\n"), "{failure:?}");
    // What a test prints is not why it failed.
    let printed = "TAP version 13\n# TypeError: as it should\nnot ok 1 - adds\n  ---\n  error: 'boom'\n  ...\n\
                   # Error: of before\nok 2 - b\nnot ok 3 - c.test.js\n  ---\n  error: 'test failed'\n  ...\n1..3\n";
    for failure in scan(printed).failures {
        assert!(failure.detail.trim_start().starts_with("---"), "{failure:?}");
    }
}

#[test]
fn the_document_of_mocha_is_read_and_so_are_the_failures_below_the_dots_of_node() {
    let document = r#"{
  "stats": {
    "suites": 1,
    "tests": 4,
    "passes": 2,
    "pending": 1,
    "failures": 1,
    "duration": 6
  },
  "tests": [
    {
      "title": "adds",
      "fullTitle": "math adds",
      "err": {}
    }
  ],
  "pending": [],
  "failures": [
    {
      "title": "divides",
      "fullTitle": "math \"divides\"",
      "file": "/src/a.js",
      "err": {
        "message": "2 == 3\n\nat all",
        "stack": "AssertionError"
      }
    }
  ],
  "passes": [
    {
      "fullTitle": "math adds"
    }
  ]
}
after 3 passing"#;
    let sum = scan(document);
    assert_eq!((sum.passed, sum.failed, sum.skipped), (2, 1, 1));
    let [failure] = &sum.failures[..] else { panic!("{:?}", sum.failures) };
    assert_eq!(failure.name, "math \"divides\"");
    assert!(failure.detail.starts_with("2 == 3"), "{failure:?}");
    // Cut off in its numbers, it says nothing.
    assert!(!scan("{\n  \"stats\": {\n    \"passes\": 2,").seen);

    let dots = "....X.X\n\nFailed tests:\n\n✖ bad (1.046227ms)\n  AssertionError [ERR]: 1 == 2\n\
                ✖ todo (0.1615ms) # TODO\n  AssertionError [ERR]: 3 == 4";
    let sum = scan(dots);
    assert!(!sum.seen, "dots do not tell what was skipped");
    let [failure] = &sum.failures[..] else { panic!("{:?}", sum.failures) };
    assert_eq!(
        (failure.name.as_str(), failure.detail.trim()),
        ("bad", "AssertionError [ERR]: 1 == 2")
    );
}

#[test]
fn summaries_of_every_tool_are_understood() {
    for (text, expected) in [
        (
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            (3, 0, 1),
        ),
        (
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured\ntest result: ok. 1 passed; 0 failed; 0 ignored",
            (3, 1, 0),
        ),
        (
            "     Summary [   0.021s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped",
            (11, 1, 2),
        ),
        ("===== 1 failed, 2 passed, 3 skipped, 1 warning in 0.12s =====", (2, 1, 3)),
        ("2 passed, 1 error in 61.20s (0:01:01)", (2, 1, 0)),
        ("no tests ran in 0.01s", (0, 0, 0)),
        ("Ran 3 tests in 0.001s\n\nFAILED (failures=1, errors=1)", (1, 2, 0)),
        ("Ran 2 tests in 0.001s\n\nOK (skipped=1)", (1, 0, 1)),
        ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", (0, 0, 0)),
        (
            "ℹ tests 4\nℹ suites 1\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0\nℹ duration_ms 5.2",
            (2, 1, 1),
        ),
        ("# tests 3\n# pass  2\n# fail  1", (2, 1, 0)),
        ("Tests:       1 failed, 2 skipped, 3 passed, 6 total", (3, 1, 2)),
        ("      Tests  1 failed | 3 passed (4)", (3, 1, 0)),
        ("  3 passing (5ms)\n  1 pending\n  2 failing", (3, 2, 1)),
        (
            "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- PASS: TestB/x (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)",
            (1, 1, 1),
        ),
        (
            "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s - in A\n[ERROR] Tests run: 5, Failures: 1, Errors: 1, Skipped: 1",
            (2, 2, 1),
        ),
        // TAP without totals: what was planned and never told did not pass, what is to do does not fail.
        (
            "TAP version 13\n1..4\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP later\nnot ok 4 - d # TODO x",
            (2, 1, 1),
        ),
        ("1..3\nok 1\nok 2 - b", (2, 1, 0)),
        ("1..2\nok 1 - a\n    1..1\n    not ok 1 - inner\nnot ok 2 - b", (1, 1, 0)),
        ("1..2\n    ok 1 - x\n    ok 2 - y\nnot ok 1 - a\nok 2 - b", (3, 1, 0)),
        (
            "TAP version 13\n1..1\nnot ok 1 - a.test.mjs # time=9ms {\n    1..3\n    ok 1 - a # time=1ms\n    not ok 2 - g {\n        1..1\n        not ok 1 - b\n    }\n    not ok 3 - d\n    ok 4 - c # SKIP\n}",
            (1, 2, 1),
        ),
        ("1..2\nok 1\nok 2\nBail out! no database", (2, 1, 0)),
        ("TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n# tests 2\n# pass 1\n# fail 1", (1, 1, 0)),
        (
            "  - [skip] later\n  ✘ [fail]: adds\n  ✔ subs\n\n  1 test failed\n  1 test skipped",
            (1, 1, 1),
        ),
        // mocha leaves what was skipped out of its totals.
        ("1..3\nok 1 a\nok 2 b # SKIP -\nnot ok 3 c\n# tests 2\n# pass 1\n# fail 1", (1, 1, 1)),
        ("  1 test failed\n  2 tests passed\n  1 test skipped", (2, 1, 1)),
        ("ok | 3 passed | 0 failed | 1 ignored (12ms)", (3, 0, 1)),
        (" 3 pass\n 1 fail\nRan 4 tests across 1 file.", (3, 1, 0)),
        (
            "1/4 Test #1: a ...   Passed 0.0 sec\n2/4 Test #2: b ...***Failed 0.0 sec\n3/4 Test #3: c ...***Skipped 0.0 sec\n\
             4/4 Test #4: d ... Passed 0.0 sec\n\n75% tests passed, 1 tests failed out of 4",
            (2, 1, 1),
        ),
        (
            "[ RUN      ] A.a\n[       OK ] A.a (0 ms)\n[ RUN      ] A.b\na.cc:7: Failure\n[  FAILED  ] A.b (0 ms)\n\
             [==========] 3 tests from 1 test suite ran. (0 ms total)\n[  PASSED  ] 1 test.\n\
             [  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] A.c\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.b\n\n 1 FAILED TEST",
            (1, 1, 1),
        ),
        (
            "Executed 2 tests, with 1 failure (0 unexpected) in 0.1 seconds\n\t Executed 5 tests, with 1 failure (0 unexpected) in 0.2 seconds",
            (4, 1, 0),
        ),
        (
            "Failed!  - Failed:     1, Passed:     4, Skipped:     2, Total:     7, Duration: 12 ms - t.dll (net8.0)",
            (4, 1, 2),
        ),
        ("Test summary: total: 5, failed: 1, succeeded: 3, skipped: 1, duration: 1.2s", (3, 1, 1)),
        ("Total tests: 5\n     Passed: 4\n     Failed: 1\n Total time: 1 s", (4, 1, 0)),
        ("3 runs, 4 assertions, 1 failures, 0 errors, 1 skips", (1, 1, 1)),
        ("5 examples, 1 failure, 1 pending", (3, 1, 1)),
        ("2 doctests, 3 tests, 1 failure, 1 excluded", (3, 1, 1)),
        ("OK (3 tests, 4 assertions)", (3, 0, 0)),
        ("Tests: 5, Assertions: 4, Errors: 1, Failures: 1, Skipped: 1.", (2, 2, 1)),
        ("  Tests:    1 failed, 2 skipped, 3 passed (7 assertions)", (3, 1, 2)),
        ("3 tests completed, 1 failed, 1 skipped", (1, 1, 1)),
        (
            "{\"Action\":\"run\",\"Package\":\"p\",\"Test\":\"TestA\"}\n{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"TestA\"}\n\
             {\"Action\":\"output\",\"Package\":\"p\",\"Test\":\"TestB\",\"Output\":\"    b_test.go:9: wrong\\n\"}\n\
             {\"Action\":\"fail\",\"Package\":\"p\",\"Test\":\"TestB/x\"}\n{\"Action\":\"fail\",\"Package\":\"p\",\"Test\":\"TestB\"}\n\
             {\"Action\":\"skip\",\"Package\":\"p\",\"Test\":\"TestC\"}\n{\"Action\":\"fail\",\"Package\":\"p\"}",
            (1, 1, 1),
        ),
    ] {
        assert_eq!(counts(text), expected, "{text}");
    }
}

#[test]
fn failing_tests_are_named_with_what_was_said_about_them() {
    let cargo = scan(
        "test a::fails ... FAILED\ntest a::works ... ok\n\nfailures:\n\n---- a::fails stdout ----\n\
         thread 'a::fails' panicked at src/lib.rs:7:9:\nboom\n\n\nfailures:\n    a::fails\n",
    );
    assert_eq!(cargo.failures.len(), 1);
    assert_eq!(cargo.failures[0].name, "a::fails");
    assert_eq!(cargo.failures[0].detail, "thread 'a::fails' panicked at src/lib.rs:7:9:\nboom");

    let pytest = scan("FAILED tests/test_a.py::test_x[1] - assert 1 == 2\n1 failed in 0.1s");
    assert_eq!(pytest.failures[0].name, "tests/test_a.py::test_x[1]");
    assert_eq!(pytest.failures[0].detail, "assert 1 == 2");

    let node = scan(
        "✖ outer (1ms)\nℹ fail 1\n✖ failing tests:\n\ntest at a.js:3:1\n✖ adds (0.5ms)\n  AssertionError: no\n",
    );
    assert_eq!(node.failures.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["adds"]);
    assert_eq!(node.failures[0].detail, "  AssertionError: no");

    for (text, name, place) in [
        ("not ok 2 - two\n  ---\n  at: \"t.js:3\"\n  ...\nok 3 - three", "two", "t.js:3"),
        (
            "  2 failing\n\n  1) suite\n       does x:\n     AssertionError: no\n      at Context.<anonymous> (a.js:3:5)\n",
            "suite › does x",
            "a.js:3:5",
        ),
        (
            "  ● adds\n\n    expect(received).toBe(expected)\n      at Object.<anonymous> (a.test.js:3:5)\nTests: 1 failed, 1 total",
            "adds",
            "a.test.js:3:5",
        ),
        (
            " FAIL  a.test.js > math > adds\nAssertionError: no\n ❯ a.test.js:3:5\n",
            "a.test.js > math > adds",
            "a.test.js:3:5",
        ),
        ("  ✘ [fail]: adds\n\n  test.js:4\n\n  1 test failed", "adds", "test.js:4"),
        (
            "The following tests FAILED:\n\t  2 - b (Timeout)\nErrors while running CTest",
            "b",
            "Timeout",
        ),
        (
            "ATest > b() FAILED\n    java.lang.AssertionError at ATest.java:7\n\n3 tests completed, 1 failed",
            "ATest > b()",
            "ATest.java:7",
        ),
    ] {
        let failures = scan(text).failures;
        assert_eq!((failures.len(), failures[0].name.as_str()), (1, name), "{text}");
        assert!(failures[0].detail.contains(place), "{:?}", failures[0]);
    }
    // nextest shows what a test program printed, its sums among it.
    let nextest = [
        "  TRY 1 FAIL [   0.017s] (───) x t::bad",
        "  stdout ───",
        "    test t::bad ... FAILED",
        "    test result: FAILED. 0 passed; 1 failed; 0 ignored",
        "  stderr ───",
        "    thread 't::bad' (129) panicked at src/lib.rs:1:186:",
        "    assertion failed: x",
        "  TRY 1 FAIL [   0.040s] (───) x t::flaky",
        "  stderr ───",
        "    first time",
        "  TRY 2 PASS [   0.040s] (2/3) x t::flaky",
        "     Summary [   0.043s] 3 tests run: 2 passed (1 flaky), 1 failed, 0 skipped",
        "  TRY 2 FAIL [   0.006s] (1/3) x t::bad",
        "error: test run failed",
    ];
    let nextest = scan(&nextest.join("\n"));
    assert_eq!((nextest.passed, nextest.failed, nextest.flaky), (2, 1, 1));
    assert_eq!((nextest.failures.len(), nextest.failures[0].name.as_str()), (1, "x t::bad"));
    assert!(
        nextest.failures[0]
            .detail
            .starts_with("thread 't::bad' (129) panicked at src/lib.rs:1:186:"),
        "{:?}",
        nextest.failures
    );

    let flaky = scan(
        "     Summary [   0.010s] 5 tests run: 4 passed (1 slow, 2 flaky), 1 failed, 3 skipped",
    );
    assert_eq!((flaky.passed, flaky.failed, flaky.skipped, flaky.flaky), (4, 1, 3, 2));

    let go = scan("--- FAIL: TestB (0.00s)\n    b_test.go:9: wrong\nFAIL\n");
    assert_eq!(go.failures[0].name, "TestB");
    assert!(!go.seen, "without -v nothing is known about the tests that passed");
}

#[test]
fn ordinary_lines_are_no_summaries() {
    for text in [
        "3 files in 2s directories",
        "done in 3s",
        "Ran 3 tests",
        "OK",
        "FAILED to open",
        "# Heading 1",
        "5 passing cars",
        "ok then",
        "ok computer 3",
        "okay",
        "1..",
        "not ok, really",
        "3 tests, please",
        "2 pass",
        "Tests: 1 of 3",
        "[  INFO  ] 3 tests",
        "Tests: none",
    ] {
        let summary = scan(text);
        assert!(!summary.seen && summary.failures.is_empty(), "{text}");
    }
}

#[test]
fn endless_failures_are_bounded() {
    let text: String = (0..1_000).map(|n| format!("test t{n} ... FAILED\n")).collect();
    assert_eq!(scan(&text).failures.len(), MAX_FAILURES);
}

proptest! {
    #[test]
    fn no_line_is_too_odd(lines in proptest::collection::vec("(test result: |Ran |FAILED |--- |ℹ |# |Tests run: |✖ |not ok )?\\PC{0,40}", 0..20)) {
        scan(&lines.join("\n"));
    }
}
