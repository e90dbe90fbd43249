//! `tapeline publish`: findings from a file or standard input, through the edge.

use std::io::{BufRead, BufReader, Read, Write};

use crate::cli::PublishArgs;
use crate::edge_client::EdgeClient;
use crate::exit::Failure;

/// Findings a request: enough that the round trip doesn't matter, few enough to stay far below the edge's body limit.
const BATCH_ITEMS: usize = 500;

/// Posts every line and prints a line for each that wasn't accepted.
///
/// # Errors
/// An unreadable file, an edge that can't be reached, or [`Failure::NotOk`] when anything wasn't accepted.
pub async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|e| Failure::Usage(format!("{}: {e}", args.file.display())))?;
        Box::new(file)
    };
    let edge = EdgeClient::new(args.edge).map_err(|e| Failure::Unreachable(e.to_string()))?;
    let mut lines = BufReader::new(input).lines().enumerate();
    let (mut accepted, mut other) = (0_u64, 0_u64);
    loop {
        let batch = next_batch(&mut lines, &args.file.display().to_string())?;
        if batch.is_empty() {
            break;
        }
        let texts: Vec<String> = batch.iter().map(|(_, text)| text.clone()).collect();
        let results = edge.post(&texts).await.map_err(|e| Failure::Unreachable(e.to_string()))?;
        for (result, (number, _)) in results.iter().zip(&batch) {
            if result.is_accepted() {
                accepted += 1;
                continue;
            }
            other += 1;
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            println!("line {number}: {}: {} {}", result.outcome, text(&result.path), text(&result.cause));
        }
    }
    println!("{accepted} accepted, {other} not");
    std::io::stdout().flush().map_err(|e| Failure::Usage(e.to_string()))?;
    if other > 0 {
        return Err(Failure::NotOk(format!("{other} findings were not accepted")));
    }
    Ok(())
}

type Lines<'a> = dyn Iterator<Item = (usize, std::io::Result<String>)> + 'a;

/// The next lines that aren't blank, with their numbers.
fn next_batch(lines: &mut Lines<'_>, name: &str) -> Result<Vec<(usize, String)>, Failure> {
    let mut batch = Vec::new();
    for (i, line) in lines {
        let line = line.map_err(|e| Failure::Usage(format!("{name}:{}: {e}", i + 1)))?;
        if !line.trim().is_empty() {
            batch.push((i + 1, line));
        }
        if batch.len() == BATCH_ITEMS {
            break;
        }
    }
    Ok(batch)
}
