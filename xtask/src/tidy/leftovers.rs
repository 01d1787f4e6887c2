//! Nothing is left over: no work put off, no test switched off, no path of somebody's machine.

use super::{Finding, source::Source};

/// Folders that mean somebody's machine when a path begins with them.
const MACHINES: &[&str] = &["home", "root", "work", "Users"];

/// Finds work put off, tests switched off and machine paths in code.
pub(super) fn check_code(sources: &[Source]) -> Vec<Finding> {
    let mut findings = vec![];
    for source in sources {
        for (at, token) in source.tokens.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &source.tokens[at]);
            let after = source.tokens.get(at + 1);
            if (token.is("todo") || token.is("unimplemented"))
                && after.is_some_and(|token| token.is("!"))
            {
                let words = format!("`{}!` is work put off", token.text);
                findings.push(Finding::new(&source.path, token.line, words));
            }
            if token.is("ignore") && before.is_some_and(|token| token.is("[")) {
                let words = "a test that is switched off proves nothing";
                findings.push(Finding::new(&source.path, token.line, words));
            }
        }
        findings.extend(machine_paths(&source.path, &source.text));
    }
    findings
}

/// Finds machine paths in files that are not code, given as paths and texts.
pub(super) fn check_texts(texts: &[(String, String)]) -> Vec<Finding> {
    texts.iter().flat_map(|(path, text)| machine_paths(path, text)).collect()
}

fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| names_a_machine(line))
        .map(|(at, _)| Finding::new(path, at, "a path of somebody's machine"))
        .collect()
}

/// Whether an absolute path into one of the folders stands in the line.
fn names_a_machine(line: &str) -> bool {
    line.match_indices('/').any(|(at, _)| {
        let absolute = !line[..at].ends_with(|char: char| {
            char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '}' | '>' | '~' | '*')
        });
        absolute
            && MACHINES.iter().any(|folder| {
                line[at + 1..].strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check_code(&[Source::new("a.rs", text)]).len()
    }

    /// A machine path, written so that this file does not hold one.
    fn path(folder: &str) -> String {
        format!("\"{}{folder}/x\"", '/')
    }

    #[test]
    fn work_put_off_is_found() {
        assert_eq!(found("fn f() { todo!() }"), 1);
        assert_eq!(found("fn f() { unimplemented!(\"later\") }"), 1);
        assert_eq!(found("fn todo() {} // todo!()"), 0);
    }

    #[test]
    fn a_test_that_is_switched_off_is_found() {
        assert_eq!(found("#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(found("#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
        assert_eq!(found("fn ignore() {}"), 0);
    }

    #[test]
    fn a_path_of_a_machine_is_found_in_code_and_in_texts() {
        for folder in MACHINES {
            assert_eq!(found(&path(folder)), 1, "{folder}");
            assert_eq!(check_texts(&[("a.md".to_owned(), path(folder))]).len(), 1, "{folder}");
        }
        assert_eq!(found("\"/dev/shm/x\""), 0);
        assert_eq!(found(&format!("\"examples{}work/x\"", '/')), 0);
        assert_eq!(found("\"https://example.org/home/x\""), 0);
    }
}
