//! The binary parts that travel beside a JSON packet. Shared by [`Args`](super::Args) and what the encoders return; it knows
//! nothing of the text that refers to them.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// Attachments of a packet in the order in which they follow it, as a slice. Cheap to clone; nothing is allocated for none.
#[derive(Clone, Default, Debug)]
pub struct Attachments(Option<Arc<[Bytes]>>);

impl Attachments {
    /// Bytes of all attachments together.
    pub fn size(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }
}

impl Deref for Attachments {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<Bytes>> for Attachments {
    fn from(list: Vec<Bytes>) -> Self {
        if list.is_empty() { Attachments(None) } else { Attachments(Some(list.into())) }
    }
}

impl PartialEq for Attachments {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Attachments {}
