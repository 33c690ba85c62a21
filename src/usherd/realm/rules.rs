//! Rules: what must hold of a user beside a right password.

use super::person::Person;
use crate::config::{Rule, Test};

/// The first rule that does not hold.
pub(super) fn broken<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    person: &Person,
) -> Option<&'a Rule> {
    rules.into_iter().find(|rule| !holds(rule, person))
}

/// Names and values are compared whole and without case, as directories compare them:
/// `admin` is not `administrators-x`.
fn holds(rule: &Rule, person: &Person) -> bool {
    let is_one_of = |wanted: &[String], has: &str| wanted.iter().any(|other| same(has, other));
    match &rule.test {
        Test::Group(names) => person.groups().any(|has| is_one_of(names, has)),
        Test::Attribute { name, values } => person.values(name).any(|has| is_one_of(values, has)),
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The attribute that a rule looks at.
pub(super) fn attribute(rule: &Rule) -> Option<&str> {
    match &rule.test {
        Test::Group(_) => None,
        Test::Attribute { name, .. } => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{Person, broken};
    use crate::config::Rule;
    use crate::directory::{Attributes, Entry};

    #[test]
    fn a_rule_holds_by_whole_values_in_any_case() {
        let mut attributes = Attributes::default();
        attributes.add("employeeType", ["Staff".to_owned()]);
        let groups = vec!["dev".to_owned()];
        let entry =
            Entry { id: String::new(), username: String::new(), attributes, groups, barred: None };
        let person = Person::new(&entry, &[]);
        for (text, holds) in [
            ("group=dev", true),
            ("group=ops|Dev", true),
            ("group=de", false),
            ("group=developers", false),
            ("attribute:employeetype=staff", true),
            ("attribute:employeeType=contractor|staff", true),
            ("attribute:employeeType=contractor", false),
            ("attribute:absent=staff", false),
        ] {
            let rule = Rule::parse(text).expect(text);
            assert_eq!(broken([&rule], &person).is_none(), holds, "{text}");
        }
    }
}
