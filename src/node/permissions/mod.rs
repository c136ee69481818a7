//! What clients may do by themselves: rooms to join, rooms to emit to, events to send.
//!
//! Rules are configured, or come with a client's own claims. Asked for each event of a client and by whatever lets clients act without
//! code; never by what the backend does. Nothing is permitted that no rule permits, with one exception: see
//! [`may_send`](Permissions::may_send).

mod claims;
mod live;
mod pattern;
mod rule;

pub(in crate::node) use self::claims::Claims;
pub(in crate::node) use self::live::LivePermissions;
pub(in crate::node) use self::pattern::{Pattern, PatternError};
pub(in crate::node) use self::rule::{PermissionOptions, Rule};

/// All rules.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Permissions {
    rules: Vec<Rule>,
}

impl Permissions {
    /// Understands the options.
    pub(in crate::node) fn new(options: &[PermissionOptions]) -> Result<Self, PatternError> {
        Ok(Self { rules: options.iter().map(Rule::try_from).collect::<Result<_, _>>()? })
    }

    /// Whether a client may join the room, leave it, and see who is there.
    pub(in crate::node) fn may_join(&self, claims: &Claims, namespace: &str, room: &str) -> bool {
        let mut rules = self.of(claims, namespace);
        rules.any(|rule| rule.join.iter().any(|pattern| pattern.matches(room, claims)))
    }

    /// Whether a client may emit to the room.
    pub(in crate::node) fn may_emit(&self, claims: &Claims, namespace: &str, room: &str) -> bool {
        let mut rules = self.of(claims, namespace);
        rules.any(|rule| rule.emit.iter().any(|pattern| pattern.matches(room, claims)))
    }

    /// Whether a client may send the event to the server. Where no rule for the namespace says anything of events, whomever it is
    /// for, it may: what is handled there was configured for clients.
    pub(in crate::node) fn may_send(&self, claims: &Claims, namespace: &str, event: &str) -> bool {
        let all = self.rules.iter().chain(claims.rules());
        let mut saying = all.filter(|rule| rule.send.is_some() && rule.namespace.could_match(namespace));
        if saying.next().is_none() {
            return true;
        }
        let mut patterns = self.of(claims, namespace).filter_map(|rule| rule.send.as_ref()).flatten();
        patterns.any(|pattern| pattern.matches(event, claims))
    }

    /// The rules for a client in a namespace.
    fn of<'a>(&'a self, claims: &'a Claims, namespace: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().chain(claims.rules()).filter(move |rule| rule.is_for(claims, namespace))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn permissions(rules: Value) -> Permissions {
        let options: Vec<PermissionOptions> = serde_json::from_value(rules).expect("rules");
        Permissions::new(&options).expect("patterns")
    }

    fn claims(values: Value) -> Claims {
        let Value::Object(values) = values else { unreachable!() };
        Claims::new(values, Vec::new())
    }

    #[test]
    fn without_a_rule_nothing_is_permitted() {
        let nothing = Permissions::default();
        let user = claims(json!({"sub": "a"}));
        assert!(!nothing.may_join(&user, "/", "room"));
        assert!(!nothing.may_emit(&user, "/", "room"));
        assert!(nothing.may_send(&user, "/", "what a worker handles"));
    }

    #[test]
    fn rules_permit_by_namespace_and_claims() {
        let permissions = permissions(json!([
            {"namespace": "/chat", "join": ["lobby", "user-{sub}"]},
            {"namespace": "/chat", "claims": {"role": ["editor", "admin"]}, "emit": ["lobby"]},
            {"namespace": "/t-{tenant}", "claims": {"paid": true}, "join": ["*"], "emit": ["*"]},
        ]));
        let user = claims(json!({"sub": "a", "role": "reader", "tenant": "x"}));
        let admin = claims(json!({"sub": "b", "role": ["other", "admin"], "tenant": "x", "paid": true}));
        assert!(permissions.may_join(&user, "/chat", "lobby"));
        assert!(permissions.may_join(&user, "/chat", "user-a"));
        assert!(!permissions.may_join(&user, "/chat", "user-b"));
        assert!(!permissions.may_join(&user, "/", "lobby"));
        assert!(!permissions.may_join(&Claims::default(), "/chat", "user-a"));
        assert!(!permissions.may_emit(&user, "/chat", "lobby"));
        assert!(permissions.may_emit(&admin, "/chat", "lobby"));
        assert!(!permissions.may_emit(&admin, "/chat", "user-b"));
        assert!(permissions.may_join(&admin, "/t-x", "anything"));
        assert!(!permissions.may_join(&admin, "/t-y", "anything"));
        assert!(!permissions.may_join(&user, "/t-x", "anything"));
    }

    #[test]
    fn events_are_free_until_a_rule_says_something_of_them() {
        let permissions = permissions(json!([
            {"namespace": "/a", "send": ["message", "typing-*"]},
            {"namespace": "/b", "claims": {"role": "admin"}, "send": ["drop"]},
            {"namespace": "/t-{tenant}", "send": ["message"]},
            {"namespace": "/c", "join": ["x"]},
        ]));
        let user = claims(json!({"sub": "a", "tenant": "x"}));
        assert!(
            permissions.may_send(&user, "/a", "message") && permissions.may_send(&user, "/a", "typing-1")
        );
        assert!(!permissions.may_send(&user, "/a", "drop"));
        // Those rules are for others: that does not make everything free.
        assert!(!permissions.may_send(&user, "/b", "drop") && !permissions.may_send(&user, "/b", "message"));
        assert!(permissions.may_send(&claims(json!({"role": "admin"})), "/b", "drop"));
        assert!(permissions.may_send(&user, "/t-x", "message"));
        assert!(!permissions.may_send(&user, "/t-y", "message"));
        assert!(permissions.may_send(&user, "/c", "anything"));
    }

    #[test]
    fn a_clients_own_rules_permit_too() {
        let own: PermissionOptions =
            serde_json::from_value(json!({"namespace": "/", "join": ["mine-{sub}"], "send": ["hello"]}))
                .expect("a rule");
        let Value::Object(values) = json!({"sub": "a"}) else { unreachable!() };
        let user = Claims::new(values, vec![Rule::try_from(&own).expect("patterns")]);
        let nothing = Permissions::default();
        assert!(nothing.may_join(&user, "/", "mine-a") && !nothing.may_join(&user, "/", "mine-b"));
        assert!(nothing.may_send(&user, "/", "hello") && !nothing.may_send(&user, "/", "other"));
        assert!(nothing.may_send(&Claims::default(), "/", "other"));
    }

    #[test]
    fn unknown_keys_are_errors() {
        assert!(serde_json::from_value::<PermissionOptions>(json!({"rooms": []})).is_err());
        let bad: PermissionOptions = serde_json::from_value(json!({"join": ["{"]})).expect("a rule");
        assert!(Permissions::new(&[bad]).is_err());
    }
}
