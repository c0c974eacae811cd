//! The results of test cases as JUnit XML, which most CI systems show.

use std::borrow::Cow;

use quick_junit::{NonSuccessKind, Report, TestCaseStatus, TestSuite};

/// The result of a case.
#[derive(Debug)]
pub struct TestCase<'a> {
    pub name: Cow<'a, str>,
    pub file: Cow<'a, str>,
    pub line: usize,
    /// What differs from the expected values; empty if the case passed.
    pub failures: Vec<String>,
}

/// Returns one suite for the cases of each file.
pub fn as_junit(cases: &[TestCase<'_>]) -> String {
    let mut report = Report::new("ksvc-router");
    for suite_cases in cases.chunk_by(|one, other| one.file == other.file) {
        let mut suite = TestSuite::new(suite_cases.first().map_or("", |case| &*case.file));
        for TestCase { name, file, line, failures } in suite_cases {
            let mut status = match failures.is_empty() {
                true => TestCaseStatus::success(),
                false => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if let Some(first) = failures.first() {
                status.set_message(first).set_description(failures.join("\n"));
            }
            let mut case = quick_junit::TestCase::new(&**name, status);
            case.set_classname(&**file).extra.insert("file".into(), (&**file).into());
            case.extra.insert("line".into(), line.to_string().into());
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    // Writing to memory can't fail.
    report.to_string().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{TestCase, as_junit};

    #[test]
    fn suites_are_files_and_text_is_escaped() {
        let case = |name: &'static str, file: &'static str, failures: &[&str]| TestCase {
            name: name.into(),
            file: file.into(),
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
<testsuites name="ksvc-router" tests="3" skipped="0" failures="1" errors="0">
    <testsuite name="a.yaml" tests="2" skipped="0" errors="0" failures="1">
        <testcase name="a &quot;b&quot; &amp; &lt;c&gt;" classname="a.yaml" file="a.yaml" line="2"/>
        <testcase name="d" classname="a.yaml" file="a.yaml" line="2">
            <failure message="status: expected 1, got &lt;2&gt;">status: expected 1, got &lt;2&gt;
x</failure>
        </testcase>
    </testsuite>
    <testsuite name="b.yaml" tests="1" skipped="0" errors="0" failures="0">
        <testcase name="e" classname="b.yaml" file="b.yaml" line="2"/>
    </testsuite>
</testsuites>
"#
        );
    }
}
