//! Reports of every dialect, damaged and hostile ones among them.

use super::*;
use proptest::prelude::*;

/// Largest report of these tests.
const LIMIT: u64 = 64 << 20;

fn read(report: &str) -> Result<Counts, Unread> {
    super::read(report.as_bytes(), LIMIT)
}

fn numbers(report: &str) -> [u64; 4] {
    let counts = read(report).expect("it is read");
    [counts.total, counts.failed, counts.skipped, counts.flaky]
}

fn reason(report: &str) -> String {
    match read(report) {
        Err(Unread::Broken(reason) | Unread::Foreign(reason)) => reason,
        Ok(counts) => panic!("it was read: {counts:?}"),
    }
}

#[test]
fn a_bare_suite_with_odd_numbers_is_read() {
    let counts = read(
        "\u{feff}<?xml version=\"1.0\"?>\n<testsuite name='a > b' time=\"1,234.01\" tests='3' line='-1'>\
         <testcase name='ok' classname='A' time='0,5'/>\
         <testcase name='bad' classname='A' file='tests/a.py' line='7'><failure message='1 &lt; 2'>1 &lt; 2 at a.py</failure></testcase>\
         <testcase name='later'><skipped/></testcase><testcase name='broken'><error message='x'/></testcase></testsuite>",
    )
    .expect("it is read");
    assert_eq!((counts.total, counts.failed, counts.skipped), (4, 2, 1));
    assert_eq!(counts.failures[0].name, "A::bad");
    assert_eq!(counts.failures[0].detail, "1 < 2 at a.py");
    assert_eq!(
        (counts.failures[0].file.as_deref(), counts.failures[0].line),
        (Some("tests/a.py"), Some(7))
    );
}

#[test]
fn nested_suites_and_totals_without_cases_are_counted() {
    let counts = read(
        "<testsuites><testsuite name='o'><testsuite name='i'><testcase name='a'/></testsuite></testsuite>\
         <testsuite name='t' tests='5' failures='1' errors='1' skipped='2'/></testsuites>",
    )
    .expect("it is read");
    assert_eq!((counts.total, counts.failed, counts.skipped), (6, 2, 2));
}

#[test]
fn what_is_hidden_in_comments_does_not_make_depth_smaller() {
    let bomb = "<testsuite><!-- </testsuite> --><![CDATA[</testsuite>]]>".repeat(100_000);
    assert!(reason(&bomb).contains("inside each other"));
    assert!(read(&"<testsuite>".repeat(1_000_000)).is_err());
}

#[test]
fn damaged_reports_are_refused_with_a_reason() {
    for report in ["", "no xml", "<testsuite><testcase name='a'>", "<testsuite name='a"] {
        assert!(!reason(report).is_empty(), "{report}");
    }
}

proptest! {
    #[test]
    fn nothing_written_into_a_report_breaks_the_reader(text in "(<testsuite|<testcase|time=|'|\"|>|/>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|&lt;|\\PC){0,60}") {
        let _outcome = read(&text);
    }
}

