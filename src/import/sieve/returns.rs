//! `return` under a condition, RFC 6609 §3.2: `if … { return; } REST` is expressed as
//! `if … { } else { REST }`.

use super::parse::Node;

/// More commands than these are not written into several branches.
const MOST_COPIED: usize = 32;

/// How deep such branches may nest.
const DEEPEST: usize = 12;

/// The commands of an included script, rewritten so that none leaves it from within a
/// branch. Unchanged where that would take too many copies.
pub(super) fn without_returns(nodes: Vec<Node>) -> Vec<Node> {
    if !nodes.iter().any(|node| node.block.is_some() && returns(node)) {
        return nodes;
    }
    let mut room = MOST_COPIED;
    branched(nodes.clone(), &mut room, DEEPEST).unwrap_or(nodes)
}

fn returns(node: &Node) -> bool {
    node.name == "return" || node.block.iter().flatten().any(returns)
}

/// Whether no command after these is reached.
fn is_left(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| matches!(node.name.as_str(), "return" | "stop"))
}

/// None if there are too many copies.
fn branched(nodes: Vec<Node>, room: &mut usize, depth: usize) -> Option<Vec<Node>> {
    let depth = depth.checked_sub(1)?;
    let mut out = Vec::new();
    let mut rest = nodes.into_iter().peekable();
    while let Some(node) = rest.next() {
        match node.name.as_str() {
            // What comes after it is never reached, and is reported so.
            "return" => {
                let after = rest.filter(|node| !node.name.is_empty() && node.name != "return");
                return (after.count() == 0).then_some(out);
            }
            "if" => {}
            _ => {
                out.push(node);
                continue;
            }
        }
        let mut chain = vec![node];
        while let Some(node) = rest.next_if(|node| matches!(node.name.as_str(), "elsif" | "else")) {
            chain.push(node);
        }
        if !chain.iter().any(returns) {
            out.append(&mut chain);
            continue;
        }
        if chain.iter().any(|node| node.broken.is_some() || node.block.is_none()) {
            return None;
        }
        let after: Vec<Node> = rest.collect();
        if let (Some(first), Some(end), Some(last)) = (after.first(), after.last(), chain.last())
            && last.name != "else"
        {
            let span = first.span.to(end.span);
            chain.push(Node { block: Some(Vec::new()), ..Node::new("else", span) });
        }
        let mut copies = 0_usize;
        for node in &mut chain {
            let mut block = node.block.take()?;
            if !is_left(&block) {
                let comments =
                    |node: &Node| if copies == 0 { node.comments.clone() } else { Vec::new() };
                block.extend(
                    after.iter().map(|node| Node { comments: comments(node), ..node.clone() }),
                );
                copies += 1;
            }
            node.block = Some(branched(block, room, depth)?);
        }
        if copies == 0 && !after.is_empty() {
            return None;
        }
        let more = copies.saturating_sub(1).saturating_mul(after.iter().map(size).sum());
        *room = room.checked_sub(more)?;
        out.append(&mut chain);
        return Some(out);
    }
    Some(out)
}

/// How many commands there are.
fn size(node: &Node) -> usize {
    1 + node.block.iter().flatten().map(size).sum::<usize>()
}
