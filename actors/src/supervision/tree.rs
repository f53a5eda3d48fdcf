//! The supervision tree as a pure structure: who is restarted when a child ends, and who gives up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::policy::{Backoff, History, Intensity, RestartPolicy, Strategy};

/// Names a node for the life of the tree; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

/// How a node is supervised.
#[derive(Debug)]
pub(super) enum Role {
    Group {
        strategy: Strategy,
        children: Vec<NodeId>,
    },
    Child {
        restart: RestartPolicy,
    },
}

#[derive(Debug)]
struct Node {
    path: Arc<str>,
    parent: Option<NodeId>,
    role: Role,
    intensity: Intensity,
    backoff: Backoff,
    history: History,
}

/// What a child has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Build a new incarnation after this delay.
    Restart(Duration),
    /// End; nothing went wrong for good.
    Stop,
    /// End as failed for good.
    GiveUp,
}

/// A group that failed because one below it exceeded its intensity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Escalation {
    pub(super) path: Arc<str>,
    /// Path of the node below that exceeded its intensity.
    pub(super) because: Arc<str>,
    pub(super) limit: Intensity,
    /// Delay of the restart of all its children; `None` = it gave up too.
    pub(super) granted: Option<Duration>,
}

/// What follows from the end of one child.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) culprit: Fate,
    /// Fates of other children, in start order.
    pub(super) others: Vec<(NodeId, Fate)>,
    /// Groups that failed, from the bottom up. The root gave up if the last one has no delay.
    pub(super) escalations: Vec<Escalation>,
}

/// Groups and children with their restart histories.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
}

impl Tree {
    /// Adds the root group.
    pub(super) fn add_root(
        &mut self,
        path: Arc<str>,
        role: Role,
        intensity: Intensity,
        backoff: Backoff,
    ) -> NodeId {
        self.insert(Node {
            path,
            parent: None,
            role,
            intensity,
            backoff,
            history: History::default(),
        })
    }

    /// Adds a node below `parent`; `None` when the parent is not a group of this tree.
    pub(super) fn add(
        &mut self,
        parent: NodeId,
        path: Arc<str>,
        role: Role,
        intensity: Intensity,
        backoff: Backoff,
    ) -> Option<NodeId> {
        let id = NodeId(self.next);
        match &mut self.nodes.get_mut(&parent)?.role {
            Role::Group { children, .. } => children.push(id),
            Role::Child { .. } => return None,
        }
        let history = History::default();
        let parent = Some(parent);
        Some(self.insert(Node {
            path,
            parent,
            role,
            intensity,
            backoff,
            history,
        }))
    }

    fn insert(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        self.nodes.insert(id, node);
        id
    }

    /// Whether this is the path of the root.
    pub(super) fn is_root(&self, path: &str) -> bool {
        self.nodes
            .values()
            .any(|node| node.parent.is_none() && &*node.path == path)
    }

    /// Forgets a child.
    pub(super) fn remove(&mut self, id: NodeId) {
        let parent = self.nodes.remove(&id).and_then(|node| node.parent);
        if let Some(Role::Group { children, .. }) = parent
            .and_then(|parent| self.nodes.get_mut(&parent))
            .map(|node| &mut node.role)
        {
            children.retain(|child| *child != id);
        }
    }

