use proptest::prelude::{any, proptest};

use super::{Filter, MAX_DEPTH};

/// The examples of RFC 4515, section 4, and some more.
const RIGHT: [&str; 24] = [
    "(cn=Babs Jensen)",
    "(!(cn=Tim Howes))",
    "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
    "(o=univ*of*mich*)",
    "(seeAlso=)",
    "(cn:caseExactMatch:=Fred Flintstone)",
    "(cn:=Betty Rubble)",
    "(sn:dn:2.4.6.8.10:=Barney Rubble)",
    "(o:dn:=Ace Industry)",
    "(:1.2.3:=Wilma Flintstone)",
    "(:dn:2.4.6.8.10:=Dino)",
    "(o=Parens R Us \\28for all your parenthetical needs\\29)",
    "(cn=*\\2A*)",
    "(filename=C:\\5cMyFile)",
    "(bin=\\00\\00\\00\\04)",
    "(sn=Lu\\c4\\8di\\c4\\87)",
    "(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)",
    "(objectClass=*)",
    "(age>=18)",
    "(age<=65)",
    "(cn~=Joan)",
    "(sn=Lučić)",
    "(userCertificate;binary=*)",
    "(memberOf:1.2.840.113556.1.4.1941:=cn=dev,dc=example,dc=com)",
];

#[test]
fn what_rfc_4515_allows_is_taken_as_it_is() {
    for text in RIGHT {
        assert_eq!(Filter::parse(text).as_ref().map(Filter::as_str), Ok(text));
    }
}

#[test]
fn outer_parentheses_may_be_left_out() {
    for text in RIGHT {
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap();
        assert_eq!(Filter::parse(bare).as_ref().map(Filter::as_str), Ok(text));
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, what) in [
        ("", "expected attribute=value at the end"),
        ("()", "expected an attribute at character 2"),
        ("person", "expected attribute=value at character 1"),
        ("(cn=a", "expected ) at the end"),
        ("(cn=a))", "nothing may follow the filter: unexpected text at character 7"),
        ("(cn=a)(sn=b)", "nothing may follow the filter: unexpected text at character 7"),
        ("cn=a)(sn=b", "nothing may follow the filter: unexpected text at character 5"),
        ("(&)", "expected ( at character 3"),
        ("(& (a=b))", "expected ( at character 3"),
        ("(!(a=b)(c=d))", "expected ) at character 8"),
        ("(cn=\\zz)", "expected \\ and two hexadecimal digits at character 5"),
        ("(cn=\\2)", "expected \\ and two hexadecimal digits at character 5"),
        ("(cn=é\\", "expected \\ and two hexadecimal digits at character 6"),
        ("(cn=a(b)", "write \\28 for a parenthesis in a value at character 6"),
        ("(cn=a\0b)", "write \\00 for a NUL at character 6"),
        ("(age>=1*)", "write \\2a for an asterisk at character 8"),
        ("(cn=a**b)", "a second asterisk at character 7"),
        ("(user_name=a)", "expected an attribute at character 2"),
        ("(c n=a)", "expected an attribute at character 2"),
        ("(cn>a)", "expected = at character 5"),
        ("(=a)", "expected an attribute at character 2"),
        ("(:=a)", "expected a matching rule at character 2"),
        ("(:dn:=a)", "expected a matching rule at character 2"),
        ("(cn:no rule:=a)", "expected a matching rule at character 4"),
        ("(cn:dn)", "expected := at character 4"),
    ] {
        assert_eq!(Filter::parse(text), Err(what.to_owned()), "{text}");
    }
}

#[test]
fn the_dn_flag_is_kept_in_lower_case() {
    assert_eq!(
        Filter::parse("|(:DN:2.4.6.8.10:=:DN:)(o:Dn:=A)").as_ref().map(Filter::as_str),
        Ok("(|(:dn:2.4.6.8.10:=:DN:)(o:dn:=A))")
    );
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth| format!("{}(a=b){}", "(!".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(Filter::parse(&nested(MAX_DEPTH + 1)).is_err());
    assert!(Filter::parse(&format!("(a={})", "b".repeat(9000))).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn what_it_takes_it_takes_again(text in "[(&|!]{0,4}[a:=*\\\\2()dn]{0,20}[)]{0,4}") {
        if let Ok(filter) = Filter::parse(&text) {
            assert_eq!(Filter::parse(filter.as_str()), Ok(filter));
        }
    }
}
