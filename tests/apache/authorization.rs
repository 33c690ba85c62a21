//! `Require usher-group`, `usher-attribute` and `usher-rule`.

use super::{Site, authenticated, everywhere, looked_up};
use crate::support::slapd::Slapd;

/// A place for each of these requirements: `/0`, `/1` and so on.
fn places(of: impl Fn(&str) -> String, requirements: &[&str]) -> String {
    let place = |(number, requirement): (usize, &&str)| {
        let lines = format!("    AuthzSendForbiddenOnFailure On\n    {requirement}");
        of(&lines).replace("/app", &format!("/{number}"))
    };
    requirements.iter().enumerate().map(place).collect()
}

/// Where httpd itself authenticates.
fn by_httpd(lines: &str) -> String {
    looked_up("").replace("    Require valid-user", lines)
}

fn status(site: &Site, user: &str, place: usize) -> u16 {
    site.httpd.get_as(user, &format!("{user}-secret"), &format!("/{place}")).status
}

/// What becomes of alice (dev, staff) and of bob (ops), whoever authenticates.
fn assert_judged(cases: &[(&str, (u16, u16))]) {
    let requirements: Vec<&str> = cases.iter().map(|(requirement, _)| *requirement).collect();
    everywhere(&places(authenticated, &requirements), |site| {
        for (place, (requirement, expected)) in cases.iter().enumerate() {
            let statuses = (status(&site, "alice", place), status(&site, "bob", place));
            assert_eq!(statuses, *expected, "{requirement}");
        }
    });
    everywhere(&places(by_httpd, &requirements), |site| {
        for (place, (requirement, expected)) in cases.iter().enumerate() {
            let status =
                |user| site.httpd.get_as(user, "alice-secret", &format!("/{place}")).status;
            assert_eq!((status("alice"), status("bob")), *expected, "{requirement}");
        }
    });
}

#[test]
fn groups_attributes_and_rules_let_in_whom_they_name_under_every_mpm() {
    assert_judged(&[
        ("Require usher-group dev", (200, 403)),
        ("Require usher-group ops DEV", (200, 200)),
        ("Require usher-group \"de\" developers", (403, 403)),
        ("Require usher-attribute employeeType=staff", (200, 403)),
        ("Require usher-attribute employeeType=temp employeeType=staff|x", (200, 403)),
        ("Require usher-rule group=ops|admins", (403, 200)),
        ("Require usher-rule attribute:employeeType=staff group=ops", (200, 200)),
    ]);
}

const DEV_AND_STAFF: &str = "<RequireAll>\nRequire usher-group dev\n\
                             Require usher-attribute employeeType=staff\n</RequireAll>";
const STAFF_TWICE: &str = "<RequireAll>\nRequire usher-attribute employeeType=staff\n\
                           Require usher-rule attribute:employeeType=staff|x\n</RequireAll>";
const OPS_OR_STAFF: &str = "<RequireAny>\nRequire usher-group ops\n\
                            Require usher-attribute employeeType=staff\n</RequireAny>";
const TEMP_OR_DEV: &str = "<RequireAny>\nRequire usher-attribute employeeType=temp\n\
                           Require usher-group dev\n</RequireAny>";
const TEMP_OR_STAFF: &str = "<RequireAny>\nRequire usher-attribute employeeType=temp\n\
                             Require usher-attribute employeeType=staff\n</RequireAny>";
const NOT_OPS: &str = "<RequireAll>\nRequire valid-user\n<RequireNone>\n\
                       Require usher-group ops\n</RequireNone>\n</RequireAll>";
const NOT_DEV: &str =
    "<RequireAll>\nRequire valid-user\nRequire not usher-group dev\n</RequireAll>";
const NOT_TEMP: &str = "<RequireAll>\nRequire valid-user\n\
                        Require not usher-attribute employeeType=temp\n</RequireAll>";
const NOT_STAFF: &str = "<RequireAll>\nRequire valid-user\n\
                         Require not usher-attribute employeeType=staff\n</RequireAll>";
const NONE_OF_STAFF: &str = "<RequireAll>\nRequire valid-user\n<requirenone>\n\
                             Require usher-attribute employeeType=staff\n\
                             </requirenone>\n</RequireAll>";
const DEV_AND_OPS: &str = "<RequireAll>\nRequire usher-group dev\nRequire usher-group ops\n\
                           </RequireAll>";
const OPS_OR_DEV: &str = "<RequireAny>\nRequire usher-group ops\nRequire usher-rule group=dev\n\
                          </RequireAny>";

#[test]
fn they_are_composed_as_any_other_requirement_under_every_mpm() {
    assert_judged(&[
        (DEV_AND_STAFF, (200, 403)),
        (STAFF_TWICE, (200, 403)),
        (DEV_AND_OPS, (403, 403)),
        (OPS_OR_STAFF, (200, 200)),
        (OPS_OR_DEV, (200, 200)),
        (TEMP_OR_DEV, (200, 403)),
        (TEMP_OR_STAFF, (200, 403)),
        (NOT_OPS, (200, 403)),
        (NOT_DEV, (403, 200)),
        (NOT_TEMP, (200, 200)),
        (NOT_STAFF, (403, 200)),
        (NONE_OF_STAFF, (403, 200)),
    ]);
}

/// The status for alice and how many questions it takes.
fn assert_questions(of: impl Fn(&str) -> String, cases: &[(&str, u16, u64)]) {
    let requirements: Vec<&str> = cases.iter().map(|(requirement, ..)| *requirement).collect();
    everywhere(&places(of, &requirements), |site| {
        let questions = || {
            let (judged, found, not_found) = site.questions();
            judged + found + not_found
        };
        for (place, (requirement, expected, most)) in cases.iter().enumerate() {
            let before = questions();
            assert_eq!(status(&site, "alice", place), *expected, "{requirement}");
            assert_eq!(questions() - before, *most, "{requirement}");
        }
    });
}

