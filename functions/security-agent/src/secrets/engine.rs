//! The engine: the kinds, ready to be looked for all at once.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{
    name,
    rules::{self, Kind},
};

/// The kinds, ready to be looked for.
pub struct Engine {
    pub(super) kinds: Vec<Kind>,
    /// What the kinds certainly hold, as it is written.
    pub(super) prefixes: AhoCorasick,
    pub(super) prefix_owners: Vec<Vec<usize>>,
    /// Words in either case: triggers of names, and words near which a kind may stand.
    pub(super) words: AhoCorasick,
    pub(super) word_owners: Vec<Word>,
}

/// What a word is for.
pub(super) enum Word {
    /// A name may promise a secret.
    Trigger,
    /// These kinds may stand behind it.
    Near(Vec<usize>),
    /// A command that takes passwords.
    Command(&'static str),
    /// A call of which one argument is a password: which one, from 0.
    Call(usize),
    /// `@tcp(` behind a name and a password.
    DataSource,
    /// `jdbc:oracle:` before them.
    Oracle,
    /// `://`.
    Address,
    /// `PRIVATE KEY`.
    Pem,
    /// `PuTTY-User-Key-File-`.
    Putty,
    /// `"kty"`.
    Jwk,
    /// `Basic ` and `Bearer `.
    Header(bool),
    /// `eyJ`.
    Jwt,
}

impl Engine {
    /// The engine with the built-in kinds.
    ///
    /// # Errors
    /// What is wrong with the kinds.
    pub fn new() -> Result<Self, String> {
        let kinds = rules::built_in()?;
        let mut prefixes: Vec<String> = Vec::new();
        let mut prefix_owners: Vec<Vec<usize>> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut word_owners: Vec<Word> = Vec::new();
        for (index, kind) in kinds.iter().enumerate() {
            for key in &kind.keys {
                if let Some(at) = prefixes.iter().position(|p| p == key)
                    && let Some(owners) = prefix_owners.get_mut(at)
                {
                    owners.push(index);
                } else {
                    prefixes.push(key.clone());
                    prefix_owners.push(vec![index]);
                }
            }
            for near in &kind.near {
                let at = words.iter().position(|w| w == near);
                match at.and_then(|at| word_owners.get_mut(at)) {
                    Some(Word::Near(owners)) => owners.push(index),
                    _ => {
                        words.push(near.clone());
                        word_owners.push(Word::Near(vec![index]));
                    }
                }
            }
        }
        for trigger in name::TRIGGERS {
            words.push((*trigger).to_owned());
            word_owners.push(Word::Trigger);
        }
        for command in [
            "curl ",
            "wget ",
            "sshpass ",
            "mysql ",
            "mysqldump ",
            "mysqladmin ",
            "mariadb ",
            "docker ",
            "podman ",
            "helm ",
            "lftp ",
            "ldapsearch ",
            "ldapmodify ",
            "ldapadd ",
            "ldapdelete ",
            "redis-cli ",
            "net use ",
            "convertto-securestring ",
            "identified by ",
        ] {
            words.push(command.to_owned());
            word_owners.push(Word::Command(command.trim_end()));
        }
        for (word, owner) in [
            ("://", Word::Address),
            ("private key", Word::Pem),
            ("putty-user-key-file-", Word::Putty),
            ("\"kty", Word::Jwk),
            ("basic ", Word::Header(true)),
            ("bearer ", Word::Header(false)),
            ("eyj", Word::Jwt),
            ("@tcp(", Word::DataSource),
            ("jdbc:oracle:", Word::Oracle),
            ("getconnection(", Word::Call(2)),
            ("auth=(", Word::Call(1)),
            ("basicauth(", Word::Call(1)),
            ("basic_auth(", Word::Call(1)),
            (".login(", Word::Call(1)),
            ("networkcredential(", Word::Call(1)),
            ("passwordcredentials(", Word::Call(1)),
            ("passwordauthentication(", Word::Call(1)),
            ("passwordauthenticationtoken(", Word::Call(1)),
        ] {
            words.push(word.to_owned());
            word_owners.push(owner);
        }
        let build = |patterns: &[String], any_case: bool| {
            AhoCorasick::builder()
                .ascii_case_insensitive(any_case)
                .kind(Some(AhoCorasickKind::DFA))
                .build(patterns)
                .map_err(|e| format!("keywords: {e}"))
        };
        Ok(Self {
            prefixes: build(&prefixes, false)?,
            words: build(&words, true)?,
            kinds,
            prefix_owners,
            word_owners,
        })
    }
}
