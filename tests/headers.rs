//! What `mod_usher` declares of httpd by hand is what httpd's own headers say.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::{Output, run};
use crate::support::programs::{installed, module};
use crate::support::repository;

const HEADERS: [&str; 10] = [
    "stddef.h",
    "httpd.h",
    "http_config.h",
    "http_core.h",
    "http_log.h",
    "http_protocol.h",
    "http_request.h",
    "ap_expr.h",
    "apr_strings.h",
    "mod_auth.h",
];

/// The declarations as assertions in C.
fn assertions(source: &str) -> Vec<String> {
    let layouts = source.lines().filter_map(|line| {
        let claim = line.trim().strip_prefix("assert!(")?.strip_suffix(");")?;
        Some(match claim.strip_prefix("size_of::<") {
            Some(rest) => format!("sizeof({}", rest.replacen(">()", ")", 1)),
            None => claim.replacen("offset_of!", "offsetof", 1),
        })
    });
    let numbers = source.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("pub(crate) const ")?.split_once(": ")?;
        let (_, value) = value.trim_end_matches(';').split_once(" = ")?;
        Some(format!("{name} == {}", value.replace('_', "")))
    });
    let claims = layouts.chain(numbers);
    claims.map(|claim| format!("_Static_assert({claim}, \"{claim}\");\n")).collect()
}

/// The functions, declared once more: C refuses a declaration that is not the header's.
fn functions(source: &str) -> Vec<String> {
    let (_, block) = source.split_once("\nunsafe extern \"C\" {").expect("declarations");
    let (block, _) = block.split_once("\n}").expect("their end");
    let declarations = block.split_terminator(';').map(|declaration| {
        let declaration = declaration.trim().strip_prefix("pub(crate) fn ").expect("a function");
        let (name, signature) = declaration.split_once('(').expect("parameters");
        let (parameters, result) = signature.rsplit_once(')').expect("their end");
        let result = result.trim().strip_prefix("-> ").unwrap_or("c_void");
        // The brackets keep a macro of the same name away.
        format!("extern {} ({name})({});\n", in_c(result, source), list(parameters, source))
    });
    declarations.collect()
}

/// The types of parameters, with their names or without.
fn list(parameters: &str, source: &str) -> String {
    let mut depth = 0;
    let parts = parameters.split(|sign| {
        depth += match sign {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        sign == ',' && depth == 0
    });
    let types = parts.map(str::trim).filter(|part| !part.is_empty()).map(|part| {
        // A type has colons in no other place.
        in_c(part.split_once(": ").map_or(part, |(_, it)| it), source)
    });
    types.collect::<Vec<_>>().join(", ")
}

/// A type of `sys.rs` in C.
fn in_c(rust: &str, source: &str) -> String {
    let function = rust.strip_prefix("unsafe extern \"C\" fn(");
    if let Some((parameters, result)) = function.and_then(|it| it.rsplit_once(')')) {
        let result = result.trim().strip_prefix("-> ").unwrap_or("c_void");
        return format!("{} (*)({})", in_c(result, source), list(parameters, source));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return format!("{} const *", in_c(target, source));
    }
    if let Some(target) = rust.strip_prefix("*mut ") {
        return format!("{} *", in_c(target, source));
    }
    match rust {
        "c_char" => "char".to_owned(),
        "c_int" => "int".to_owned(),
        "c_uint" => "unsigned int".to_owned(),
        "c_void" => "void".to_owned(),
        "usize" => "size_t".to_owned(),
        "Status" => "apr_status_t".to_owned(),
        _ => match source.split_once(&format!("type {rust} =")) {
            Some((_, alias)) => in_c(alias.split_once(';').expect("its end").0.trim(), source),
            None => rust.to_owned(),
        },
    }
}

/// What the C compiler says of the declarations in this source.
fn compared(source: &str) -> Output {
    let include = Path::new("/usr/include/apache2");
    assert!(
        include.join("httpd.h").is_file(),
        "httpd's headers are missing; install them with: apt-get install apache2-dev"
    );
    let (assertions, functions) = (assertions(source), functions(source));
    assert!(assertions.len() > 50 && functions.len() > 15, "{assertions:?} {functions:?}");

    let folder = TempDir::new().expect("temporary folder");
    let program = folder.path().join("claims.c");
    let includes: String = HEADERS.iter().map(|name| format!("#include <{name}>\n")).collect();
    let text = format!("{includes}{}{}", assertions.concat(), functions.concat());
    fs::write(&program, text).expect("a program");
    let flags = run(
        Command::new(installed("apr-1-config", "libapr1-dev")).args(["--includes", "--cppflags"]),
        b"",
    )
    .success();
    let mut cc = Command::new(installed("cc", "gcc"));
    cc.arg("-fsyntax-only").arg("-I").arg(include).args(flags.stdout.split_whitespace());
    run(cc.arg(&program), b"")
}

fn declarations() -> String {
    fs::read_to_string(repository().join("src/mod_usher/sys.rs")).expect("sys.rs")
}

#[test]
fn layouts_numbers_and_functions_are_those_of_the_headers() {
    compared(&declarations()).success();
}

#[test]
fn a_declaration_that_differs_from_the_headers_is_noticed() {
    let right = declarations();
    for (declared, other, what) in [
        ("length: usize", "length: c_int", "apr_pstrmemdup"),
        ("of: *mut module,", "of: *const module,", "ap_set_config_vectors"),
        (") -> *mut ap_expr_info_t;", ") -> *mut c_void;", "ap_expr_parse_cmd_mi"),
        ("fn(*mut c_void) -> Status,", "fn(*mut c_void),", "apr_pool_cleanup_register"),
        ("fn(*mut request_rec) -> c_int;", "fn(*mut server_rec) -> c_int;", "ap_hook_fixups"),
        ("offset_of!(request_rec, user) == 312", "offset_of!(request_rec, user) == 304", "user"),
        ("HTTP_FORBIDDEN: c_int = 403", "HTTP_FORBIDDEN: c_int = 401", "HTTP_FORBIDDEN"),
    ] {
        let wrong = right.replace(declared, other);
        assert_ne!(wrong, right, "{declared}");
        let output = compared(&wrong);
        assert_ne!(output.code, 0, "{other}");
        assert!(output.stderr.contains(what), "{other}: {}", output.stderr);
    }
}

/// httpd loads modules so that their names are seen by each other; a second one in Rust must not
/// get parts of the first.
#[test]
fn the_module_shows_its_own_name_alone() {
    let mut nm = Command::new(installed("nm", "binutils"));
    let output = run(nm.args(["--dynamic", "--defined-only"]).arg(module()), b"").success();
    let names: Vec<&str> = output.stdout.split_whitespace().skip(2).step_by(3).collect();
    assert_eq!(names, ["usher_module"]);
}
