//! The results of test cases as JUnit XML, which most CI systems show.
//!
//! Own code because it is one small document, and the crates for it bring clocks, random identifiers and an XML parser.

use std::fmt::Write as _;

/// The result of a case.
#[derive(Debug)]
pub struct TestCase<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub line: usize,
    /// What differs from the expected values; empty if the case passed.
    pub failures: Vec<String>,
}

/// Returns one suite for the cases of each file.
pub fn as_junit(cases: &[TestCase<'_>]) -> String {
    let counts = |cases: &[&TestCase<'_>]| {
        let failed = cases.iter().filter(|case| !case.failures.is_empty()).count();
        format!("tests=\"{}\" failures=\"{failed}\"", cases.len())
    };
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // Writing to a string can't fail.
    let _ = writeln!(xml, "<testsuites name=\"ksvc-router\" {}>", counts(&cases.iter().collect::<Vec<_>>()));
    for suite in cases.chunk_by(|one, other| one.file == other.file) {
        let file = suite.first().map_or_else(String::new, |case| escaped(case.file));
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" {}>", counts(&suite.iter().collect::<Vec<_>>()));
        for TestCase { name, line, failures, .. } in suite {
            let head = format!(
                "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\"",
                escaped(name)
            );
            let _ = match failures.first() {
                None => writeln!(xml, "{head}/>"),
                Some(first) => writeln!(
                    xml,
                    "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(first),
                    escaped(&failures.join("\n"))
                ),
            };
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

/// Returns text for an attribute or an element. XML has no control characters but these.
fn escaped(text: &str) -> String {
    let allowed = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    allowed.fold(String::new(), |mut xml, c| {
        match c {
            '&' => xml += "&amp;",
            '<' => xml += "&lt;",
            '>' => xml += "&gt;",
            '"' => xml += "&quot;",
            '\n' => xml += "&#10;",
            c => xml.push(c),
        }
        xml
    })
}

#[cfg(test)]
mod tests {
    use super::{TestCase, as_junit};

    #[test]
    fn suites_are_files_and_text_is_escaped() {
        let case = |name, file, failures: &[&str]| TestCase {
            name,
            file,
            line: 2,
            failures: failures.iter().map(|failure| (*failure).to_owned()).collect(),
        };
        let cases = [
            case("a \"b\" & <c>\u{1}", "a.yaml", &[]),
            case("d", "a.yaml", &["status: expected 1, got <2>", "x"]),
            case("e", "b.yaml", &[]),
        ];
        assert_eq!(
            as_junit(&cases),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="ksvc-router" tests="3" failures="1">
  <testsuite name="a.yaml" tests="2" failures="1">
    <testcase name="a &quot;b&quot; &amp; &lt;c&gt;" classname="a.yaml" file="a.yaml" line="2"/>
    <testcase name="d" classname="a.yaml" file="a.yaml" line="2">
      <failure message="status: expected 1, got &lt;2&gt;">status: expected 1, got &lt;2&gt;&#10;x</failure>
    </testcase>
  </testsuite>
  <testsuite name="b.yaml" tests="1" failures="0">
    <testcase name="e" classname="b.yaml" file="b.yaml" line="2"/>
  </testsuite>
</testsuites>
"#
        );
    }
}
