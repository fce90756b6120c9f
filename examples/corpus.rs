//! Prints how well the classifiers do on a corpus of labelled mail, compared with
//! procmail's FROM_DAEMON and FROM_MAILER: `cargo run --release --example
//! corpus -- DIRECTORY [--surprises]`.

#![allow(clippy::print_stdout, dead_code)]

#[path = "../tests/it/corpus/measure.rs"]
mod measure;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use measure::{Measures, measure};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = arguments.iter().find(|each| !each.starts_with("--")).map(PathBuf::from);
    let Some(corpus) = given.or_else(measure::place) else {
        println!("no corpus; say where it is");
        return Ok(());
    };
    let start = Instant::now();
    let measures = measure(&corpus)?;
    print(&measures);
    println!("{:.1} s", start.elapsed().as_secs_f64());
    if arguments.iter().any(|each| each == "--surprises") {
        measures.surprises.iter().for_each(|line| println!("{line}"));
    }
    Ok(())
}

fn print(measures: &Measures) {
    let labels: BTreeSet<&String> = measures.classified.keys().map(|(_, label)| label).collect();
    let names: BTreeSet<&str> = measures.classified.keys().map(|(name, _)| *name).collect();
    print!("{:<18}", "percent");
    labels.iter().for_each(|label| print!("{:>10.9}", label));
    println!();
    let row = |title: &str, shares: &dyn Fn(&String) -> Option<measure::Share>| {
        print!("{title:<18}");
        for label in &labels {
            match shares(label) {
                Some(share) => print!("{:>10.1}", share.percent()),
                None => print!("{:>10}", "-"),
            }
        }
        println!();
    };
    for name in names {
        row(name, &|label| measures.classified.get(&(name, label.clone())).copied());
    }
    for (name, title) in [("from-daemon", "procmail DAEMON"), ("from-mailer", "procmail MAILER")] {
        row(title, &|label| measures.procmail.get(&(name, label.clone())).copied());
    }
    for ((name, form), share) in &measures.equal {
        println!("{name} as procmail, {form:<5}  {:.2} % of {}", share.percent(), share.of);
    }
    for (title, share) in [
        ("bounce.status", measures.status),
        ("  stated in the mail", measures.status_stated),
        ("  else its class", measures.status_class),
        ("  else its meaning", measures.status_meaning),
        ("list-name", measures.list_name),
    ] {
        println!("{title:<22} {:.1} % of {}", share.percent(), share.of);
    }
}
