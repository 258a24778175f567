//! Comments that allow something: who is judged by the commit before is let off by what was there before.

use pact_contract::{LineRange, ResponseEnvelope, StageStatus};

use super::{Bench, change, status};

const SECRETS: &str = "security.validate_secrets";
const CODE: &str = "security.scan_vulnerabilities";
const LATER: &str = "comes with this push and counts from the next commit";

fn secret(number: usize) -> String {
    format!("id = '{}Q7ZT4LMX5VR2PK{}'", "AKIA", ["AB", "CD"][number])
}

/// One changed file, on a base where it was `before`.
async fn of(path: &str, text: &str, touched: &[(u32, u32)], before: &[(&str, &str)]) -> Bench {
    let lines: Vec<_> =
        touched.iter().map(|(start, end)| LineRange { start: *start, end: *end }).collect();
    let bench = Bench::with_changes(&[(path, text)], vec![change(path, &lines)]).await;
    bench.on(before, false).await
}

fn says_later(response: &ResponseEnvelope) -> bool {
    response.response.findings.iter().any(|finding| finding.message.contains(LATER))
}

#[tokio::test]
async fn a_comment_that_comes_with_a_push_lets_off_nothing_of_it() {
    let cases = [
        (CODE, "os.system(x)  # pact:allow python-os-system: x is a constant\n".to_owned()),
        (CODE, "# pact:allow python-os-system: x is a constant\nos.system(x)\n".to_owned()),
        (SECRETS, format!("{}  # pact:allow-secret revoked in May\n", secret(1))),
    ];
    for (action, text) in &cases {
        for before in [&[][..], &[("a.py", "x = 1\n")]] {
            let response = of("a.py", text, &[(1, 2)], before).await.run(action).await;
            assert_eq!(status(&response), StageStatus::Failed, "{text}");
            assert!(says_later(&response), "{:#?}", response.response.findings);
            let allowed =
                response.response.findings.iter().find(|f| f.code.as_str().ends_with("-allowed"));
            assert!(allowed.is_none(), "{allowed:?}");
        }
        // What was there before the push lets off what it is about, whatever else is changed.
        let more = format!("{text}y = 2\n");
        let bench = of("a.py", &more, &[(3, 3)], &[("a.py", text)]).await;
        assert_eq!(status(&bench.run(action).await), StageStatus::Passed, "{more}");
        // Its owner, on the same machine, is its judge.
        let lines = [LineRange { start: 1, end: 2 }];
        let own = Bench::with_changes(&[("a.py", text)], vec![change("a.py", &lines)]).await;
        let response = own.on(&[], true).await.run(action).await;
        assert_eq!(status(&response), StageStatus::Passed, "{text}");
        assert!(!says_later(&response));
    }
}

#[tokio::test]
async fn what_was_allowed_before_may_be_mended_and_allows_nothing_else() {
    let allow = "# pact:allow python-os-system: x is a constant";
    let before = format!("os.system(x)  {allow}\n");
    let mended = format!("os.system(x, 2)  {allow}\n");
    let bench = of("a.py", &mended, &[(1, 1)], &[("a.py", &before)]).await;
    assert_eq!(status(&bench.run(CODE).await), StageStatus::Passed);
    let copied = format!("{before}os.system(y)  {allow}\n");
    let bench = of("a.py", &copied, &[(2, 2)], &[("a.py", &before)]).await;
    let response = bench.run(CODE).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert_eq!(response.response.findings[0].line, Some(2));
    // Another file has no comment, whatever this one has.
    let bench = of("b.py", &before, &[(1, 1)], &[("a.py", &before)]).await;
    assert_eq!(status(&bench.run(CODE).await), StageStatus::Failed);

    // A secret is allowed, not a line: it may move, and another one is none of it.
    let before = format!("{}  # pact:allow-secret revoked in May\n", secret(1));
    let moved = format!("x = 1\n    {before}");
    let bench = of("a.py", &moved, &[(1, 2)], &[("a.py", &before)]).await;
    assert_eq!(status(&bench.run(SECRETS).await), StageStatus::Passed);
    let other = before.replace(&secret(1), &secret(0));
    let response = of("a.py", &other, &[(1, 1)], &[("a.py", &before)]).await.run(SECRETS).await;
    assert_eq!(status(&response), StageStatus::Failed);
    assert!(says_later(&response));
}

#[tokio::test]
async fn a_comment_that_comes_with_nothing_under_it_is_listed() {
    let allow = "# pact:allow python-os-system: later";
    let text = format!("{allow}\nx = 1\nos.system(y)  # pact:allow python-os-system: now\n");
    let lines = |response: &ResponseEnvelope| -> Vec<_> {
        let idle = |f: &&pact_contract::Finding| f.message.contains("nothing to allow");
        response.response.findings.iter().filter(idle).map(|f| f.line).collect()
    };
    let bench = of("a.py", &text, &[(1, 3)], &[("a.py", "x = 1\n")]).await;
    assert_eq!(
        lines(&bench.run(CODE).await),
        [Some(1)],
        "the other one is asked for by its finding"
    );
    // It was there before, or nobody else judges.
    let bench = of("a.py", &text, &[(2, 2)], &[("a.py", &text)]).await;
    assert_eq!(lines(&bench.run(CODE).await), [None; 0]);
    let own = Bench::with_changes(
        &[("a.py", &text)],
        vec![change("a.py", &[LineRange { start: 1, end: 3 }])],
    )
    .await;
    assert_eq!(lines(&own.on(&[], true).await.run(CODE).await), [None; 0]);
}
