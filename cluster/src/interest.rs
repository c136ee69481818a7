//! Which subjects this node needs: counted, and kept for a while after the last use.
//!
//! Used by whoever opens and closes rooms. Rooms come and go faster than subscriptions should, and a subscription that
//! lingers saves the fence when the room opens again. Pure: time is handed in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::subject::Subject;

/// The subjects in use, with how many use each.
#[derive(Debug)]
pub struct Interest {
    linger: Duration,
    used: HashMap<Subject, u64>,
    idle: HashMap<Subject, Instant>,
}

impl Interest {
    /// Nothing is used; a subject stays subscribed for `linger` after its last use.
    pub fn new(linger: Duration) -> Self {
        Self { linger, used: HashMap::new(), idle: HashMap::new() }
    }

    /// One more uses `subject`: whether it must be subscribed, and fenced, now.
    #[must_use = "true: subscribe"]
    pub fn open(&mut self, subject: &Subject) -> bool {
        if let Some(count) = self.used.get_mut(subject) {
            *count += 1;
            return false;
        }
        self.used.insert(subject.clone(), 1);
        self.idle.remove(subject).is_none()
    }

    /// One less uses `subject`. Nothing happens if none did.
    pub fn close(&mut self, subject: &Subject, now: Instant) {
        let Some(count) = self.used.get_mut(subject) else { return };
        *count -= 1;
        if *count == 0 {
            self.used.remove(subject);
            self.idle.insert(subject.clone(), now);
        }
    }

    /// Whether `subject` is subscribed: in use, or lingering.
    pub fn is_subscribed(&self, subject: &str) -> bool {
        self.used.contains_key(subject) || self.idle.contains_key(subject)
    }

    /// All subjects that are subscribed.
    pub fn all(&self) -> Vec<Subject> {
        self.used.keys().chain(self.idle.keys()).cloned().collect()
    }

    /// How many subjects are subscribed.
    pub fn subscribed(&self) -> usize {
        self.used.len() + self.idle.len()
    }

    /// The subjects that nobody used for too long: to be unsubscribed, and forgotten here.
    #[must_use = "these are to be unsubscribed"]
    pub fn sweep(&mut self, now: Instant) -> Vec<Subject> {
        let linger = self.linger;
        self.idle
            .extract_if(|_, since| now.saturating_duration_since(*since) >= linger)
            .map(|(subject, _)| subject)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subjects;

    const LINGER: Duration = Duration::from_secs(30);

    #[test]
    fn subscribes_once_and_unsubscribes_after_the_linger() {
        let subjects = Subjects::default();
        let subject = subjects.room("/", "lobby");
        let mut interest = Interest::new(LINGER);
        let start = Instant::now();
        assert!(interest.open(subject));
        assert!(!interest.open(subject));
        interest.close(subject, start);
        assert!(interest.sweep(start + LINGER * 2).is_empty(), "still used");
        interest.close(subject, start);
        assert!(interest.sweep(start + LINGER / 2).is_empty());
        assert!(interest.is_subscribed(subject.as_str()));
        assert_eq!(interest.sweep(start + LINGER), std::slice::from_ref(subject));
        assert_eq!(interest.subscribed(), 0);
        assert!(interest.open(subject), "subscribed anew");
    }

    #[test]
    fn a_subject_that_lingers_needs_no_subscription() {
        let subjects = Subjects::default();
        let subject = subjects.room("/", "lobby");
        let mut interest = Interest::new(LINGER);
        let start = Instant::now();
        assert!(interest.open(subject));
        interest.close(subject, start);
        assert!(!interest.open(subject));
        assert!(interest.sweep(start + LINGER * 2).is_empty());
        interest.close(subject, start + LINGER);
        interest.close(subject, start + LINGER);
        assert_eq!(interest.sweep(start + LINGER * 2).len(), 1);
    }
}
