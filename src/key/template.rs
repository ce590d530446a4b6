//! Reads a template, and refuses what could give two objects one key.

use super::token::{Part, TOKENS, Token};
use super::{KeyTemplate, PRESETS, SEQ_DIGITS};

/// Room for the longest site, table and chain in the 1,024 bytes that S3 allows a key.
const TEMPLATE_BYTES_MAX: usize = 256;
/// Bytes of all values behind the site's: with the template and the longest names, 1,024 are not exceeded.
const CHANGING_BYTES_MAX: usize = 320;

/// The prefix of the sink's URL, which stands before each key by itself.
const URL_PREFIX: &str = "{prefix}/";

/// A template that was refused: the rule it broke; and after a semicolon, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTemplate(String);

impl KeyTemplate {
    /// Checks `text`, the name of a preset or a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`], with the remedy.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let text = PRESETS.iter().find(|(name, _)| *name == text).map_or(text, |(_, template)| template);
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(refused(format!(
                "the key template is longer than {TEMPLATE_BYTES_MAX} bytes; shorten it"
            )));
        }
        let written = text.strip_prefix(URL_PREFIX).unwrap_or(text);
        let mut parts = split(written)?;
        let has_ext = parts.pop_if(|part| *part == Part::Token(Token::Ext)).is_some();
        let is_of_chain = |part: &Part| match part {
            Part::Literal(_) => true,
            Part::Token(token) => token.is_of_chain(),
        };
        let head_len = parts.iter().position(|part| !is_of_chain(part)).unwrap_or(parts.len());
        let rest = parts.split_off(head_len);
        check_tokens(&parts, &rest)?;
        check_head(&parts)?;
        check_rest(&rest)?;
        check_literals(written)?;
        Ok(Self { text: text.into(), head: parts.into(), rest: rest.into(), has_ext })
    }
}

fn refused(message: impl Into<String>) -> InvalidTemplate {
    InvalidTemplate(message.into())
}

fn split(text: &str) -> Result<Vec<Part>, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if open > 0 {
            parts.push(Part::Literal(rest[..open].into()));
        }
        let name = rest[open..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = name else {
            return Err(refused("a brace of the key template has no partner; write tokens as {site}"));
        };
        let token = TOKENS.iter().find(|(known, _)| *known == name).map(|(_, token)| *token);
        parts.push(Part::Token(token.ok_or_else(|| unknown_token(name))?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Ok(parts)
}

fn unknown_token(name: &str) -> InvalidTemplate {
    if name == "prefix" {
        return refused(
            "{prefix} is that of the sink's url, which begins each key; write it as '{prefix}/' at the beginning, or not at all",
        );
    }
    let known = TOKENS.map(|(known, _)| format!("{{{known}}}")).join(", ");
    refused(format!("the key template has an unknown token '{{{name}}}'; known are {known}"))
}

fn tokens(parts: &[Part]) -> impl Iterator<Item = Token> {
    parts.iter().filter_map(|part| match part {
        Part::Token(token) => Some(*token),
        Part::Literal(_) => None,
    })
}

/// Checks that all tokens are there that tell objects apart, and where they can be found.
fn check_tokens(head: &[Part], rest: &[Part]) -> Result<(), InvalidTemplate> {
    let first = tokens(rest).next().map_or("seq", Token::name);
    if let Some(token) = tokens(rest).find(|token| token.is_of_chain()) {
        let name = token.name();
        return Err(refused(format!(
            "{{{name}}} of the key template stands behind {{{first}}}, which changes from object to object, so a \
             site could not be listed by itself; put {{{name}}} before it"
        )));
    }
    if !tokens(head).any(|token| token == Token::Site) {
        return Err(refused(format!(
            "the key template does not name the site before {{{first}}}; add '{{site}}/'"
        )));
    }
    let count = |wanted: Token| tokens(rest).filter(|token| *token == wanted).count();
    if count(Token::Ext) > 0 || count(Token::Seq) > 1 {
        return Err(refused(
            "the key template has {ext} before its end, or {seq} more than once; end it in '{seq}{ext}'",
        ));
    }
    if !tokens(rest).any(|token| token == Token::Seq || token.is_digest()) {
        return Err(refused(
            "the key template has neither {seq} nor a digest such as {md5}, so two objects could share a key; end it in '{seq}{ext}'",
        ));
    }
    if tokens(rest).map(Token::bytes_max).sum::<usize>() > CHANGING_BYTES_MAX {
        return Err(refused(format!(
            "the tokens of the key template may take more than {CHANGING_BYTES_MAX} bytes; leave some out"
        )));
    }
    if !tokens(rest).any(|token| token == Token::Seq || token.is_time()) {
        return Err(refused(
            "the key template has neither {seq} nor a time such as {to_ms}, so the end of a chain could not be found; \
             write '{to_ms}-{md5}', or end it in '{seq}{ext}'",
        ));
    }
    Ok(())
}

/// Checks what all keys of a chain have in common: its tokens must be held apart.
fn check_head(head: &[Part]) -> Result<(), InvalidTemplate> {
    let mut parted = true;
    for part in head {
        match part {
            Part::Literal(text) => parted |= text.contains('/'),
            Part::Token(_) if parted => parted = false,
            Part::Token(_) => return Err(not_parted()),
        }
    }
    if parted { Ok(()) } else { Err(not_parted()) }
}

fn not_parted() -> InvalidTemplate {
    refused(
        "two tokens of the key template are not parted by a '/'; two places could share a key, so put one between",
    )
}

/// Checks that it can be seen where a value ends, and which text is a mark of a chain.
fn check_rest(rest: &[Part]) -> Result<(), InvalidTemplate> {
    for (part, next) in rest.iter().zip(rest.iter().skip(1)) {
        let Part::Token(token) = part else { continue };
        let ends = match next {
            _ if token.width().is_some() => true,
            Part::Literal(text) => !text.starts_with(|first: char| first.is_ascii_alphanumeric()),
            Part::Token(_) => false,
        };
        if !ends {
            return Err(refused(format!(
                "it cannot be seen where {{{}}} of the key template ends; put one of / _ - . = + ! , @ behind it",
                token.name()
            )));
        }
    }
    let is_like_a_seq =
        |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() >= SEQ_DIGITS);
    let literals = rest.iter().filter_map(|part| match part {
        Part::Literal(text) => Some(text),
        Part::Token(_) => None,
    });
    if literals.into_iter().any(|text| is_like_a_seq(text)) {
        return Err(refused(format!(
            "the key template has {SEQ_DIGITS} digits in a row, which looks like a seq; shorten them"
        )));
    }
    Ok(())
}

/// Checks the template as a path: the same key must mean the same thing in a folder and in a bucket.
fn check_literals(text: &str) -> Result<(), InvalidTemplate> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"{}/_-.=+!,@".contains(&byte);
    if let Some(other) = text.chars().find(|c| !u8::try_from(*c).is_ok_and(allowed)) {
        return Err(refused(format!(
            "the key template holds {other:?}; use A-Z a-z 0-9 / _ - . = + ! , @ between its tokens"
        )));
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(refused("the key template has an empty, '.' or '..' segment; remove it"));
    }
    if text.starts_with(".livecosmos") {
        return Err(refused(
            "the key template starts with '.livecosmos', which is kept for livecosmos; choose another",
        ));
    }
    Ok(())
}