    /// Whether a node has this path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.nodes.values().any(|node| &*node.path == path)
    }

    /// Path of a node.
    pub(super) fn path(&self, id: NodeId) -> Option<Arc<str>> {
        self.nodes.get(&id).map(|node| Arc::clone(&node.path))
    }

    /// Children below a node (or the node itself, if it is one), in start order.
    pub(super) fn leaves(&self, id: NodeId) -> Vec<NodeId> {
        match self.nodes.get(&id).map(|node| &node.role) {
            Some(Role::Group { children, .. }) => children
                .iter()
                .flat_map(|child| self.leaves(*child))
                .collect(),
            Some(Role::Child { .. }) => vec![id],
            None => Vec::new(),
        }
    }

    /// Rules on the end of a child: by failure, or by itself. `random` in 0..1 spreads delays.
    pub(super) fn rule(
        &mut self,
        culprit: NodeId,
        failed: bool,
        now: Duration,
        random: f64,
    ) -> Ruling {
        let mut ruling = Ruling {
            culprit: Fate::Stop,
            others: Vec::new(),
            escalations: Vec::new(),
        };
        let Some(node) = self.nodes.get(&culprit) else {
            return ruling;
        };
        let Role::Child { restart } = node.role else {
            return ruling;
        };
        if !restart.restarts(failed) {
            return ruling;
        }
        match self.grant(culprit, now, random) {
            Some(delay) => {
                ruling.culprit = Fate::Restart(delay);
                ruling.others = self.siblings(culprit);
            }
            None => self.escalate(culprit, now, random, &mut ruling),
        }
        ruling
    }

    fn grant(&mut self, id: NodeId, now: Duration, random: f64) -> Option<Duration> {
        let node = self.nodes.get_mut(&id)?;
        node.history
            .grant(now, node.intensity, &node.backoff, random)
    }

    /// What the strategy of its group means for the siblings of a restarted child (or group).
    fn siblings(&self, id: NodeId) -> Vec<(NodeId, Fate)> {
        let parent = self.nodes.get(&id).and_then(|node| node.parent);
        let Some(Role::Group { strategy, children }) = parent
            .and_then(|parent| self.nodes.get(&parent))
            .map(|node| &node.role)
        else {
            return Vec::new();
        };
        let from = match strategy {
            Strategy::OneForOne => return Vec::new(),
            Strategy::RestForOne => children.iter().position(|child| *child == id).unwrap_or(0),
            Strategy::OneForAll => 0,
        };
        let affected = children.iter().skip(from).filter(|child| **child != id);
        affected
            .flat_map(|child| self.leaves(*child))
            .map(|leaf| (leaf, self.fate_in_group(leaf, Duration::ZERO)))
            .collect()
    }

    /// A child that its group restarts comes back unless it is temporary.
    fn fate_in_group(&self, leaf: NodeId, delay: Duration) -> Fate {
        match self.nodes.get(&leaf).map(|node| &node.role) {
            Some(Role::Child {
                restart: RestartPolicy::Temporary,
            }) => Fate::Stop,
            _ => Fate::Restart(delay),
        }
    }

    /// The parent of `culprit` fails: all below it are restarted with fresh histories, if its own intensity allows;
    /// else its parent fails.
    fn escalate(&mut self, culprit: NodeId, now: Duration, random: f64, ruling: &mut Ruling) {
        let mut failed = culprit;
        ruling.culprit = Fate::GiveUp;
        while let Some((because, limit, parent)) = self
            .nodes
            .get(&failed)
            .and_then(|node| Some((Arc::clone(&node.path), node.intensity, node.parent?)))
        {
            let granted = self.grant(parent, now, random);
            let path = self.path(parent).unwrap_or_else(|| Arc::clone(&because));
            ruling.escalations.push(Escalation {
                path,
                because,
                limit,
                granted,
            });
            if let Some(delay) = granted {
                self.restart_below(parent, culprit, delay, ruling);
                let beside = self.siblings(parent);
                ruling.others.extend(beside);
                return;
            }
            failed = parent;
        }
    }

    fn restart_below(
        &mut self,
        group: NodeId,
        culprit: NodeId,
        delay: Duration,
        ruling: &mut Ruling,
    ) {
        for leaf in self.leaves(group) {
            let fate = self.fate_in_group(leaf, delay);
            if leaf == culprit {
                ruling.culprit = fate;
            } else {
                ruling.others.push((leaf, fate));
            }
        }
        self.reset_below(group);
    }

    fn reset_below(&mut self, group: NodeId) {
        let Some(Role::Group { children, .. }) = self.nodes.get(&group).map(|node| &node.role)
        else {
            return;
        };
        for child in children.clone() {
            if let Some(node) = self.nodes.get_mut(&child) {
                node.history.reset();
            }
            self.reset_below(child);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BACKOFF: Backoff = Backoff {
        first: SECOND,
        max: Duration::from_secs(8),
        jitter: 0.0,
        quiet: Duration::from_mins(10),
    };

    fn once_a_minute() -> Intensity {
        Intensity::new(1, Duration::from_mins(1))
    }

    fn group(tree: &mut Tree, parent: Option<NodeId>, name: &str, strategy: Strategy) -> NodeId {
        let role = Role::Group {
            strategy,
            children: Vec::new(),
        };
        match parent {
            None => tree.add_root(name.into(), role, once_a_minute(), BACKOFF),
            Some(id) => tree
                .add(id, name.into(), role, once_a_minute(), BACKOFF)
                .unwrap(),
        }
    }

    fn child(tree: &mut Tree, parent: NodeId, name: &str, restart: RestartPolicy) -> NodeId {
        tree.add(
            parent,
            name.into(),
            Role::Child { restart },
            once_a_minute(),
            BACKOFF,
        )
        .unwrap()
    }

    fn three(strategy: Strategy) -> (Tree, [NodeId; 3]) {
        let mut tree = Tree::default();
        let root = group(&mut tree, None, "root", strategy);
        let ids =
            ["a", "b", "c"].map(|name| child(&mut tree, root, name, RestartPolicy::Permanent));
        (tree, ids)
    }

    #[test]
    fn each_strategy_restarts_its_siblings() {
        for (strategy, expected) in [
            (Strategy::OneForOne, vec![]),
            (Strategy::RestForOne, vec![2]),
            (Strategy::OneForAll, vec![0, 2]),
        ] {
            let (mut tree, ids) = three(strategy);
            let ruling = tree.rule(ids[1], true, Duration::ZERO, 0.0);
            assert_eq!(ruling.culprit, Fate::Restart(SECOND));
            let expected: Vec<_> = expected
                .into_iter()
                .map(|at| (ids[at], Fate::Restart(Duration::ZERO)))
                .collect();
            assert_eq!(ruling.others, expected, "{strategy:?}");
        }
    }

    #[test]
    fn a_transient_child_that_stops_is_done_and_a_temporary_one_never_returns() {
        let mut tree = Tree::default();
        let root = group(&mut tree, None, "root", Strategy::OneForAll);
        let transient = child(&mut tree, root, "transient", RestartPolicy::Transient);
        let temporary = child(&mut tree, root, "temporary", RestartPolicy::Temporary);
        assert_eq!(
            tree.rule(transient, false, Duration::ZERO, 0.0).culprit,
            Fate::Stop
        );
        assert_eq!(
            tree.rule(temporary, true, Duration::ZERO, 0.0).culprit,
            Fate::Stop
        );
        let ruling = tree.rule(transient, true, Duration::ZERO, 0.0);
        assert_eq!(ruling.others, [(temporary, Fate::Stop)]);
    }

    #[test]
    fn beyond_its_intensity_a_child_takes_its_group_along_with_fresh_histories() {
        let (mut tree, ids) = three(Strategy::OneForOne);
        tree.rule(ids[0], true, Duration::ZERO, 0.0);
        let ruling = tree.rule(ids[0], true, SECOND, 0.0);
        assert_eq!(ruling.culprit, Fate::Restart(SECOND));
        assert_eq!(
            ruling.others,
            [
                (ids[1], Fate::Restart(SECOND)),
                (ids[2], Fate::Restart(SECOND))
            ]
        );
        assert_eq!(ruling.escalations.len(), 1);
        assert_eq!(&*ruling.escalations[0].because, "a");
        let again = tree.rule(ids[0], true, SECOND * 2, 0.0);
        assert_eq!(
            (again.culprit, again.others.len()),
            (Fate::Restart(SECOND), 0)
        );
    }

    #[test]
    fn the_root_beyond_its_intensity_gives_up_and_leaves_the_others_running() {
        let (mut tree, ids) = three(Strategy::OneForAll);
        for _ in 0..3 {
            tree.rule(ids[0], true, Duration::ZERO, 0.0);
        }
        let ruling = tree.rule(ids[0], true, SECOND, 0.0);
        assert_eq!((ruling.culprit, ruling.others), (Fate::GiveUp, vec![]));
        assert_eq!(ruling.escalations.last().unwrap().granted, None);
    }

    #[test]
    fn an_inner_group_beyond_its_intensity_fails_its_parent() {
        let mut tree = Tree::default();
        let root = group(&mut tree, None, "root", Strategy::OneForOne);
        let outside = child(&mut tree, root, "outside", RestartPolicy::Permanent);
        let inner = group(&mut tree, Some(root), "root/inner", Strategy::OneForOne);
        let inside = child(&mut tree, inner, "inside", RestartPolicy::Permanent);
        for _ in 0..3 {
            tree.rule(inside, true, Duration::ZERO, 0.0);
        }
        let ruling = tree.rule(inside, true, Duration::ZERO, 0.0);
        assert_eq!(ruling.culprit, Fate::Restart(SECOND));
        assert_eq!(ruling.others, [(outside, Fate::Restart(SECOND))]);
        let paths: Vec<_> = ruling.escalations.iter().map(|one| &*one.path).collect();
        assert_eq!(paths, ["root/inner", "root"]);
    }

    #[test]
    fn a_removed_child_is_not_restarted() {
        let (mut tree, ids) = three(Strategy::OneForAll);
        tree.remove(ids[1]);
        assert_eq!(
            tree.rule(ids[1], true, Duration::ZERO, 0.0).culprit,
            Fate::Stop
        );
        assert_eq!(tree.rule(ids[0], true, Duration::ZERO, 0.0).others.len(), 1);
    }
}
