//! Reads the predecessor's state, a Python pickle of protocol 2 to 5, without running any of it.
//!
//! A pickle is a program for a stack machine that may call whatever it names. Here it may build
//! dictionaries, texts and dates, which is all that such a state holds; anything else is refused by
//! its name. The opcodes are those of `pickletools` in `CPython`, and a date's ten bytes those of
//! `datetime.datetime.__reduce__`.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The state of a predecessor that sends all tables of the world has a few hundred kilobytes.
pub(super) const BYTES_MAX: u64 = 16 << 20;
/// Every pickle of these protocols begins with it, and no text does.
pub(super) const FIRST_BYTE: u8 = 0x80;
const PROTOCOLS: std::ops::RangeInclusive<u8> = 2..=5;

/// What the predecessor remembered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Predecessor {
    /// The newest time it had sent of any site.
    pub(super) last_run: Option<Local>,
    /// The newest time it had sent of each site.
    pub(super) sites: BTreeMap<String, Local>,
}

/// A time without a zone, as `2025-01-02T03:04:05.000000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Local(pub(super) Rc<str>);

/// Reads a state.
///
/// # Errors
/// Says in a few words what in `bytes` no state of the predecessor has, and where.
pub(super) fn read(bytes: &[u8]) -> Result<Predecessor, String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: BTreeMap::new() };
    let value = machine.run().map_err(|error| format!("byte {}: {error}", machine.at))?;
    if machine.at != bytes.len() {
        return Err(format!("byte {}: it ends before its last byte", machine.at));
    }
    predecessor(value)
}

fn predecessor(value: Value) -> Result<Predecessor, String> {
    let mut state = dictionary(value, "the state")?;
    let last_run = match take(&mut state, "last_run", "the state")? {
        Value::None => None,
        value => Some(time(value, "last_run")?),
    };
    let mut sites = BTreeMap::new();
    for (id, site) in dictionary(take(&mut state, "sites", "the state")?, "sites")? {
        let what = format!("site {id}");
        let mut site = dictionary(site, &what)?;
        match take(&mut site, "site_id", &what)? {
            Value::Text(named) if *named == *id => {}
            _ => return Err(format!("{what} names itself otherwise")),
        }
        let last_data = time(take(&mut site, "last_data", &what)?, &what)?;
        nothing_else(&site, &what)?;
        sites.insert(id, last_data);
    }
    nothing_else(&state, "the state")?;
    Ok(Predecessor { last_run, sites })
}

fn dictionary(value: Value, what: &str) -> Result<BTreeMap<String, Value>, String> {
    let Value::Dictionary(entries) = value else { return Err(format!("{what} is no dictionary")) };
    let mut dictionary = BTreeMap::new();
    for (key, value) in entries {
        let Value::Text(key) = key else { return Err(format!("{what} has a key that is no text")) };
        if dictionary.insert(key.to_string(), value).is_some() {
            return Err(format!("{what} has '{key}' twice"));
        }
    }
    Ok(dictionary)
}

fn take(dictionary: &mut BTreeMap<String, Value>, key: &str, what: &str) -> Result<Value, String> {
    dictionary.remove(key).ok_or_else(|| format!("{what} has no '{key}'"))
}

fn nothing_else(dictionary: &BTreeMap<String, Value>, what: &str) -> Result<(), String> {
    match dictionary.keys().next() {
        None => Ok(()),
        Some(key) => Err(format!("{what} has '{key}', which is not known here")),
    }
}

fn time(value: Value, what: &str) -> Result<Local, String> {
    if let Value::Time(time) = value { Ok(time) } else { Err(format!("{what} has no date and time")) }
}

#[derive(Clone, Debug)]
enum Value {
    None,
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Time(Local),
    Callable(Callable),
    Tuple(Vec<Value>),
    Dictionary(Vec<(Value, Value)>),
    Mark,
}

