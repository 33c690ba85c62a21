//! Rules: what must hold of a user beside a right password.

use crate::config::{Rule, Test};
use crate::directory::{Asked, Entry};

/// The first rule that does not hold.
pub(super) fn broken<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    entry: &Entry,
) -> Option<&'a Rule> {
    rules.into_iter().find(|rule| !holds(rule, entry))
}

/// Names and values are compared whole and without case, as directories compare them:
/// `admin` is not `administrators-x`.
fn holds(rule: &Rule, entry: &Entry) -> bool {
    let (has, wanted) = match &rule.test {
        Test::Group(names) => (entry.groups.as_slice(), names),
        Test::Attribute { name, values } => (entry.attributes.values(name), values),
        Test::Filter(filter) => return entry.filters.iter().any(|it| it == filter.as_str()),
    };
    has.iter().any(|value| wanted.iter().any(|other| same(value, other)))
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What must be known of an entry to judge it by these rules.
pub(super) fn asked(rules: &[Rule]) -> Asked {
    let mut asked = Asked::default();
    for rule in rules {
        match &rule.test {
            Test::Group(_) => {}
            Test::Attribute { name, .. } => asked.attribute(name),
            Test::Filter(filter) => asked.filter(filter.as_str()),
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::broken;
    use crate::config::Rule;
    use crate::directory::{Attributes, Entry};

    #[test]
    fn a_rule_holds_by_whole_values_in_any_case() {
        let mut attributes = Attributes::default();
        attributes.add("employeeType", ["Staff".to_owned()]);
        let groups = vec!["dev".to_owned()];
        let filters = vec!["(a=b)".to_owned()];
        let entry = Entry { attributes, groups, filters, ..Entry::default() };
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
            assert_eq!(broken([&rule], &entry).is_none(), holds, "{text}");
        }
    }
}