#[test]
fn a_test_that_was_tried_several_times_is_one_test() {
    // Surefire: the attempts stand in the test. The suite's own numbers count attempts.
    let flaky = "<testsuite tests='3' failures='2'><testcase name='a' classname='A'>\
        <flakyFailure message='x'><stackTrace>at A</stackTrace></flakyFailure></testcase></testsuite>";
    assert_eq!(numbers(flaky), [1, 0, 0, 1]);
    assert_eq!(read(flaky).expect("it is read").unsteady, ["A::a"]);
    let failed = "<testsuite tests='9' failures='9'><testcase name='a'><failure>1</failure>\
        <rerunFailure>2</rerunFailure><failure>3</failure></testcase></testsuite>";
    assert_eq!(numbers(failed), [1, 1, 0, 0]);
    // Gradle: each attempt is a test case.
    let case = |name: &str, failed: bool| match failed {
        true => format!("<testcase name='{name}' classname='A'><failure message='no'/></testcase>"),
        false => format!("<testcase name='{name}' classname='A'/>"),
    };
    for (tries, expected) in [
        (&[true, false][..], [1, 0, 0, 1]),
        (&[true, true, false], [1, 0, 0, 1]),
        (&[true, true, true], [1, 1, 0, 0]),
        // Two tests of one name: nothing says that the second is another try.
        (&[false, false], [2, 0, 0, 0]),
        (&[false, true], [2, 1, 0, 0]),
    ] {
        let cases: String = tries.iter().map(|failed| case("t", *failed)).collect();
        let report = format!("<testsuite name='A'>{cases}{}</testsuite>", case("other", true));
        let [total, failed, skipped, flaky] = expected;
        assert_eq!(numbers(&report), [total + 1, failed + 1, skipped, flaky], "{tries:?}");
        let failures = read(&report).expect("it is read").failures;
        assert_eq!(failures.len() as u64, failed + 1, "{tries:?}");
    }
    // The same name in another suite is another test.
    let apart = format!(
        "<testsuites><testsuite name='1'>{}</testsuite><testsuite name='2'>{}</testsuite></testsuites>",
        case("t", true),
        case("t", false)
    );
    assert_eq!(numbers(&apart), [2, 1, 0, 0]);
}

#[test]
fn every_dialect_says_what_did_not_run() {
    for (report, expected) in [
        // GoogleTest, CTest, and a test beside the suites.
        (
            "<testsuites tests='3'><testsuite name='s'><testcase name='a' status='run' result='completed'/>\
             <testcase name='b' status='notrun' result='suppressed'/>\
             <testcase name='c' status='run' result='skipped'><skipped message='no'/></testcase>\
             </testsuite></testsuites>",
            [3, 0, 2, 0],
        ),
        (
            "<testsuite tests='4'><testcase name='a' status='run'/><testcase name='b' status='fail'/>\
             <testcase name='c' status='disabled'/><testcase name='d' status='notrun'/></testsuite>",
            [4, 1, 2, 0],
        ),
        (
            "<testsuites><testsuite name='s'><testcase name='a'/></testsuite>\
             <testcase name='top'><error message='boom'/><skipped/></testcase></testsuites>",
            [2, 1, 0, 0],
        ),
        // A class that could not be set up.
        (
            "<testsuite name='s' tests='2' errors='1'><testcase name='a'/><error message='no database'/></testsuite>",
            [2, 1, 0, 0],
        ),
        (
            "<x:testsuite xmlns:x='u'><x:testcase name='a'><x:failure/></x:testcase></x:testsuite>",
            [1, 1, 0, 0],
        ),
        // NUnit 3 and 2.
        (
            "<test-run total='4'><test-suite><test-suite><test-case name='a' result='Passed'/>\
             <test-case name='b' fullname='N.b' result='Failed'><failure><message>1 is 2</message>\
             <stack-trace>at N.b</stack-trace></failure></test-case><test-case name='c' result='Skipped'/>\
             <test-case name='d' result='Inconclusive'/></test-suite></test-suite></test-run>",
            [4, 1, 2, 0],
        ),
        (
            "<test-results total='2' failures='1' not-run='1'><test-suite><results>\
             <test-case name='a' executed='True' success='False'><failure><message>m</message></failure></test-case>\
             <test-case name='b' executed='False'/><test-case name='c' executed='True' success='True'/>\
             </results></test-suite></test-results>",
            [3, 1, 1, 0],
        ),
        // xUnit.net.
        (
            "<assemblies><assembly name='t.dll' total='3'><errors/><collection name='c'><test name='a' result='Pass'/>\
             <test name='b' result='Fail'><failure><message>m</message></failure></test><test name='c' result='Skip'/>\
             </collection></assembly></assemblies>",
            [3, 1, 1, 0],
        ),
        // Visual Studio, with a test of several rows.
        (
            "<TestRun xmlns='http://microsoft.com/schemas/VisualStudio/TeamTest/2010'><Results>\
             <UnitTestResult testName='a' outcome='Passed'/><UnitTestResult testName='b' outcome='Failed'><Output>\
             <ErrorInfo><Message>m</Message><StackTrace>at b</StackTrace></ErrorInfo></Output></UnitTestResult>\
             <UnitTestResult testName='r' outcome='Failed'><InnerResults><UnitTestResult testName='r (1)' outcome='Passed'/>\
             <UnitTestResult testName='r (2)' outcome='Timeout'/></InnerResults></UnitTestResult>\
             <UnitTestResult testName='n' outcome='NotExecuted'/></Results>\
             <ResultSummary outcome='Failed'><Counters total='5'/></ResultSummary></TestRun>",
            [5, 2, 1, 0],
        ),
    ] {
        assert_eq!(numbers(report), expected, "{report}");
    }
    let nunit = "<test-run><test-case name='b' result='Failed'><failure><message><![CDATA[1 is 2]]></message>\
        <stack-trace>at N.b</stack-trace></failure></test-case></test-run>";
    assert_eq!(read(nunit).expect("it is read").failures[0].detail, "1 is 2\nat N.b");
}

