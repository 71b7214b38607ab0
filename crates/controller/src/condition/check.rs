//! The static check of a condition: every word is in the table, every operator fits its operands.

use cel::IdedExpr;
use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SourceInfo, operators};

use super::ConditionFault;
use super::schema::{FUNCTIONS, Field, Kind, VARIABLES, Words};

/// All faults, in the order of their place.
pub(super) fn check(program: &Program) -> Vec<ConditionFault> {
    let mut checker = Checker { info: program.source_info(), scope: Vec::new(), faults: Vec::new() };
    let root = program.expression();
    let kind = checker.kind(root);
    if checker.faults.is_empty() && !fits(kind, Kind::Bool) {
        checker.fault(0, format!("the condition is {}, it must be true or false", words(kind)));
    }
    checker.faults.sort_by_key(|f| f.offset);
    checker.faults.dedup();
    checker.faults
}

struct Checker<'a> {
    info: &'a SourceInfo,
    /// Names bound by `exists`, `all`, `map` and their like, innermost last.
    scope: Vec<(String, Kind)>,
    faults: Vec<ConditionFault>,
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Int => "a whole number",
        Kind::Double => "a number with a fraction",
        Kind::Text | Kind::Word(_) => "a text",
        Kind::Records(_) | Kind::List => "a list",
        Kind::Record(_) => "a record",
        Kind::Any => "anything",
    }
}

/// Whether a value of kind `found` may stand where `wanted` is needed.
fn fits(found: Kind, wanted: Kind) -> bool {
    matches!(
        (found, wanted),
        (Kind::Any, _)
            | (_, Kind::Any)
            | (Kind::Text | Kind::Word(_), Kind::Text | Kind::Word(_))
            | (Kind::Records(_) | Kind::List, Kind::List)
    ) || found == wanted
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Double | Kind::Any)
}

/// Numbers compare with numbers, texts with texts, and so on.
fn comparable(a: Kind, b: Kind) -> bool {
    (is_number(a) && is_number(b)) || fits(a, b)
}

fn symbol(function: &str) -> Option<&'static str> {
    Some(match function {
        operators::LOGICAL_AND => "&&",
        operators::LOGICAL_OR => "||",
        operators::LOGICAL_NOT => "!",
        operators::EQUALS => "==",
        operators::NOT_EQUALS => "!=",
        operators::GREATER_EQUALS => ">=",
        operators::LESS_EQUALS => "<=",
        operators::GREATER => ">",
        operators::LESS => "<",
        operators::ADD => "+",
        operators::SUBSTRACT => "-",
        operators::MULTIPLY => "*",
        operators::DIVIDE => "/",
        operators::MODULO => "%",
        operators::NEGATE => "-",
        operators::IN => "in",
        _ => return None,
    })
}