#[test]
fn a_login_is_judged_by_its_own_answer_under_every_mpm() {
    let staff = "Require usher-attribute employeeType=staff";
    let temp = "Require usher-rule attribute:employeeType=temp";
    assert_questions(
        authenticated,
        &[
            // Groups are in the answer, however they are composed.
            ("Require usher-group dev", 200, 1),
            ("Require usher-group ops", 403, 1),
            (DEV_AND_OPS, 403, 1),
            (OPS_OR_DEV, 200, 1),
            (NOT_OPS, 200, 1),
            (NOT_DEV, 403, 1),
            // Attributes are asked together with the password.
            (staff, 200, 1),
            (DEV_AND_STAFF, 200, 1),
            (STAFF_TWICE, 200, 1),
            (OPS_OR_STAFF, 200, 1),
            // Of who has not all of them, the login is asked alone; one that fails is known by that.
            (temp, 403, 2),
            (TEMP_OR_DEV, 200, 2),
            // And each of several.
            (TEMP_OR_STAFF, 200, 4),
            // What is to hold of nobody is asked for itself.
            (NOT_TEMP, 200, 2),
            (NOT_STAFF, 403, 2),
            (NONE_OF_STAFF, 403, 2),
        ],
    );
}

#[test]
fn whom_others_authenticated_is_judged_by_the_first_answer_under_every_mpm() {
    assert_questions(
        by_httpd,
        &[
            ("Require usher-group dev", 200, 1),
            (DEV_AND_OPS, 403, 1),
            (OPS_OR_DEV, 200, 1),
            (NOT_OPS, 200, 1),
            ("Require usher-attribute employeeType=staff", 200, 1),
            (DEV_AND_STAFF, 200, 1),
            (STAFF_TWICE, 200, 1),
            (OPS_OR_STAFF, 200, 1),
            (TEMP_OR_DEV, 200, 2),
            (TEMP_OR_STAFF, 200, 4),
            (NOT_TEMP, 200, 2),
            (NOT_STAFF, 403, 1),
            (NONE_OF_STAFF, 403, 1),
            // What stands with others in a line is asked for itself.
            ("Require usher-attribute employeeType=staff employeeType=temp", 200, 1),
            ("Require usher-attribute employeeType=temp employeeType=staff", 200, 2),
        ],
    );
}

#[test]
fn an_attribute_costs_the_directory_no_search_of_its_own() {
    let staff = "Require usher-attribute employeeType=staff";
    let slapd = Slapd::start();
    let site = Site::start("event", &authenticated(staff)).with_realm(&slapd.realm());
    assert_eq!(site.alice().status, 200, "{}", site.httpd.log());
    assert_eq!(slapd.searches_for("uid=alice"), 1, "{}", slapd.log());
    // Of who does not fulfil it, all is remembered when the login is asked alone.
    let bob = "uid=bob,ou=people,dc=example,dc=com";
    assert_eq!(site.httpd.get_as("bob", "bob-secret", "/app").status, 401);
    assert_eq!((slapd.searches_for("uid=bob"), slapd.binds_of(bob)), (1, 1), "{}", slapd.log());
}

#[test]
fn an_inner_place_is_judged_by_its_own_requirements_under_every_mpm() {
    // The outer place's attribute is asked along where the inner one says nothing of its own, and
    // decides nothing where it does.
    let outer = authenticated(
        "    AuthzSendForbiddenOnFailure On\n    Require usher-attribute employeeType=temp",
    );
    let inner = "<Location /app/inner>\n    Require usher-group dev\n</Location>\n\
                 <Location /app/staff>\n    Require usher-attribute employeeType=staff\n</Location>";
    everywhere(&format!("{outer}{inner}"), |site| {
        let status = |path| site.httpd.get_as("alice", "alice-secret", path).status;
        assert_eq!((status("/app/inner"), status("/app/staff")), (200, 200));
        // However often: a rule that does not hold is no wrong password.
        (0..8).for_each(|_| assert_eq!(status("/app"), 403));
        assert_eq!(status("/app/inner"), 200);
    });
}

#[test]
fn nobody_is_in_no_group_under_every_mpm() {
    let lines = "    AuthzSendForbiddenOnFailure On";
    everywhere(&looked_up(lines).replace("valid-user", "usher-group dev"), |site| {
        assert_eq!(site.httpd.get_as("stranger", "alice-secret", "/app").status, 403);
        assert_eq!(site.httpd.get("/app", &[]).status, 401);
    });
}

#[test]
fn a_rule_that_the_daemon_does_not_understand_lets_nobody_in_under_every_mpm() {
    let rule = "Require usher-rule \"attribute:a b=c\"";
    let login = authenticated(rule).replace("/app", "/login");
    // It concerns nobody whom another requirement lets in.
    let any = format!("<RequireAny>\nRequire usher-group dev\n{rule}\n</RequireAny>");
    let any = authenticated(&any).replace("/app", "/any");
    let configuration =
        format!("{}{login}{any}", looked_up("").replace("Require valid-user", rule));
    everywhere(&configuration, |site| {
        assert_eq!(site.alice().status, 503);
        let log = site.httpd.log();
        assert!(log.contains("cannot authorize alice: usherd: "), "{log}");
        let status = |path| site.httpd.get_as("alice", "alice-secret", path).status;
        assert_eq!((status("/login"), status("/any")), (503, 200));
    });
}