#[test]
fn entities_are_refused_and_other_documents_are_foreign() {
    let nested: String = ('b'..='i')
        .zip('a'..='h')
        .map(|(name, inner)| format!("<!ENTITY {name} '{}'>", format!("&{inner};").repeat(10)))
        .collect();
    let bomb = format!(
        "<!DOCTYPE l [<!ENTITY a 'lol'>{nested}]><testsuite name='&i;'><testcase name='x'/></testsuite>"
    );
    let external = "<!DOCTYPE t [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\
        <testsuite><testcase name='a'><failure message='&x;'>&x;</failure></testcase></testsuite>";
    for report in [bomb.as_str(), external] {
        assert!(reason(report).contains("entities"), "{}", reason(report));
    }
    assert_eq!(
        numbers("<!DOCTYPE testsuite><testsuite><testcase name='a'/></testsuite>"),
        [1, 0, 0, 0]
    );
    for document in ["<html/>", "<checkstyle><file/></checkstyle>", "<project name='x'/>"] {
        assert!(matches!(read(document), Err(Unread::Foreign(_))), "{document}");
    }
}

#[test]
fn what_is_shown_has_no_control_characters() {
    let counts = read(
        "<testsuite><testcase name='a\u{1b}[31mb'><failure message='x\u{0}\u{1b}[0my'/></testcase></testsuite>",
    );
    let failure = &counts.expect("it is read leniently").failures[0];
    assert_eq!((failure.name.as_str(), failure.detail.as_str()), ("ab", "xy"));
}

#[test]
fn a_report_is_read_to_its_limit_and_no_further() {
    let cases: String = (0..2_000).map(|n| format!("<testcase name='t{n}' time='0.1'/>")).collect();
    let report = format!("<testsuite>{cases}</testsuite>");
    let size = report.len() as u64;
    assert_eq!(super::read(report.as_bytes(), size).expect("it is read").total, 2_000);
    for limit in [0, 10, size - 1] {
        let refused = super::read(report.as_bytes(), limit).expect_err("it is too large");
        assert!(
            matches!(&refused, Unread::Broken(reason) if reason.contains("larger than")),
            "{refused:?}"
        );
    }
}

#[test]
fn a_test_that_was_to_fail_is_neither_passed_nor_skipped() {
    let report = "<testsuite><testcase name='a'/><testcase name='b'><skipped type='pytest.xfail'/>\
                  </testcase><testcase name='c'><skipped type='pytest.skip'/></testcase></testsuite>";
    let counts = read(report).expect("a report");
    assert_eq!((counts.total, counts.failed, counts.skipped, counts.expected), (3, 0, 1, 1));
}
