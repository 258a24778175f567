//! The documentation names the git hosts that are known.

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_says_what_the_registry_of_hosts_says() {
    let hosts = pact_gateway::documentation();
    assert!(!hosts.is_empty());
    for text in hosts.iter().flatten() {
        assert!(README.contains(text.as_str()), "README.md lacks this line:\n{text}");
    }
    let listed = README.lines().filter(|line| line.starts_with("| `POST /webhooks/")).count();
    assert_eq!(listed, hosts.len(), "README.md has a git host that is not known");
}
