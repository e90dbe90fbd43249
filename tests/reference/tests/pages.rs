//! Rendered pages are the committed ones, and the example files are accepted by their programs.

use reference::pages;
use reference::services::Program;
use reference::sources::root;

#[test]
fn committed_pages_equal_the_rendered_ones() {
    let pages = pages::render().unwrap();
    assert!(pages.len() >= 6, "{} pages", pages.len());
    let stale: Vec<&str> =
        pages.iter().filter(|page| page.is_stale()).map(|page| page.path.as_str()).collect();
    assert!(stale.is_empty(), "{stale:?} are stale: run `cargo run -p reference -- --write`");
}

#[test]
fn example_files_hold_exactly_the_defaults() {
    for program in Program::all().unwrap() {
        let file = root().join(format!("deploy/config/{}.toml", program.name));
        assert_eq!(program.is_default(&file), Ok(true), "{}", program.name);
    }
}

#[test]
fn changed_example_file_is_not_the_default() {
    let program = Program::all().unwrap().remove(0);
    let text = std::fs::read_to_string(root().join("deploy/config/publisher.toml")).unwrap();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed.toml");
    std::fs::write(&file, text.replacen("items_max = 10000", "items_max = 10001", 1)).unwrap();
    assert_eq!(program.is_default(&file), Ok(false));
    std::fs::write(&file, format!("{text}\nno_such_key = 1\n")).unwrap();
    assert!(program.is_default(&file).unwrap_err().contains("no_such_key"));
}
