//! What is wrong is said where it stands: at the key, and not at the table that has it.

use super::*;

/// The lines that the faults of a file point at, in their order.
fn lines(text: &str) -> Vec<String> {
    let errors = parse(text, "p").expect_err("is refused").errors;
    let line = |error: &ConfigError| {
        let line = error.line.unwrap_or_else(|| panic!("no place: {error}"));
        text.lines().nth(line as usize - 1).expect("is there").to_owned()
    };
    errors.iter().map(line).collect()
}

const LAMBDA: &str = "[environments.production]\ntarget = \"lambda\"\nfunction = \"shop\"\n";

#[test]
fn what_several_keys_have_to_agree_on_is_said_at_one_of_them() {
    let windows = "[[environments.production.freeze]]\nreason = \"rest\"\nzone = \"UTC\"\n\
                   [[environments.production.freeze]]\nreason = \"holidays\"\nzone = \"Mars/Olympus\"\n\
                   dates = [\n\"2026-12-24\",\n\"2026-02-30\",\n\"2027-01-03/2026-12-20\",\n]\n";
    let slow =
        "[[environments.production.health]]\npath = \"/\"\nsuccesses = 100\ninterval_ms = 60000\n";
    let steps = |weights: [u32; 2], minutes: [u32; 2]| {
        let step = |nth: usize| {
            format!(
                "[[environments.production.steps]]\nweight = {}\nminutes = {}\n",
                weights[nth], minutes[nth]
            )
        };
        format!("strategy = \"canary\"\n{slow}deadline_seconds = 600\n{}{}", step(0), step(1))
            .replace("successes = 100", "successes = 2")
    };
    let wave = |keys: &str| format!("[[environments.production.waves]]\n{keys}\n");
    let two = |keys: &str| wave("region = \"eu-west-1\"") + &wave(keys);
    for (more, wanted) in [
        (
            windows.to_owned(),
            &["zone = \"Mars/Olympus\"", "\"2026-02-30\",", "\"2027-01-03/2026-12-20\","][..],
        ),
        (slow.to_owned(), &["successes = 100"]),
        (format!("{slow}deadline_seconds = 3\n"), &["deadline_seconds = 3"]),
        (steps([50, 20], [5, 5]), &["weight = 20"]),
        (steps([10, 50], [5, 0]), &["minutes = 0"]),
        ("strategy = \"linear\"\nevery = 0\n".to_owned(), &["every = 0"]),
        (two("name = \"eu-west-1\"\nregion = \"us-east-1\""), &["name = \"eu-west-1\""]),
        (two("name = \"other\"\nregion = \"eu-west-1\""), &["region = \"eu-west-1\""]),
        (
            wave("region = \"eu-west-1\"")
                + "[[environments.production.waves.health]]\npath = \"/\"\nsuccesses = 90\n\
                   interval_ms = 60000\n",
            &["successes = 90"],
        ),
        (
            wave("region = \"eu-west-1\"")
                + "[environments.production.waves.watch]\nsource = \"cloudwatch\"\n\
                   namespace = \"a\"\n\
                   load_balancer = \"app/shop/50dc6c495c0c9188\"\n",
            &["namespace = \"a\""],
        ),
    ] {
        assert_eq!(lines(&format!("{LAMBDA}{more}")), wanted, "{more}");
    }
}

#[test]
fn a_key_that_is_not_there_is_said_at_the_nearest_table() {
    let tree = DeTable::parse("a = { b = [1, { c = 2 }] }\n[d]\n").expect("TOML");
    let text = "a = { b = [1, { c = 2 }] }";
    let at = |key: &str| laws::span(tree.get_ref(), key).map(|span| text.get(span));
    assert_eq!(at("a.b[1].c"), Some(Some("2")));
    assert_eq!(at("a.b[1].x.y"), Some(Some("{ c = 2 }")));
    assert_eq!(at("a.b[7]"), Some(Some("[1, { c = 2 }]")));
    assert_eq!(at("x"), None);
}
