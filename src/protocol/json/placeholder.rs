//! Placeholders: the objects `{"_placeholder":true,"num":n}` that stand for attachment `n` in the text of a binary packet.
//!
//! As in the reference, an object is one when its `_placeholder` is `true`, whatever else it holds and in whatever order.
//! Its `num` then has to be a plain integer that names an attachment.

use bytes::Bytes;

use super::super::Attachments;
use super::scan::{Scalar, ScanError, Sink};

/// One placeholder of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Placeholder {
    /// The attachment it names.
    pub(crate) number: usize,
    /// Where the number is in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Finds the placeholders of a text and checks that each names one of `attachments` attachments.
pub(crate) struct Finder {
    attachments: usize,
    /// The arrays and objects that are open, outermost first; never more than the depth that the scan allows.
    open: Vec<Candidate>,
    key: Key,
    found: Vec<Placeholder>,
}

/// What is known of an object that may turn out to be a placeholder.
#[derive(Clone, Copy, Default)]
struct Candidate {
    flagged: bool,
    number: Option<Placeholder>,
}

/// Which entry of an object a value belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Flag,
    Number,
    Other,
}

impl Finder {
    pub(crate) fn new(attachments: usize) -> Self {
        Finder { attachments, open: Vec::new(), key: Key::Other, found: Vec::new() }
    }

    /// The placeholders in the order of the text.
    pub(crate) fn finish(mut self) -> Vec<Placeholder> {
        // They were found where they end, so one inside another (which no client makes) came before it.
        self.found.sort_unstable_by_key(|placeholder| placeholder.start);
        self.found
    }

    /// A value that is no boolean or number was given for a key: of several entries of the same name the last one counts.
    fn assign(&mut self, flagged: bool, number: Option<Placeholder>) {
        let Some(candidate) = self.open.last_mut() else { return };
        match self.key {
            Key::Flag => candidate.flagged = flagged,
            Key::Number => candidate.number = number,
            Key::Other => {}
        }
        self.key = Key::Other;
    }
}

impl Sink for Finder {
    fn open(&mut self, _object: bool, _position: usize) -> Result<(), ScanError> {
        self.assign(false, None);
        self.open.push(Candidate::default());
        Ok(())
    }

    fn key(&mut self, text: &[u8], start: usize, end: usize) -> Result<(), ScanError> {
        let key = text.get(start..end).unwrap_or_default();
        self.key = match key {
            b"\"_placeholder\"" => Key::Flag,
            b"\"num\"" => Key::Number,
            // The same keys, spelled with escapes.
            _ if key.contains(&b'\\') => match serde_json::from_slice::<String>(key).as_deref() {
                Ok("_placeholder") => Key::Flag,
                Ok("num") => Key::Number,
                _ => Key::Other,
            },
            _ => Key::Other,
        };
        Ok(())
    }

    fn scalar(&mut self, kind: Scalar, text: &[u8], start: usize, end: usize) -> Result<(), ScanError> {
        if self.key != Key::Other {
            let number = text
                .get(start..end)
                .filter(|_| kind == Scalar::Number)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse().ok())
                .map(|number| Placeholder { number, start, end });
            self.assign(kind == Scalar::True, number);
        }
        Ok(())
    }

    fn close(&mut self, _text: &[u8], _end: usize) -> Result<(), ScanError> {
        self.key = Key::Other;
        match self.open.pop() {
            Some(Candidate { flagged: true, number }) => match number {
                Some(placeholder) if placeholder.number < self.attachments => {
                    self.found.push(placeholder);
                    Ok(())
                }
                _ => Err(ScanError::Placeholder),
            },
            _ => Ok(()),
        }
    }
}

/// Numbers the placeholders of a text anew: those found in `text` get the numbers from `first` on, in the order of their
/// first use. Returns the new text and the attachments in that order; attachments that nothing refers to are left out.
pub(crate) fn renumber(
    text: &str,
    found: &[Placeholder],
    attachments: &Attachments,
    first: usize,
) -> (String, Vec<Bytes>) {
    let mut new_numbers = vec![None; attachments.len()];
    let mut kept = Vec::new();
    let mut renumbered = String::with_capacity(text.len() + found.len());
    let mut copied = 0;
    for placeholder in found {
        let (Some(new_number), Some(attachment)) =
            (new_numbers.get_mut(placeholder.number), attachments.get(placeholder.number))
        else {
            continue;
        };
        let number = *new_number.get_or_insert_with(|| {
            kept.push(attachment.clone());
            first + kept.len() - 1
        });
        renumbered.push_str(text.get(copied..placeholder.start).unwrap_or_default());
        renumbered.push_str(&number.to_string());
        copied = placeholder.end;
    }
    renumbered.push_str(text.get(copied..).unwrap_or_default());
    (renumbered, kept)
}

#[cfg(test)]
#[path = "placeholder_tests.rs"]
mod tests;
