//! The nodes on an axis, in its order, and which of them a test fits.

use roxmltree::{Node, NodeId};

use super::budget::Budget;
use super::expression::{Axis, Space, Step, Test};

/// A node or an attribute; sorted as in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) node: u32,
    /// The attribute counted from 1; 0 is the node itself.
    pub(super) attribute: u32,
}

/// A document that is being searched.
pub(super) struct Search<'d> {
    pub(super) tree: &'d roxmltree::Document<'d>,
    pub(super) budget: Budget,
}

impl<'d> Search<'d> {
    pub(super) fn root(&self) -> Place {
        place(self.tree.root())
    }

    pub(super) fn node(&self, at: Place) -> Node<'d, 'd> {
        let known = self.tree.get_node(NodeId::new(at.node));
        known.unwrap_or_else(|| self.tree.root())
    }

    pub(super) fn attribute(&self, at: Place) -> Option<roxmltree::Attribute<'d, 'd>> {
        let index = at.attribute.checked_sub(1)?;
        self.node(at).attributes().nth(index as usize)
    }

    /// Adds what a step finds from a place, in the order of its axis, without its predicates.
    ///
    /// # Errors
    ///
    /// The limit of the search.
    pub(super) fn walk(
        &self,
        step: &Step,
        from: Place,
        found: &mut Vec<Place>,
    ) -> Result<(), String> {
        let own = self.node(from);
        if from.attribute > 0 {
            return self.walk_from_attribute(step, from, found);
        }
        match step.axis {
            Axis::Attribute => {
                for index in 0..own.attributes().len() as u32 {
                    let attribute = index + 1;
                    self.budget.spend(1)?;
                    let at = Place { attribute, ..from };
                    if self.fits_attribute(&step.test, at) {
                        found.push(at);
                    }
                }
                Ok(())
            }
            Axis::Child => self.keep(step, own.children(), found),
            Axis::Descendant => self.keep(step, own.descendants().skip(1), found),
            Axis::DescendantOrSelf => self.keep(step, own.descendants(), found),
            Axis::Parent => self.keep(step, own.parent().into_iter(), found),
            Axis::Ancestor => self.keep(step, own.ancestors().skip(1), found),
            Axis::AncestorOrSelf => self.keep(step, own.ancestors(), found),
            Axis::Own => self.keep(step, std::iter::once(own), found),
            Axis::FollowingSibling => self.keep(step, own.next_siblings().skip(1), found),
            Axis::PrecedingSibling => self.keep(step, own.prev_siblings().skip(1), found),
            Axis::Following => {
                self.budget.spend(own.descendants().len())?;
                let last = own.descendants().next_back().map_or(from, place);
                self.follow(step, last, found)
            }
            Axis::Preceding => {
                let start = found.len();
                let before = self
                    .tree
                    .descendants()
                    .take_while(|node| place(*node) < from);
                let outside = before.filter(|node| !is_around(*node, own));
                self.keep(step, outside, found)?;
                found[start..].reverse();
                Ok(())
            }
        }
    }

    fn walk_from_attribute(
        &self,
        step: &Step,
        from: Place,
        found: &mut Vec<Place>,
    ) -> Result<(), String> {
        let own = self.node(from);
        match step.axis {
            Axis::Own | Axis::DescendantOrSelf | Axis::AncestorOrSelf => {
                // A name test on these axes is one for elements.
                if matches!(step.test, Test::Node) {
                    found.push(from);
                }
                if step.axis == Axis::AncestorOrSelf {
                    self.keep(step, own.ancestors(), found)?;
                }
                Ok(())
            }
            Axis::Parent => self.keep(step, std::iter::once(own), found),
            Axis::Ancestor => self.keep(step, own.ancestors(), found),
            Axis::Following => self.follow(step, place(own), found),
            Axis::Preceding => {
                let own = place(own);
                self.walk(step, own, found)
            }
            Axis::Attribute
            | Axis::Child
            | Axis::Descendant
            | Axis::FollowingSibling
            | Axis::PrecedingSibling => Ok(()),
        }
    }

    /// All that comes after a place.
    fn follow(&self, step: &Step, last: Place, found: &mut Vec<Place>) -> Result<(), String> {
        self.budget.spend(last.node as usize / 8)?; // skipping takes time as well
        let after = self.tree.descendants().skip(last.node as usize + 1);
        self.keep(step, after, found)
    }

    fn keep(
        &self,
        step: &Step,
        nodes: impl Iterator<Item = Node<'d, 'd>>,
        found: &mut Vec<Place>,
    ) -> Result<(), String> {
        for node in nodes {
            self.budget.spend(1)?;
            if self.fits(&step.test, node) {
                found.push(place(node));
            }
        }
        Ok(())
    }

    fn fits(&self, test: &Test, node: Node<'d, 'd>) -> bool {
        match test {
            Test::Node => true,
            Test::Text => node.is_text(),
            Test::Comment => node.is_comment(),
            Test::Instruction(target) => node.pi().is_some_and(|found| {
                target
                    .as_deref()
                    .is_none_or(|target| target == found.target)
            }),
            Test::Name(space, local) => {
                let tag = node.tag_name();
                node.is_element()
                    && local.as_deref().is_none_or(|local| local == tag.name())
                    && match space {
                        Space::Any => true,
                        Space::Prefix(prefix) => {
                            tag.namespace().is_some()
                                && tag.namespace() == node.lookup_namespace_uri(Some(prefix))
                        }
                        Space::Uri(uri) => tag.namespace() == Some(uri),
                    }
            }
        }
    }

    fn fits_attribute(&self, test: &Test, at: Place) -> bool {
        let Some(attribute) = self.attribute(at) else {
            return false;
        };
        match test {
            Test::Node => true,
            Test::Name(space, local) => {
                let found = attribute.namespace();
                local
                    .as_deref()
                    .is_none_or(|local| local == attribute.name())
                    && match space {
                        Space::Any => local.is_none() || found.is_none(),
                        Space::Prefix(prefix) => {
                            let node = self.node(at);
                            found.is_some() && found == node.lookup_namespace_uri(Some(prefix))
                        }
                        Space::Uri(uri) => found == Some(uri),
                    }
            }
            Test::Text | Test::Comment | Test::Instruction(_) => false,
        }
    }
}

pub(super) fn place(node: Node<'_, '_>) -> Place {
    Place {
        node: node.id().get(),
        attribute: 0,
    }
}

/// Whether `inner` is below `outer`.
fn is_around(outer: Node<'_, '_>, inner: Node<'_, '_>) -> bool {
    let last = outer.descendants().next_back().unwrap_or(outer);
    place(outer) < place(inner) && place(inner) <= place(last)
}
