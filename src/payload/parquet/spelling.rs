//! How the values of one column of one row group are spelled, where their type does not tell.
//!
//! A [`Style`] holds for all of them; each that is spelled in another way stands by itself. A column's
//! block: the style (digits, separator, length of the zone, zone), the number of bytes that follow, and
//! for each value that stands by itself how many rows lie between it and the one before, the length of its
//! text, and the text. Numbers are LEB128.

/// What the spellings of a column have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::payload) struct Style {
    /// Digits behind the point at least; more where the value has more.
    pub(super) fraction: u8,
    /// What stands between a day and the time of the day.
    pub(super) separator: u8,
    /// What stands behind the time of the day: nothing, or a spelling of UTC.
    pub(super) zone: &'static str,
}

/// Spellings of UTC.
pub(super) const ZONES: [&str; 4] = ["", "Z", "+00", "+00:00"];

/// The spellings of a column, as they are gathered.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    bytes: Vec<u8>,
    /// The row after the last one that stands by itself.
    next: usize,
}

impl Spellings {
    /// Notes that the value in `row` of the group is spelled `text`. Rows come in order.
    pub(super) fn push(&mut self, row: usize, text: &str) {
        push_number(&mut self.bytes, row - self.next);
        push_number(&mut self.bytes, text.len());
        self.bytes.extend_from_slice(text.as_bytes());
        self.next = row + 1;
    }

    /// Appends the column's block.
    pub(super) fn add_to(&self, block: &mut Vec<u8>, style: &Style) {
        let zone = ZONES.iter().position(|zone| *zone == style.zone).unwrap_or_default();
        block.extend_from_slice(&[style.fraction, style.separator, u8::try_from(zone).unwrap_or(0)]);
        push_number(block, self.bytes.len());
        block.extend_from_slice(&self.bytes);
    }
}

/// The spellings of a column, as they are read.
#[derive(Debug)]
pub(in crate::payload) struct Spelled {
    pub(in crate::payload) style: Style,
    rest: Vec<u8>,
    at: usize,
    /// The next value that stands by itself: its row, and where its text is.
    next: Option<(usize, std::ops::Range<usize>)>,
}

impl Spelled {
    /// Takes a column's block from the front of `block`.
    pub(in crate::payload) fn take(block: &mut &[u8]) -> Option<Self> {
        let [fraction, separator, zone, rest @ ..] = *block else { return None };
        let style =
            Style { fraction: *fraction, separator: *separator, zone: ZONES.get(usize::from(*zone))? };
        let mut rest = rest;
        let (len, used) = number(rest)?;
        rest = &rest[used..];
        let (own, behind) = rest.split_at_checked(len)?;
        *block = behind;
        let mut spelled = Self { style, rest: own.to_vec(), at: 0, next: None };
        spelled.advance(0)?;
        Some(spelled)
    }

    /// The text of the value in `row`, if it stands by itself. Rows are asked for in order.
    pub(in crate::payload) fn text(&mut self, row: usize) -> Result<Option<&str>, &'static str> {
        let Some((_, range)) = self.next.take_if(|(next, _)| *next == row) else { return Ok(None) };
        self.advance(row + 1).ok_or("the spellings of its values are cut")?;
        self.rest
            .get(range)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .map(Some)
            .ok_or("the spelling of a value is no text")
    }

    fn advance(&mut self, from: usize) -> Option<()> {
        if self.at == self.rest.len() {
            return Some(());
        }
        let (gap, used) = number(&self.rest[self.at..])?;
        self.at += used;
        let (len, used) = number(&self.rest[self.at..])?;
        self.at += used;
        let end = self.at.checked_add(len).filter(|end| *end <= self.rest.len())?;
        self.next = Some((from.checked_add(gap)?, self.at..end));
        self.at = end;
        Some(())
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

/// A number, and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stands_by_itself_is_found_in_its_row(
            texts in prop::collection::btree_map(0_usize..100_000, "(?s).{0,300}", 0..40),
            fraction in any::<u8>(),
        ) {
            let style = Style { fraction, separator: b' ', zone: "+00" };
            let mut spellings = Spellings::default();
            for (row, text) in &texts {
                spellings.push(*row, text);
            }
            let mut block = Vec::new();
            spellings.add_to(&mut block, &style);
            Spellings::default().add_to(&mut block, &Style::default());
            let mut rest = &block[..];
            let mut spelled = Spelled::take(&mut rest).unwrap();
            prop_assert_eq!(&spelled.style, &style);
            for row in 0..100_000 {
                prop_assert_eq!(spelled.text(row).unwrap(), texts.get(&row).map(String::as_str));
            }
            prop_assert_eq!(Spelled::take(&mut rest).unwrap().style, Style::default());
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut rest = &bytes[..];
            while let Some(mut spelled) = Spelled::take(&mut rest) {
                for row in 0..200 {
                    let _ = spelled.text(row);
                }
            }
        }
    }
}
