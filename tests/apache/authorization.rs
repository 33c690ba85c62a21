//! `Require usher-group`, `usher-attribute` and `usher-rule`.

use super::{Site, authenticated, looked_up};

/// The status for alice (dev, staff) and for bob (ops), whom httpd itself authenticates.
fn judged(requirements: &str) -> (u16, u16) {
    let lines = "    AuthzSendForbiddenOnFailure On";
    let site = Site::start("event", &looked_up(lines).replace("Require valid-user", requirements));
    let status = |user: &str| site.httpd.get_as(user, "alice-secret", "/app").status;
    (status("alice"), status("bob"))
}

#[test]
fn groups_attributes_and_rules_let_in_whom_they_name() {
    for (requirement, expected) in [
        ("Require usher-group dev", (200, 403)),
        ("Require usher-group ops DEV", (200, 200)),
        ("Require usher-group \"de\" developers", (403, 403)),
        ("Require usher-attribute employeeType=staff", (200, 403)),
        ("Require usher-attribute employeeType=temp employeeType=staff|x", (200, 403)),
        ("Require usher-rule group=ops|admins", (403, 200)),
        ("Require usher-rule attribute:employeeType=staff group=ops", (200, 200)),
    ] {
        assert_eq!(judged(requirement), expected, "{requirement}");
    }
}

#[test]
fn they_are_composed_as_any_other_requirement() {
    let within = |kind: &str, lines: &str| format!("<{kind}>\n{lines}\n</{kind}>");
    let (dev, staff) = ("Require usher-group dev", "Require usher-attribute employeeType=staff");
    let (ops, anybody) = ("Require usher-group ops", "Require valid-user");
    for (requirement, expected) in [
        (within("RequireAll", &format!("{dev}\n{staff}")), (200, 403)),
        (within("RequireAll", &format!("{dev}\n{ops}")), (403, 403)),
        (within("RequireAny", &format!("{ops}\n{staff}")), (200, 200)),
        (within("RequireAll", &format!("{anybody}\n{}", within("RequireNone", ops))), (200, 403)),
        (within("RequireAll", &format!("{anybody}\nRequire not usher-group dev")), (403, 200)),
    ] {
        assert_eq!(judged(&requirement), expected, "{requirement}");
    }
}

#[test]
fn groups_are_judged_by_the_answer_that_is_there() {
    let requirements = "    <RequireAny>\n    Require usher-group ops\n    \
                        Require usher-rule group=dev\n    </RequireAny>";
    let site = Site::start("event", &authenticated(requirements));
    assert_eq!(site.alice().header("X-Remote-User"), Some("alice"));
    assert_eq!(site.questions(), (1, 0, 0));
}

#[test]
fn an_attribute_is_asked_together_with_who_it_is() {
    let attribute = "Require usher-attribute employeeType=staff";
    let site = Site::start("event", &looked_up("").replace("Require valid-user", attribute));
    assert_eq!(site.alice().header("X-Remote-User"), Some("alice"));
    assert_eq!(site.questions(), (0, 1, 0));
}

#[test]
fn nobody_is_in_no_group() {
    let lines = "    AuthzSendForbiddenOnFailure On";
    let group = looked_up(lines).replace("valid-user", "usher-group dev");
    let site = Site::start("event", &group);
    assert_eq!(site.httpd.get_as("stranger", "alice-secret", "/app").status, 403);
    assert_eq!(site.httpd.get("/app", &[]).status, 401);
}

#[test]
fn a_rule_that_the_daemon_does_not_understand_lets_nobody_in() {
    let rule = "Require usher-rule \"attribute:a b=c\"";
    let site = Site::start("event", &looked_up("").replace("Require valid-user", rule));
    assert_eq!(site.alice().status, 503);
    assert!(site.httpd.log().contains("cannot authorize alice: usherd: "), "{}", site.httpd.log());
}
