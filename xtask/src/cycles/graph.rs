//! Cycles of a directed graph. Crates have dozens of modules, so searching from each of them is fast
//! enough.

use std::collections::{BTreeSet, VecDeque};

/// Number of a node.
pub(super) type Node = usize;

/// A directed graph.
pub(super) struct Graph {
    /// The nodes that each node has an edge to.
    next: Vec<BTreeSet<Node>>,
}

impl Graph {
    pub(super) fn new(nodes: usize, edges: impl IntoIterator<Item = (Node, Node)>) -> Graph {
        let mut next = vec![BTreeSet::new(); nodes];
        for (from, to) in edges {
            next[from].insert(to);
        }
        Graph { next }
    }

    /// Returns the strongly connected components of more than one node: sets of nodes in which each can
    /// be reached from each.
    pub(super) fn components(&self) -> Vec<BTreeSet<Node>> {
        let reached: Vec<BTreeSet<Node>> =
            (0..self.next.len()).map(|node| self.reached_from(node)).collect();
        let mut components: Vec<_> = (0..self.next.len())
            .map(|node| {
                let is_mutual = |other: &Node| reached[*other].contains(&node);
                reached[node].iter().copied().filter(is_mutual).collect::<BTreeSet<_>>()
            })
            .filter(|component| component.len() > 1)
            .collect();
        components.sort();
        components.dedup();
        components
    }

    /// Returns one of the shortest cycles within a component.
    pub(super) fn shortest_cycle(&self, component: &BTreeSet<Node>) -> Vec<Node> {
        let cycles = component.iter().filter_map(|node| self.shortest_path(*node, *node));
        cycles.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Returns, for each edge within a component, one of the shortest cycles that it is part of, without
    /// repeating a cycle.
    pub(super) fn cycles_of_edges(&self, component: &BTreeSet<Node>) -> Vec<Vec<Node>> {
        let mut cycles = Vec::new();
        for from in component {
            for to in self.next[*from].iter().filter(|to| component.contains(to)) {
                let back = self.shortest_path(*to, *from).unwrap_or_default();
                let mut cycle = [&[*from], &back[..]].concat();
                // The same cycle begins elsewhere for each of its edges.
                let least = (0..cycle.len()).min_by_key(|index| cycle[*index]).unwrap_or(0);
                cycle.rotate_left(least);
                if !cycles.contains(&cycle) {
                    cycles.push(cycle);
                }
            }
        }
        cycles.sort_by_key(Vec::len);
        cycles
    }

    fn reached_from(&self, start: Node) -> BTreeSet<Node> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![start];
        while let Some(node) = waiting.pop() {
            waiting.extend(self.next[node].iter().filter(|next| reached.insert(**next)));
        }
        reached
    }

    /// Returns the nodes of a shortest path of at least one edge, with `start` and without `end`.
    fn shortest_path(&self, start: Node, end: Node) -> Option<Vec<Node>> {
        let mut before = vec![None; self.next.len()];
        let mut waiting = VecDeque::from([start]);
        while let Some(node) = waiting.pop_front() {
            for next in &self.next[node] {
                if *next == end {
                    let back = std::iter::successors(Some(node), |node| {
                        before[*node].filter(|_| *node != start)
                    });
                    let mut path: Vec<_> = back.collect();
                    path.reverse();
                    return Some(path);
                }
                if before[*next].is_none() && *next != start {
                    before[*next] = Some(node);
                    waiting.push_back(*next);
                }
            }
        }
        None
    }
}
