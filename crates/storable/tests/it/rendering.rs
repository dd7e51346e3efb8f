//! A document as one line of text that says everything it holds, the same that `Rendering.pm`
//! makes of a structure in Perl.

use std::collections::HashMap;
use std::fmt::Write;

use storable::{Document, Hash, KeyValue, Kind, Node, NodeId, Variable};

pub(crate) fn render(document: &Document) -> String {
    let mut walk = Walk::default();
    walk.node(document.root());
    walk.assemble()
}

/// Text, with places where a node is met for the first time and again.
#[derive(Default)]
struct Walk {
    pieces: Vec<Piece>,
    met: HashMap<NodeId, usize>,
}

enum Piece {
    Text(String),
    First(NodeId),
    Again(NodeId),
}

impl Walk {
    /// Numbers what is met again, in the order of first sight.
    fn assemble(self) -> String {
        let mut numbers = HashMap::new();
        let mut line = String::new();
        for piece in self.pieces {
            match piece {
                Piece::Text(text) => line += &text,
                Piece::First(id) if self.met[&id] > 1 => {
                    let number = numbers.len() + 1;
                    numbers.insert(id, number);
                    write!(line, "&{number} ").unwrap();
                }
                Piece::First(_) => {}
                Piece::Again(id) => write!(line, "*{}", numbers[&id]).unwrap(),
            }
        }
        line
    }

    fn add(&mut self, text: impl Into<String>) {
        self.pieces.push(Piece::Text(text.into()));
    }

    fn node(&mut self, node: Node<'_>) {
        if matches!(node.kind(), Kind::Hole | Kind::ElementUndef) {
            return self.add("undef");
        }
        let times = self.met.entry(node.id()).or_default();
        *times += 1;
        if *times > 1 {
            return self.pieces.push(Piece::Again(node.id()));
        }
        self.pieces.push(Piece::First(node.id()));
        if let Kind::Hook(hook) = node.kind() {
            let class = node.class().unwrap();
            self.add(format!("hook {class} {} [", quoted(hook.frozen())));
            self.list(hook.list());
            self.add("]");
            if let Some((variable, object)) = hook.tied() {
                self.add(" ");
                self.tied(variable, object);
            }
            return;
        }
        if let Some(class) = node.class() {
            self.add(format!("{class}="));
        }
        self.body(node);
    }

    fn body(&mut self, node: Node<'_>) {
        match node.kind() {
            Kind::Undef => self.add("undef"),
            Kind::Yes => self.add("yes"),
            Kind::No => self.add("no"),
            Kind::True => self.add("true"),
            Kind::False => self.add("false"),
            Kind::Integer(number) => self.add(number.to_string()),
            Kind::Double(number) => self.add(format!("d:{:016x}", number.to_bits())),
            Kind::Bytes(bytes) => self.add(string(bytes, false)),
            Kind::Utf8(bytes) => self.add(string(bytes, true)),
            Kind::Version { magic, text, utf8 } => {
                self.add(format!("v{}{}", quoted(magic), string(text, utf8)));
            }
            Kind::Reference {
                to,
                weak,
                overloaded,
            } => {
                self.add(match (weak, overloaded) {
                    (false, false) => "\\",
                    (false, true) => "overload\\",
                    (true, false) => "weak\\",
                    (true, true) => "weak-overload\\",
                });
                self.node(to);
            }
            Kind::Array(array) => {
                self.add("[");
                self.list(array.iter());
                self.add("]");
            }
            Kind::Hash(hash) => self.hash(hash),
            Kind::Code(text) => match text.kind() {
                Kind::Bytes(source) | Kind::Utf8(source) => {
                    self.add(format!("code{}", quoted(source)));
                }
                _ => panic!("code has a string as its text"),
            },
            Kind::Regexp { pattern, modifiers } => {
                self.add(format!("qr{}{}", quoted(pattern), escaped(modifiers)));
            }
            Kind::Tied { variable, object } => self.tied(variable, object),
            _ => panic!("a kind that is rendered elsewhere"),
        }
    }

    fn list<'d>(&mut self, nodes: impl Iterator<Item = Node<'d>>) {
        for (index, node) in nodes.enumerate() {
            if index > 0 {
                self.add(",");
            }
            match node.kind() {
                Kind::Hole => self.add("hole"),
                Kind::ElementUndef => self.add("elem-undef"),
                _ => self.node(node),
            }
        }
    }

    fn hash(&mut self, hash: Hash<'_>) {
        self.add(if hash.is_restricted() {
            "restricted{"
        } else {
            "{"
        });
        let mut entries: Vec<_> = hash.iter().map(|entry| (form(&entry), entry)).collect();
        entries.sort_by_key(|(form, entry)| (entry.key_bytes(), *form));
        for (index, (form, entry)) in entries.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            self.add(format!("{comma}{form}{}", quoted(entry.key_bytes())));
            if entry.is_placeholder() {
                self.add("?");
                continue;
            }
            self.add(if entry.is_locked() { "!:" } else { ":" });
            self.node(entry.value());
        }
        self.add("}");
    }

    fn tied(&mut self, variable: Variable<'_>, object: Node<'_>) {
        self.add(match variable {
            Variable::Array => "tied-array(",
            Variable::Hash => "tied-hash(",
            Variable::Scalar => "tied-scalar(",
            Variable::Key(_) => "tied-key(",
            Variable::Index(_) => "tied-index(",
            _ => panic!("a variable that is new"),
        });
        self.node(object);
        match variable {
            Variable::Key(key) => {
                self.add(",");
                self.node(key);
            }
            Variable::Index(index) => self.add(format!(",{index}")),
            _ => {}
        }
        self.add(")");
    }
}

fn form(entry: &KeyValue<'_>) -> char {
    match (entry.is_utf8(), entry.was_utf8()) {
        (true, _) => 'u',
        (_, true) => 'w',
        _ => 'b',
    }
}

fn string(bytes: &[u8], utf8: bool) -> String {
    format!("{}{}", if utf8 { 'u' } else { 'b' }, quoted(bytes))
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes))
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'"' | b'\\' => write!(text, "\\x{byte:02x}").unwrap(),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}