/// What a state calls.
#[derive(Clone, Copy, Debug)]
enum Callable {
    /// `datetime.datetime`
    DateTime,
    /// `_codecs.encode`, by which protocol 2 spells bytes.
    Encode,
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// What may be met again; nothing for what is built of parts, which no state repeats.
    memo: BTreeMap<u32, Option<Value>>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, String> {
        if self.byte()? != FIRST_BYTE || !PROTOCOLS.contains(&self.byte()?) {
            return Err("it is no pickle of protocol 2 to 5".to_owned());
        }
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                let value = self.pop()?;
                return if self.stack.is_empty() {
                    Ok(value)
                } else {
                    Err("it leaves values behind".to_owned())
                };
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            // FRAME: the length of what follows, of use to a reader of streams.
            0x95 => drop(self.take(8)?),
            b'N' => self.stack.push(Value::None),
            b'(' => self.stack.push(Value::Mark),
            b'}' => self.stack.push(Value::Dictionary(Vec::new())),
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let values = self.pop_to_mark()?;
                self.stack.push(Value::Tuple(values));
            }
            0x8c | b'X' | 0x8d => self.text(opcode)?,
            b'C' | b'B' | 0x8e => {
                let bytes = self.counted(opcode)?.into();
                self.stack.push(Value::Bytes(bytes));
            }
            b's' | b'u' => self.set_items(opcode)?,
            b'q' | b'r' | 0x94 => self.memoize(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.name(&module, &name)?,
                _ => return Err("it names something that is no text".to_owned()),
            },
            b'R' => self.call()?,
            _ => return Err(format!("opcode 0x{opcode:02x} builds what no state holds")),
        }
        Ok(())
    }

    fn tuple(&mut self, len: usize) -> Result<(), String> {
        let mut values = (0..len).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        values.reverse();
        self.stack.push(Value::Tuple(values));
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Result<(), String> {
        let text = std::str::from_utf8(self.counted(opcode)?).map_err(|_| "a text is no UTF-8")?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn set_items(&mut self, opcode: u8) -> Result<(), String> {
        let items = if opcode == b's' { vec![self.pop()?, self.pop()?] } else { self.pop_to_mark()? };
        let mut items = items.into_iter();
        let Some(Value::Dictionary(entries)) = self.stack.last_mut() else {
            return Err("it fills what is no dictionary".to_owned());
        };
        while let Some(first) = items.next() {
            let second = items.next().ok_or("a key has no value")?;
            // Popped one by one, the value comes before its key.
            entries.push(if opcode == b's' { (second, first) } else { (first, second) });
        }
        Ok(())
    }

    fn memoize(&mut self, opcode: u8) -> Result<(), String> {
        let at = match opcode {
            b'q' => u32::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        let value = match self.stack.last() {
            None => return Err("it keeps what is not there".to_owned()),
            Some(Value::Dictionary(_) | Value::Tuple(_) | Value::Mark) => None,
            Some(value) => Some(value.clone()),
        };
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), String> {
        let at = if opcode == b'h' { u32::from(self.byte()?) } else { u32::from_le_bytes(self.array()?) };
        match self.memo.get(&at) {
            Some(Some(value)) => self.stack.push(value.clone()),
            Some(None) => return Err("it repeats a dictionary".to_owned()),
            None => return Err("it repeats what it has not kept".to_owned()),
        }
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let callable = match (module, name) {
            ("datetime", "datetime") => Callable::DateTime,
            ("_codecs", "encode") => Callable::Encode,
            _ => {
                let name: String = format!("{module}.{name}").chars().take(100).collect();
                return Err(format!(
                    "it names {name:?}, which is not run; a state holds dates and texts only"
                ));
            }
        };
        self.stack.push(Value::Callable(callable));
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let Value::Tuple(arguments) = self.pop()? else {
            return Err("it calls without arguments".to_owned());
        };
        let Value::Callable(callable) = self.pop()? else { return Err("it calls a value".to_owned()) };
        let value = match (callable, arguments.as_slice()) {
            (Callable::DateTime, [Value::Bytes(bytes)]) => Value::Time(local(bytes)?),
            (Callable::DateTime, [_, _]) => {
                return Err("a date has a zone of its own, and the predecessor's have none".to_owned());
            }
            (Callable::Encode, [Value::Text(text), Value::Text(codec)]) if **codec == *"latin1" => {
                let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
                Value::Bytes(bytes.map_err(|_| "a byte is above 255")?.into())
            }
            _ => return Err(format!("it calls {callable:?} with other arguments")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        match self.stack.pop() {
            None | Some(Value::Mark) => Err("it takes what is not there".to_owned()),
            Some(value) => Ok(value),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark));
        let mark = mark.ok_or("it goes back to a mark that is not there")?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    /// Bytes with their length before them, as wide as the opcode says.
    fn counted(&mut self, opcode: u8) -> Result<&'a [u8], String> {
        let len = match opcode {
            0x8c | b'C' => u64::from(self.byte()?),
            b'X' | b'B' => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        };
        self.take(len)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| *byte == b'\n').ok_or("a name has no end")?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len]).map_err(|_| "a name is no UTF-8".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or("it ends too early")?;
        self.at += taken.len();
        Ok(taken)
    }
}

/// The ten bytes of a `datetime`: year, month, day, hour, minute, second, and three of microseconds. The
/// highest bit of the month tells the second of two equal local times; which of them is meant is for
/// the table's declared policy to say, as it is for its rows.
fn local(bytes: &[u8]) -> Result<Local, String> {
    let [y1, y2, month, day, hour, minute, second, us1, us2, us3] =
        *<&[u8; 10]>::try_from(bytes).map_err(|_| "a date is not ten bytes long")?;
    let (year, micros) = (u16::from_be_bytes([y1, y2]), u32::from_be_bytes([0, us1, us2, us3]));
    let month = month & 0x7f;
    Ok(Local(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}").into()))
}

#[cfg(test)]
mod tests;
