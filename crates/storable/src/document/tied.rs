//! Whether reading a document in Perl calls methods of what something is tied to.

use super::{Document, NodeId, Rare, What};

impl Document {
    /// Whether a variable is tied to an object: an array, a hash, a scalar, an element of a tied one,
    /// or a tied variable that its class has frozen by itself. What the root does not lead to does
    /// not count.
    pub fn has_tied(&self) -> bool {
        let mut all = (0..self.nodes.len()).map(|number| NodeId(number as u32));
        all.any(|id| self.is_tied(id)) && self.leads_to_tied()
    }

    fn leads_to_tied(&self) -> bool {
        let mut met = vec![false; self.nodes.len()];
        let mut left = vec![self.root];
        while let Some(id) = left.pop() {
            if std::mem::replace(&mut met[id.index()], true) {
                continue;
            }
            if self.is_tied(id) {
                return true;
            }
            self.push_inner(id, &mut left);
        }
        false
    }

    fn is_tied(&self, id: NodeId) -> bool {
        match self.nodes[id.index()].what {
            What::Tied { .. } => true,
            What::Rare(rare) => match self.rares[rare as usize] {
                Rare::Hook { shape, .. } => shape.is_tied(),
                Rare::Version { .. } | Rare::Regexp { .. } => false,
            },
            _ => false,
        }
    }

    /// The nodes within one that is not tied.
    fn push_inner(&self, id: NodeId, to: &mut Vec<NodeId>) {
        match self.nodes[id.index()].what {
            What::Reference { to: inner, .. } => to.push(inner),
            What::Array(items) => to.extend(&self.items[items.range()]),
            What::Hash { entries, .. } => {
                to.extend(
                    self.entries[entries.range()]
                        .iter()
                        .map(|entry| entry.value),
                );
            }
            What::Rare(rare) => {
                if let Rare::Hook { list, .. } = self.rares[rare as usize] {
                    to.extend(&self.items[list.range()]);
                }
            }
            _ => {}
        }
    }
}
