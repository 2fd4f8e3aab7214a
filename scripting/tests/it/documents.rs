//! The examples of docs/scripts.md: each must load, and its scenarios run.

use mistress_scripting::Entry;

use crate::world::load;

/// The fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .collect()
}

#[test]
fn the_examples_of_the_reference_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scripts.md");
    let text = std::fs::read_to_string(path).unwrap();
    let examples = blocks(&text, "lua");
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for source in examples {
        let world = load(&[("main.lua", source)]).unwrap_or_else(|e| panic!("{source}\n{e}"));
        world.script.attach(0, 0).unwrap();
        let run = |entry| {
            world
                .finish(0, entry)
                .unwrap_or_else(|error| panic!("{source}\n{error}"));
        };
        run(Entry::Setup);
        world.script.set_data(&world.script.setup_result()).unwrap();
        run(Entry::OnStart);
        // A scenario that loops while the user runs would never end here.
        world.host.stopping.set(true);
        for scenario in 0..world.script.scenarios().len() as u32 {
            run(Entry::Scenario(scenario));
        }
        run(Entry::OnStop);
        run(Entry::Teardown);
    }
}
