//! Rules: what must hold of a user beside a right password.

use super::person::Person;
use crate::config::{Rule, Test};
use crate::directory::Wanted;
use crate::telemetry::trace;

/// The first rule that does not hold.
pub(super) fn broken<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    person: &Person,
) -> Option<&'a Rule> {
    rules.into_iter().find(|rule| {
        let holds = holds(rule, person);
        trace::step("rule", || {
            format!("{}: {}", rule.text, if holds { "holds" } else { "broken" })
        });
        !holds
    })
}

/// Names and values are compared whole and without case, as directories compare them:
/// `admin` is not `administrators-x`.
fn holds(rule: &Rule, person: &Person) -> bool {
    let is_one_of = |wanted: &[String], has: &str| wanted.iter().any(|other| same(has, other));
    match &rule.test {
        Test::Group(names) => person.groups().any(|has| is_one_of(names, has)),
        Test::Attribute { name, values } => person.values(name).any(|has| is_one_of(values, has)),
        Test::Filter(filter) => person.filters().any(|it| it == filter.as_str()),
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What a rule wants of an entry: an attribute, or a filter, which begins with a parenthesis.
pub(super) fn fact(rule: &Rule) -> Option<String> {
    match &rule.test {
        Test::Group(_) => None,
        Test::Attribute { name, .. } => Some(name.to_ascii_lowercase()),
        Test::Filter(filter) => Some(filter.as_str().to_owned()),
    }
}

/// What is wanted of an entry so that these facts are known.
pub(super) fn wanted<'a>(facts: impl Iterator<Item = &'a String>) -> Wanted {
    let mut wanted = Wanted::default();
    for fact in facts {
        if fact.starts_with('(') { wanted.filter(fact) } else { wanted.attribute(fact) }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::{Person, broken};
    use crate::config::Rule;
    use crate::directory::{Attributes, Entry};
    use crate::realm::tests::settings;

    #[test]
    fn a_rule_holds_by_whole_values_in_any_case() {
        let mut attributes = Attributes::default();
        attributes.add("employeeType", ["Staff".to_owned()]);
        let groups = vec!["dev".to_owned()];
        let filters = vec!["(a=b)".to_owned()];
        let entry = Entry { attributes, groups, filters, ..Entry::default() };
        let person = Person::new(&entry, &[], &settings(""));
        for (text, holds) in [
            ("group=dev", true),
            ("group=ops|Dev", true),
            ("group=de", false),
            ("group=developers", false),
            ("attribute:employeetype=staff", true),
            ("attribute:employeeType=contractor|staff", true),
            ("attribute:employeeType=contractor", false),
            ("attribute:absent=staff", false),
            ("filter=(a=b)", true),
            ("filter=a=b", true),
            ("filter=(a=c)", false),
        ] {
            let rule = Rule::parse(text).expect(text);
            assert_eq!(broken([&rule], &person).is_none(), holds, "{text}");
        }
    }
}
