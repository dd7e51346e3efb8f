//! Whether two values are the same to a Perl program: two graphs walked side by side.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::scalar::Scalar;
use super::{Hash, Hook, Kind, Node, Variable};
use crate::document::NodeId;
use crate::text::characters;

pub(super) fn same(one: Node<'_>, other: Node<'_>) -> bool {
    let mut walk = Walk {
        left: vec![(one, other)],
        partners: HashMap::new(),
        taken: HashSet::new(),
    };
    while let Some((one, other)) = walk.left.pop() {
        if !walk.pair(one, other) {
            return false;
        }
    }
    true
}

struct Walk<'d> {
    /// Pairs that have to be the same, too.
    left: Vec<(Node<'d>, Node<'d>)>,
    /// What stands on the other side for each variable met, and all that stand there: one for one,
    /// or the two sides share otherwise.
    partners: HashMap<Identity, Identity>,
    taken: HashSet<Identity>,
}

/// Which variable of Perl's a node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Identity {
    Node(NodeId),
    /// Perl has one of each of these, however many nodes say it.
    Yes,
    No,
    /// No variable, but the lack of one: each time another.
    Hole,
}

impl Identity {
    fn of(node: Node<'_>) -> Self {
        match node.kind() {
            Kind::Yes => Self::Yes,
            Kind::No => Self::No,
            Kind::Hole | Kind::ElementUndef => Self::Hole,
            _ => Self::Node(node.id()),
        }
    }
}

impl<'d> Walk<'d> {
    /// False if the two differ in themselves; what they lead to is left for later.
    fn pair(&mut self, one: Node<'d>, other: Node<'d>) -> bool {
        let (here, there) = (Identity::of(one), Identity::of(other));
        let taken = self.taken.contains(&there);
        match self.partners.get(&here) {
            Some(partner) => return taken && *partner == there,
            None if taken => return false,
            None => {}
        }
        if here != Identity::Hole {
            self.partners.insert(here, there);
        }
        if there != Identity::Hole {
            self.taken.insert(there);
        }
        one.class() == other.class() && self.contents(one.kind(), other.kind())
    }

    fn contents(&mut self, one: Kind<'d>, other: Kind<'d>) -> bool {
        match (one, other) {
            (
                Kind::Reference { to, weak, .. },
                Kind::Reference {
                    to: there,
                    weak: weak_there,
                    ..
                },
            ) => weak == weak_there && self.later(to, there),
            (Kind::Array(one), Kind::Array(other)) => self.lists(one.iter(), other.iter()),
            (Kind::Hash(one), Kind::Hash(other)) => self.hashes(one, other),
            (Kind::Code(one), Kind::Code(other)) => self.later(one, other),
            (
                Kind::Regexp { pattern, modifiers },
                Kind::Regexp {
                    pattern: pattern_there,
                    modifiers: modifiers_there,
                },
            ) => (pattern, modifiers) == (pattern_there, modifiers_there),
            (
                Kind::Tied { variable, object },
                Kind::Tied {
                    variable: variable_there,
                    object: there,
                },
            ) => self.variables(variable, variable_there) && self.later(object, there),
            (Kind::Hook(one), Kind::Hook(other)) => self.hooks(one, other),
            (
                Kind::Version { text, utf8, .. },
                Kind::Version {
                    text: there,
                    utf8: utf8_there,
                    ..
                },
            ) => characters(text, utf8) == characters(there, utf8_there),
            (one, other) => match (Scalar::of(&one), Scalar::of(&other)) {
                (Some(one), Some(other)) => one.same(other),
                _ => false,
            },
        }
    }

    fn later(&mut self, one: Node<'d>, other: Node<'d>) -> bool {
        self.left.push((one, other));
        true
    }

    fn lists(
        &mut self,
        one: impl ExactSizeIterator<Item = Node<'d>>,
        other: impl ExactSizeIterator<Item = Node<'d>>,
    ) -> bool {
        let same = one.len() == other.len();
        if same {
            self.left.extend(one.zip(other));
        }
        same
    }

    fn hashes(&mut self, one: Hash<'d>, other: Hash<'d>) -> bool {
        // In a hash that is not restricted Perl does not look at locks.
        let restricted = one.is_restricted();
        let (keys, keys_there) = (present(one), present(other));
        restricted == other.is_restricted()
            && keys.len() == keys_there.len()
            && keys.iter().all(|(key, at)| {
                let Some(there) = keys_there.get(key) else {
                    return false;
                };
                let (entry, there) = (one.at(*at), other.at(*there));
                (!restricted || entry.is_locked() == there.is_locked())
                    && self.later(entry.value(), there.value())
            })
    }

    fn variables(&mut self, one: Variable<'d>, other: Variable<'d>) -> bool {
        match (one, other) {
            (Variable::Key(one), Variable::Key(other)) => self.later(one, other),
            (Variable::Index(one), Variable::Index(other)) => one == other,
            (Variable::Array, Variable::Array)
            | (Variable::Hash, Variable::Hash)
            | (Variable::Scalar, Variable::Scalar) => true,
            _ => false,
        }
    }

    fn hooks(&mut self, one: Hook<'d>, other: Hook<'d>) -> bool {
        if let (Some((_, object)), Some((_, there))) = (one.tied(), other.tied()) {
            self.later(object, there);
        }
        one.shape == other.shape
            && one.frozen() == other.frozen()
            && self.lists(one.list(), other.list())
    }
}

/// The keys that are there, and where. Those that are only allowed are no keys.
fn present(hash: Hash<'_>) -> HashMap<Cow<'_, [u8]>, usize> {
    let mut keys = hash.positions();
    keys.retain(|_, at| !hash.at(*at).is_placeholder());
    keys
}
