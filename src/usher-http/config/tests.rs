use std::path::Path;

use super::{Address, Config, Encoding, raw};

const REALM: &str = "[realm.corp]\ntype = \"local\"\n";

fn read(text: &str) -> Result<Config, String> {
    raw::parse(text)
        .and_then(|file| Config::of(file, Path::new("/etc/usher")))
        .map_err(|problem| problem.show(Path::new("usher.toml"), text))
}

#[test]
fn without_a_table_there_are_defaults_and_the_five_usual_headers() {
    let config = read(REALM).unwrap();
    assert_eq!(config.daemon, Path::new("/run/usher/usher.sock"));
    assert_eq!(config.listen, Address::Unix("/run/usher/http.sock".into()));
    assert_eq!(config.challenge, "Basic realm=\"Restricted\", charset=\"UTF-8\"");
    assert_eq!((config.socket_mode, config.trusted_user_header), (0o660, None));
    let names: Vec<_> = config.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "x-remote-user",
            "x-remote-email",
            "x-remote-firstname",
            "x-remote-lastname",
            "x-remote-groups"
        ]
    );
}

#[test]
fn the_headers_are_those_of_every_realm() {
    let text = "[realm.a.metadata]\nWHO = \"%username\"\nX_MAIL = \"mail\"\n\
                [realm.b.metadata]\nx_mail = { attribute = \"mail\" }\n[realm.c]\n";
    let config = read(text).unwrap();
    let keys: Vec<_> = config.headers.iter().map(|header| header.key.as_str()).collect();
    assert_eq!(keys[..3], ["WHO", "X_MAIL", "X_REMOTE_USER"]);
    assert_eq!((keys.len(), config.realms.len()), (7, 3));
}

#[test]
fn sockets_stand_beside_the_file_or_at_an_address() {
    let at = |listen: &str| read(&format!("{REALM}[http]\nlisten = \"{listen}\"\n"));
    assert_eq!(at("./h.sock").unwrap().listen, Address::Unix("/etc/usher/./h.sock".into()));
    assert_eq!(at("[::1]:80").unwrap().listen, Address::Tcp("[::1]:80".parse().unwrap()));
    assert!(at("localhost:80").unwrap_err().starts_with("usher.toml:4:10: not an address"));
}

#[test]
fn beyond_this_machine_it_must_be_said_who_may_connect() {
    let http = format!("{REALM}[http]\nlisten = \"0.0.0.0:9180\"\n");
    assert!(read(&http).unwrap_err().starts_with("usher.toml:4:10: listen: not an address of"));
    assert_eq!(read(&format!("{http}peers = [\"172.17.0.0/16\"]\n")).unwrap().peers.len(), 1);
    let wrong = read(&format!("{http}peers = [\"::1\", \"x\"]\n")).unwrap_err();
    assert!(wrong.starts_with("usher.toml:5:17: peers: not an address"), "{wrong}");
}

#[test]
fn a_users_name_is_taken_from_nobody_but_those_who_were_let_in_for_that() {
    let trusted = |listen: &str, http: &str| {
        let key = "trusted_user_header = \"X-Forwarded-User\"\n";
        read(&format!("{REALM}[listen]\n{listen}\n[http]\n{http}\n{key}"))
    };
    for (listen, http, sound) in [
        ("", "", true),
        ("socket_mode = \"0660\"", "", true),
        ("socket_mode = \"0666\"", "", false),
        ("socket_mode = \"0662\"", "", false),
        ("", "listen = \"127.0.0.1:9180\"", true),
        ("", "listen = \"[::1]:9180\"", true),
        ("", "listen = \"127.0.0.1:9180\"\npeers = [\"127.0.0.1\"]", true),
        ("socket_mode = \"0666\"", "listen = \"0.0.0.0:1\"\npeers = [\"10.0.0.1\"]", true),
    ] {
        let read = trusted(listen, http);
        assert_eq!(read.is_ok(), sound, "{listen} {http} {read:?}");
        if let Err(wrong) = read {
            assert!(wrong.contains(":23: trusted_user_header: "), "{wrong}");
        }
    }
}

#[test]
fn an_encoding_is_for_all_or_for_each_that_is_named() {
    let encodings = |text: &str| {
        read(&format!("{REALM}[http]\nheader_encoding = {text}\n"))
            .map(|config| config.headers.iter().map(|header| header.encoding).collect::<Vec<_>>())
    };
    assert_eq!(encodings("\"percent\"").unwrap(), [Encoding::Percent; 5]);
    let each = encodings("{ X_REMOTE_FIRSTNAME = \"ascii\", X_REMOTE_LASTNAME = \"rfc2047\" }");
    let [utf8, ascii, rfc] = [Encoding::Utf8, Encoding::Ascii, Encoding::Rfc2047];
    assert_eq!(each.unwrap(), [utf8, utf8, ascii, rfc, utf8]);
    assert!(encodings("{ X_REMOTE_X = \"ascii\" }").unwrap_err().contains("no realm tells"));
    assert!(encodings("\"latin1\"").unwrap_err().contains("unknown variant `latin1`"));
    for told in [
        "\"iso-8859-1\"",
        "\"ascii\"",
        "{ X_REMOTE_USER = \"ascii\" }",
        "{ X_REMOTE_GROUPS = \"ascii\" }",
    ] {
        assert!(encodings(told).unwrap_err().contains("would make one of two"), "{told}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_the_line() {
    for (http, told) in [
        ("challenge = \"a\\\"b\"", "usher.toml:4:13: challenge: 1 to 128"),
        ("trusted_user_header = \"X Y\"", "usher.toml:4:23: trusted_user_header: not the name"),
        ("password_change_url = \"x\"", "usher.toml:4:23: password_change_url: not a URL"),
        ("secret = \"x\"", "usher.toml:4:1: unknown field `secret`"),
        ("listen = 9180", "usher.toml:4:10: invalid type: integer"),
    ] {
        let wrong = read(&format!("{REALM}[http]\n{http}\n")).unwrap_err();
        assert!(wrong.starts_with(told), "{wrong}");
    }
    let wrong = read(&format!("{REALM}[realm.corp.metadata]\nX_USHER_REASON = \"cn\"\n"));
    assert!(wrong.unwrap_err().contains("X_USHER_REASON cannot be a header"));
}
