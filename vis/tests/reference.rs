//! `docs/cli.md` says what the command tree says.

#[test]
fn the_reference_is_not_stale() {
    let written = include_str!("../../docs/cli.md");
    let made = vis::shell::reference::reference();
    assert!(
        written == made,
        "docs/cli.md is stale: `cargo run -p vis -- reference > docs/cli.md`"
    );
}
