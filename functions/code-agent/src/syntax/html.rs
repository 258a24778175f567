//! HTML by a tokenizer of the standard. Whatever a browser is given, it shows something: what is
//! wrong is said, and is no reason to reject.

use std::cell::RefCell;

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

use super::verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion, number};

/// Elements without an end.
const VOID: &[&str] = &[
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "image", "img", "input",
    "keygen", "link", "meta", "param", "source", "track", "wbr",
];
/// Elements whose end may be left out.
const OPTIONAL: &[&str] = &[
    "body", "caption", "colgroup", "dd", "dt", "head", "html", "li", "optgroup", "option", "p",
    "rb", "rp", "rt", "rtc", "tbody", "td", "tfoot", "th", "thead", "tr",
];

/// Reads a document or a part of one.
pub(super) fn parse(text: &str) -> Opinion {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(text));
    let tokenizer = Tokenizer::new(Elements::default(), TokenizerOpts::default());
    // A script that ends hands control to its caller; there is nothing to run.
    while !queue.is_empty() {
        drop(tokenizer.feed(&queue));
    }
    tokenizer.end();
    let mut found = tokenizer.sink.0.into_inner();
    for (_, line) in std::mem::take(&mut found.open) {
        found.fault(line, "the element is not closed");
    }
    match Opinion::from_faults(found.faults) {
        Opinion::Broken(faults) => {
            let doubt = Doubt::new(Cause::Dialect, "browsers show it nevertheless");
            Opinion::Unsure(doubt, faults)
        }
        other => other,
    }
}

#[derive(Default)]
struct Elements(RefCell<Found>);

#[derive(Default)]
struct Found {
    open: Vec<(String, u64)>,
    faults: Vec<Fault>,
}

impl Found {
    fn fault(&mut self, line: u64, message: &str) {
        if self.faults.len() < MAX_FAULTS {
            let line = number(usize::try_from(line).unwrap_or(usize::MAX).max(1));
            self.faults.push(Fault { line, column: 1, message: message.to_owned() });
        }
    }

    fn tag(&mut self, tag: &Tag, line: u64) {
        let name: &str = &tag.name;
        if VOID.contains(&name) || OPTIONAL.contains(&name) || tag.self_closing {
            return;
        }
        if tag.kind == TagKind::StartTag {
            self.open.push((name.to_owned(), line));
            return;
        }
        match self.open.iter().rposition(|(open, _)| open == name) {
            Some(at) => {
                for (_, line) in self.open.split_off(at).into_iter().skip(1) {
                    self.fault(line, "the element is not closed");
                }
            }
            None => self.fault(line, "an end tag without its element"),
        }
    }
}

impl TokenSink for Elements {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                found.tag(&tag, line);
                if tag.kind == TagKind::StartTag && !tag.self_closing {
                    return match &*tag.name {
                        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                            TokenSinkResult::RawData(RawKind::Rawtext)
                        }
                        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                        _ => TokenSinkResult::Continue,
                    };
                }
            }
            Token::ParseError(reason) if reason.contains("EOF") => {
                found.fault(line, "markup that is not closed");
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}
