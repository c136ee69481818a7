use super::*;

fn key() -> Key {
    ("/".to_owned(), "room".to_owned())
}

fn member(user: &str) -> Member {
    Member { user: user.to_owned(), ..Member::default() }
}

fn listing(version: u64, users: &[&str]) -> Listing {
    let members: Vec<_> = users.iter().map(|user| Member { sockets: 1, ..member(user) }).collect();
    Listing { version, count: members.len() as u64, members }
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| &*member.user).collect()
}

fn known(users: &[(&str, &str)]) -> Directory {
    let mut directory = Directory::new(3, 100);
    for (socket, user) in users {
        directory.joined(&key(), socket, member(user));
    }
    directory.is_known_now(&key());
    directory.news(&key());
    directory
}

#[test]
fn connections_of_one_user_are_one_member() {
    let mut directory = known(&[("1", "ada"), ("2", "ada"), ("3", "grace")]);
    directory.told(&key(), "n", listing(1, &["ada", "linus"]));
    let view = directory.view(&key()).expect("a room");
    assert_eq!((view.count, names(&view.users)), (3, vec!["ada", "grace", "linus"]));
    assert_eq!(view.users[0].sockets, 3);
    directory.news(&key());
    assert!(!directory.left(&key(), "1") && !directory.left(&key(), "2"));
    assert_eq!(directory.news(&key()), None, "she is still on another node");
    directory.told(&key(), "n", listing(2, &["linus"]));
    let news = directory.news(&key()).expect("news");
    assert_eq!((names(&news.joined), names(&news.left), news.count), (vec![], vec!["ada"], 2));
}

#[test]
fn the_first_member_is_news_and_those_before_it_are_not() {
    let mut directory = Directory::new(3, 0);
    directory.joined(&key(), "1", member("ada"));
    assert_eq!(directory.news(&key()), None, "the others are asked first");
    assert!(!directory.is_known(&key()));
    directory.told(&key(), "n", listing(1, &["linus"]));
    directory.is_known_now(&key());
    assert_eq!(names(&directory.news(&key()).expect("news").joined), ["ada"]);
}

#[test]
fn what_is_old_or_of_no_interest_is_not_taken() {
    let mut directory = known(&[("1", "ada")]);
    assert!(directory.told(&key(), "n", listing(2, &[])));
    assert!(!directory.told(&key(), "n", listing(1, &["linus"])), "an older one comes late");
    assert!(!directory.told(&("/".to_owned(), "other".to_owned()), "n", listing(3, &["linus"])));
    assert_eq!(directory.view(&key()).expect("a room").count, 1);
    assert!(directory.left(&key(), "1") && !directory.left(&key(), "1"));
    assert_eq!(directory.view(&key()), None);
    assert!(directory.listing(&key()).version > 100 && directory.listing(&key()).count == 0);
}

#[test]
fn a_dead_nodes_users_leave() {
    let mut directory = known(&[("1", "ada")]);
    directory.told(&key(), "n", listing(1, &["linus"]));
    directory.told(&key(), "m", listing(1, &["grace"]));
    directory.news(&key());
    assert_eq!(directory.forget_others(&BTreeSet::from(["m".to_owned()])), [key()]);
    assert_eq!(names(&directory.news(&key()).expect("news").left), ["linus"]);
}

#[test]
fn what_was_lost_on_the_way_is_noticed() {
    let mut directory = known(&[("1", "ada")]);
    directory.told(&key(), "n", listing(1, &["linus"]));
    let digest = |version| vec![("room".to_owned(), version), ("other".to_owned(), 9)];
    assert!(directory.compare("/", "n", digest(1)).is_empty());
    assert_eq!(directory.compare("/", "n", digest(2)), [key()]);
    assert_eq!(directory.compare("/", "m", digest(1)), [key()], "a node that nobody told of");
    for _ in 0..MAX_SILENCE {
        assert!(directory.forget_silent().is_empty());
    }
    assert_eq!(directory.forget_silent(), [key()]);
}

#[test]
fn a_crowd_is_counted_and_not_announced() {
    let mut directory = known(&[("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]);
    let view = directory.view(&key()).expect("a room");
    assert_eq!((view.count, view.users.len(), view.truncated), (4, 3, true));
    assert_eq!(directory.news(&key()), None);
    directory.left(&key(), "4");
    assert_eq!(names(&directory.news(&key()).expect("news").joined), ["a", "b", "c"]);
}