impl Checker<'_> {
    fn fault(&mut self, id: u64, detail: String) {
        let offset = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.faults.push(ConditionFault { offset, detail });
    }

    /// A fault at the name of a function: the parser's offset of a call is its bracket.
    fn call_fault(&mut self, id: u64, name: &str, detail: String) {
        let from = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let at_bracket = self.info.source.chars().nth(from) == Some('(');
        let back = if at_bracket { name.chars().count() } else { 0 };
        self.faults.push(ConditionFault { offset: from.saturating_sub(back), detail });
    }

    /// A fault at the field of `operand.field`: the parser's offset of a selection is its dot.
    fn field_fault(&mut self, id: u64, detail: String) {
        let from = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let after_dot = self.info.source.chars().nth(from) == Some('.');
        self.faults.push(ConditionFault { offset: from + usize::from(after_dot), detail });
    }

    fn kind(&mut self, e: &IdedExpr) -> Kind {
        match &e.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Kind::Bool,
                LiteralValue::Double(_) => Kind::Double,
                LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Int,
                LiteralValue::String(_) => Kind::Text,
                LiteralValue::Bytes(_) | LiteralValue::Null => {
                    self.fault(
                        e.id,
                        "bytes and null have no place in a condition; ask with `has(…)`".to_owned(),
                    );
                    Kind::Any
                }
            },
            Expr::Ident(name) => self.variable(e.id, name),
            Expr::Select(select) => {
                let operand = self.kind(&select.operand);
                let kind = self.member(e.id, operand, &select.field);
                if select.test { Kind::Bool } else { kind }
            }
            Expr::List(list) => {
                for element in &list.elements {
                    self.kind(element);
                }
                Kind::List
            }
            Expr::Call(call) => self.call(e.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(e.id, comprehension),
            Expr::Map(_) | Expr::Struct(_) => {
                self.fault(e.id, "a map or message has no place in a condition".to_owned());
                Kind::Any
            }
            Expr::Unspecified => Kind::Any,
        }
    }

    fn variable(&mut self, id: u64, name: &str) -> Kind {
        if let Some((_, kind)) = self.scope.iter().rev().find(|(bound, _)| bound == name) {
            return *kind;
        }
        if let Some(variable) = VARIABLES.iter().find(|v| v.name == name) {
            return variable.kind;
        }
        self.fault(id, format!("there is no variable `{name}`; there are {}", names(VARIABLES)));
        Kind::Any
    }

    fn member(&mut self, id: u64, of: Kind, name: &str) -> Kind {
        match of {
            Kind::Any => Kind::Any,
            Kind::Record(fields) => match fields.iter().find(|f| f.name == name) {
                Some(field) => field.kind,
                None => {
                    self.field_fault(id, format!("there is no field `{name}`; there are {}", names(fields)));
                    Kind::Any
                }
            },
            Kind::Records(_) | Kind::List => {
                self.field_fault(
                    id,
                    format!("a list has no field `{name}`; use `.exists(x, …)` or an index"),
                );
                Kind::Any
            }
            other => {
                self.field_fault(id, format!("{} has no field `{name}`", words(other)));
                Kind::Any
            }
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Kind {
        let name = call.func_name.as_str();
        let target = call.target.as_ref().map(|t| self.kind(t));
        let args: Vec<Kind> = call.args.iter().map(|a| self.kind(a)).collect();
        match (name, target, args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, None, parts) => {
                if parts.iter().any(|k| !fits(*k, Kind::Bool)) {
                    self.operands(id, name, parts);
                }
                Kind::Bool
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, None, [one]) => {
                if !fits(*one, Kind::Bool) {
                    self.operands(id, name, &args);
                }
                Kind::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, None, [a, b]) => {
                if !comparable(*a, *b) {
                    self.operands(id, name, &args);
                }
                self.known_word(*a, &call.args[1]);
                self.known_word(*b, &call.args[0]);
                Kind::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                None,
                [a, b],
            ) => {
                let ordered = |k: Kind| is_number(k) || fits(k, Kind::Text);
                if !(comparable(*a, *b) && ordered(*a) && ordered(*b)) {
                    self.operands(id, name, &args);
                }
                Kind::Bool
            }
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO,
                None,
                [a, b],
            ) => self.arithmetic(id, name, *a, *b),
            (operators::NEGATE, None, [a]) => {
                if !is_number(*a) {
                    self.operands(id, name, &args);
                }
                *a
            }
            (operators::CONDITIONAL, None, [test, yes, no]) => {
                if !fits(*test, Kind::Bool) {
                    self.fault(call.args[0].id, "what stands before `?` must be true or false".to_owned());
                }
                if fits(*yes, *no) { *yes } else { Kind::Any }
            }
            (operators::INDEX, None, [of, _]) => match of {
                Kind::Records(fields) => Kind::Record(fields),
                Kind::List | Kind::Any => Kind::Any,
                other => {
                    self.fault(id, format!("{} has no index", words(*other)));
                    Kind::Any
                }
            },
            (operators::IN, None, [_, list]) => {
                if !fits(*list, Kind::List) {
                    self.operands(id, name, &args);
                }
                Kind::Bool
            }
            ("size", Some(of), []) => self.size(id, of),
            ("size", None, [of]) => self.size(id, *of),
            ("startsWith" | "endsWith" | "contains" | "matches", Some(of), [arg]) => {
                if !fits(of, Kind::Text) || !fits(*arg, Kind::Text) {
                    self.call_fault(id, name, format!("`{name}` is for texts"));
                }
                Kind::Bool
            }
            ("double", None, [_]) => Kind::Double,
            ("int", None, [_]) => Kind::Int,
            ("string", None, [_]) => Kind::Text,
            (_, None, _) => self.function(id, call, &args),
            (_, Some(_), _) => {
                self.call_fault(id, name, format!("there is no function `{name}` of that form"));
                Kind::Any
            }
        }
    }

    fn size(&mut self, id: u64, of: Kind) -> Kind {
        if !fits(of, Kind::List) && !fits(of, Kind::Text) {
            self.fault(id, format!("{} has no size", words(of)));
        }
        Kind::Int
    }

    /// One of our own functions.
    fn function(&mut self, id: u64, call: &CallExpr, args: &[Kind]) -> Kind {
        let name = call.func_name.as_str();
        let Some((_, wanted, result, _)) = FUNCTIONS.iter().find(|f| f.0 == name) else {
            let ours: Vec<_> = FUNCTIONS.iter().map(|f| format!("`{}`", f.0)).collect();
            self.call_fault(
                id,
                name,
                format!("there is no function `{name}`; there are {}", ours.join(", ")),
            );
            return Kind::Any;
        };
        if wanted.len() != args.len() {
            self.call_fault(
                id,
                name,
                format!("`{name}` takes {} arguments, not {}", wanted.len(), args.len()),
            );
            return *result;
        }
        for ((wanted, found), expr) in wanted.iter().zip(args).zip(&call.args) {
            match wanted {
                Kind::Word(_) if !fits(*found, Kind::Text) => {
                    self.fault(expr.id, format!("`{name}` takes a text here, not {}", words(*found)));
                }
                Kind::Word(_) => self.known_word(*wanted, expr),
                _ if !is_number(*found) => {
                    self.fault(expr.id, format!("`{name}` takes a number here, not {}", words(*found)));
                }
                _ => {}
            }
        }
        *result
    }

    fn arithmetic(&mut self, id: u64, name: &str, a: Kind, b: Kind) -> Kind {
        match (a, b) {
            (Kind::Any, other) | (other, Kind::Any) => other,
            (Kind::Int, Kind::Int) => Kind::Int,
            (Kind::Double, Kind::Double) => Kind::Double,
            (Kind::Int, Kind::Double) | (Kind::Double, Kind::Int) => {
                let symbol = symbol(name).unwrap_or(name);
                self.fault(
                    id,
                    format!("`{symbol}` needs two numbers of the same form; write whole numbers as `100.0`"),
                );
                Kind::Double
            }
            (a, b) if name == operators::ADD && fits(a, Kind::Text) && fits(b, Kind::Text) => Kind::Text,
            (a, b) if name == operators::ADD && fits(a, Kind::List) && fits(b, Kind::List) => Kind::List,
            (a, b) => {
                self.operands(id, name, &[a, b]);
                Kind::Any
            }
        }
    }

    fn operands(&mut self, id: u64, name: &str, found: &[Kind]) {
        let symbol = symbol(name).unwrap_or(name);
        let found: Vec<_> = found.iter().map(|k| words(*k)).collect();
        self.fault(id, format!("`{symbol}` does not fit {}", found.join(" and ")));
    }

    /// Whether a literal that is compared with a word of a closed set is one of the set.
    fn known_word(&mut self, of: Kind, literal: &IdedExpr) {
        let Kind::Word(set) = of else { return };
        let Expr::Literal(LiteralValue::String(text)) = &literal.expr else { return };
        if !set.all().contains(&text.inner()) {
            let what = match set {
                Words::Severity => "severity",
                Words::Shape => "shape",
                Words::ResourceKind => "kind of resource",
                Words::Vital => "vital sign",
            };
            self.fault(
                literal.id,
                format!("there is no {what} `{}`; there are {}", text.inner(), set.all().join(", ")),
            );
        }
    }

    fn comprehension(&mut self, id: u64, c: &ComprehensionExpr) -> Kind {
        let range = self.kind(&c.iter_range);
        let element = match range {
            Kind::Records(fields) => Kind::Record(fields),
            Kind::List | Kind::Any => Kind::Any,
            other => {
                self.fault(id, format!("{} is not a list", words(other)));
                Kind::Any
            }
        };
        let start = self.kind(&c.accu_init);
        // A list that is filtered keeps the form of its elements.
        let accumulated = if start == Kind::List { Kind::Any } else { start };
        self.scope.push((c.accu_var.clone(), accumulated));
        self.scope.push((c.iter_var.clone(), element));
        self.kind(&c.loop_cond);
        self.kind(&c.loop_step);
        self.scope.pop();
        let result = self.kind(&c.result);
        self.scope.pop();
        if start == Kind::List { Kind::List } else { result }
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|f| format!("`{}`", f.name)).collect::<Vec<_>>().join(", ")
}
