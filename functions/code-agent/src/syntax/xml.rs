//! XML: whether a document is well-formed.

use quick_xml::{
    Reader,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
};

use super::verdict::{Cause, Doubt, Fault, Opinion};

/// Parses a document.
pub(super) fn parse(text: &str) -> Opinion {
    if !text.trim_start().starts_with('<') {
        let doubt = Doubt::new(Cause::Dialect, "it does not begin as XML does");
        return Opinion::Unsure(doubt, vec![Fault::at(text, 0, "expected `<`")]);
    }
    let is_definition = ["<!ELEMENT", "<!ENTITY", "<!ATTLIST"].iter().any(|m| text.contains(m))
        && !text.contains("<!DOCTYPE");
    if is_definition {
        let doubt = Doubt::new(Cause::Dialect, "it defines documents and is none");
        return Opinion::Unsure(doubt, Vec::new());
    }
    let mut document = Document::default();
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let start = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(error) => {
                let at = offset(reader.error_position());
                let mut faults = vec![Fault::at(text, at, message(&error))];
                // What is open may be what lost its end.
                let open =
                    document.open.last().filter(|_| message(&error).starts_with("the end tag"));
                faults.extend(open.map(|at| Fault::at(text, *at, "the element that is open")));
                return Opinion::from_faults(faults);
            }
        };
        if let Err(reason) = document.take(&event, start) {
            return Opinion::from_faults(vec![Fault::at(text, start, reason)]);
        }
    }
    document.end(text)
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// What is wrong, in words without the document's own.
fn message(error: &quick_xml::Error) -> &'static str {
    use quick_xml::errors::IllFormedError as Form;
    match error {
        quick_xml::Error::IllFormed(Form::MismatchedEndTag { .. }) => {
            "the end tag is not that of the element that is open"
        }
        quick_xml::Error::IllFormed(Form::UnmatchedEndTag(_)) => "an end tag without its element",
        quick_xml::Error::IllFormed(Form::MissingEndTag(_)) => "the element is not closed",
        quick_xml::Error::IllFormed(Form::UnclosedReference) => "`&` begins no reference",
        quick_xml::Error::IllFormed(_) => "not well-formed",
        quick_xml::Error::Syntax(_) => "markup that is not closed",
        quick_xml::Error::InvalidAttr(_) => "an attribute that is not well-formed",
        _ => "not well-formed",
    }
}

#[derive(Default)]
struct Document {
    /// Where the open elements begin.
    open: Vec<usize>,
    roots: usize,
    has_doctype: bool,
    /// Text between or beside the roots.
    outside: Option<usize>,
}

impl Document {
    fn take(&mut self, event: &Event<'_>, start: usize) -> Result<(), &'static str> {
        match event {
            Event::Start(element) => {
                self.begin(element)?;
                self.open.push(start);
            }
            Event::Empty(element) => self.begin(element)?,
            Event::End(_) => {
                self.open.pop();
            }
            Event::DocType(_) => self.has_doctype = true,
            Event::Decl(_) if start > 0 => {
                return Err("the XML declaration is not at the beginning");
            }
            Event::Text(content) if self.open.is_empty() && !content.trim_ascii().is_empty() => {
                self.outside.get_or_insert(start);
            }
            Event::GeneralRef(reference) => {
                let name: &str = reference;
                let known =
                    name.starts_with('#') || resolve_xml_entity(name).is_some() || self.has_doctype;
                if !known {
                    return Err("an entity that is not declared");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), &'static str> {
        if self.open.is_empty() {
            self.roots += 1;
        }
        let name = element.name();
        let first = name.as_ref().chars().next().unwrap_or(' ');
        if !(first.is_alphabetic() || first == '_' || first == ':' || !first.is_ascii()) {
            return Err("an element without a name");
        }
        for attribute in element.attributes().with_checks(true) {
            let attribute = attribute.map_err(|_| "an attribute that is not well-formed")?;
            if attribute.value.contains('<') {
                return Err("`<` in the value of an attribute");
            }
        }
        Ok(())
    }

    fn end(self, text: &str) -> Opinion {
        if let Some(start) = self.open.last() {
            return Opinion::from_faults(vec![Fault::at(
                text,
                *start,
                "the element is not closed",
            )]);
        }
        let part = |at, reason: &str| {
            let doubt = Doubt::new(Cause::Dialect, "it may be a part that others include");
            Opinion::Unsure(doubt, vec![Fault::at(text, at, reason)])
        };
        match (self.roots, self.outside) {
            (0, _) => part(0, "there is no element"),
            (1, None) => Opinion::Parsed,
            (_, Some(at)) => part(at, "text outside of the element that holds all others"),
            (_, None) => part(0, "there is more than one element at the top"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_formed_is_refused_where_it_is() {
        for (text, line) in [
            ("<a>\n<b></a>\n", 2),
            ("<a>\n<b>\n", 2),
            ("<a>\n & b</a>", 2),
            ("<a b=1/>", 1),
            ("<a b='1' b='2'/>", 1),
            ("<a>\n<!-- x -- y --></a>", 2),
            ("<a>&nbsp;</a>", 1),
            ("\n<?xml version='1.0'?><a/>", 2),
            ("<a>\n<b c='<'/></a>", 2),
        ] {
            match parse(text) {
                Opinion::Broken(faults) => assert_eq!(faults[0].line, line, "{text:?}: {faults:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        for text in [
            "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]>\n<a x:d='&lt;'>&b;<![CDATA[<]]></a>\n",
            "<a><b/>&#10;&amp;</a><!-- x -->",
        ] {
            assert_eq!(parse(text), Opinion::Parsed, "{text:?}");
        }
        assert!(matches!(parse("<a/><b/>"), Opinion::Unsure(..)));
    }
}
