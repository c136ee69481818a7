//! What an external message must obey, whoever made it. Used by its parent only.

use serde_json::Value;

use super::{Action, Event, External, ExternalError, ExternalLimits};

const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Whether an event name belongs to the protocol and its client libraries, so that nobody may send it.
pub fn is_reserved_event(name: &str) -> bool {
    RESERVED_EVENTS.contains(&name)
}

pub(super) fn limit(what: &'static str, is: usize, limit: usize) -> Result<(), ExternalError> {
    if is <= limit { Ok(()) } else { Err(ExternalError::Limit { what, limit }) }
}

impl External {
    /// Checks that [`read`](Self::read) would take it, but for its size as JSON.
    ///
    /// # Errors
    /// When it does not obey `limits`, or would do nothing.
    pub fn check(&self, limits: &ExternalLimits) -> Result<(), ExternalError> {
        let target = &self.target;
        limit("the namespace's bytes are", target.namespace.len(), limits.max_name)?;
        if !target.namespace.starts_with('/') {
            return Err(ExternalError::Namespace(target.namespace.to_string()));
        }
        for rooms in [&target.rooms, &target.except] {
            check_rooms(rooms, limits)?;
        }
        match &self.action {
            Action::Emit(event) => check_event(event, limits),
            Action::Join(rooms) if rooms.is_empty() => Err(ExternalError::NoRooms("join")),
            Action::Leave(rooms) if rooms.is_empty() => Err(ExternalError::NoRooms("leave")),
            Action::Join(rooms) | Action::Leave(rooms) => check_rooms(rooms, limits),
            Action::CloseRoom if target.rooms.len() != 1 || !target.except.is_empty() => {
                Err(ExternalError::NoRooms("room"))
            }
            Action::Disconnect { .. } | Action::CloseRoom | Action::Nodes => Ok(()),
        }
    }
}

fn check_rooms(rooms: &[impl AsRef<str>], limits: &ExternalLimits) -> Result<(), ExternalError> {
    limit("the rooms of a list are", rooms.len(), limits.max_rooms)?;
    rooms.iter().try_for_each(|room| limit("a room's bytes are", room.as_ref().len(), limits.max_name))
}

fn check_event(event: &Event, limits: &ExternalLimits) -> Result<(), ExternalError> {
    limit("the event name's bytes are", event.name.len(), limits.max_name)?;
    if is_reserved_event(&event.name) {
        return Err(ExternalError::ReservedEvent(event.name.clone()));
    }
    limit("attachments are", event.attachments.len(), limits.max_attachments)?;
    for argument in &event.data {
        // The array around the arguments is a level, too.
        if depth(argument.get()) >= limits.max_depth {
            return Err(ExternalError::Depth(limits.max_depth));
        }
        check_placeholders(argument.get(), event.attachments.len())?;
    }
    Ok(())
}

/// How deep arrays and objects of valid JSON are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn check_placeholders(json: &str, attachments: usize) -> Result<(), ExternalError> {
    // A key can be hidden behind escapes, but not without a backslash.
    if !json.contains("_placeholder") && !json.contains('\\') {
        return Ok(());
    }
    if placeholders_fit(&serde_json::from_str(json)?, attachments) {
        Ok(())
    } else {
        Err(ExternalError::Placeholder(attachments))
    }
}

/// The depth was checked before.
fn placeholders_fit(value: &Value, attachments: usize) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| placeholders_fit(item, attachments)),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            fields.get("num").and_then(Value::as_u64).is_some_and(|number| number < attachments as u64)
        }
        Value::Object(fields) => fields.values().all(|field| placeholders_fit(field, attachments)),
        _ => true,
    }
}
