//! The supported commands, with the error texts of Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::store::{Store, StoredValue};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

type Outcome = Result<Value, String>;

/// A known command with a valid number of arguments.
#[derive(Debug)]
pub(super) struct Command {
    name: &'static str,
    arguments: Vec<String>,
}

/// Each command's name, and its smallest and largest number of arguments.
const KNOWN: [(&str, usize, usize); 20] = [
    ("SET", 2, usize::MAX),
    ("GET", 1, 1),
    ("DEL", 1, usize::MAX),
    ("EXISTS", 1, usize::MAX),
    ("EXPIRE", 2, 3),
    ("TTL", 1, 1),
    ("PTTL", 1, 1),
    ("INCR", 1, 1),
    ("INCRBY", 2, 2),
    ("DECR", 1, 1),
    ("MGET", 1, usize::MAX),
    ("HSET", 3, usize::MAX),
    ("HGET", 2, 2),
    ("HGETALL", 1, 1),
    ("HDEL", 2, usize::MAX),
    ("SADD", 2, usize::MAX),
    ("SREM", 2, usize::MAX),
    ("SMEMBERS", 1, 1),
    ("PING", 0, 1),
    ("ECHO", 1, 1),
];

impl Command {
    /// Parses `["NAME", argument, ...]`.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let words = value
            .as_array()
            .ok_or("ERR failed to parse the command: an array is expected")?;
        let mut words = words.iter().map(|word| match word {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err("ERR failed to parse the command: texts and numbers are expected".to_owned()),
        });
        let given = words.next().ok_or("ERR empty command")??;
        let arguments: Vec<String> = words.collect::<Result<_, _>>()?;
        let Some((name, fewest, most)) = KNOWN.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&given))
        else {
            let shown: String = arguments
                .iter()
                .map(|argument| format!(" '{argument}'"))
                .collect();
            return Err(format!(
                "ERR unknown command '{given}', with args beginning with:{shown}"
            ));
        };
        let pairs_up = *name != "HSET" || arguments.len() % 2 == 1;
        if !(*fewest..=*most).contains(&arguments.len()) || !pairs_up {
            return Err(format!(
                "ERR wrong number of arguments for '{}' command",
                name.to_lowercase()
            ));
        }
        Ok(Self { name, arguments })
    }

    pub(super) fn run(&self, store: &mut Store, now: Instant) -> Outcome {
        let arguments = &self.arguments;
        let key = arguments.first().map_or("", String::as_str);
        let rest = arguments.get(1..).unwrap_or_default();
        match self.name {
            "SET" => set(store, now, key, rest),
            "GET" => text(store, now, key).map(|found| json!(found)),
            "DEL" => Ok(json!(
                arguments.iter().filter(|key| store.remove(key, now)).count()
            )),
            "EXISTS" => Ok(json!(
                arguments
                    .iter()
                    .filter(|key| store.get(key, now).is_some())
                    .count()
            )),
            "EXPIRE" => expire(store, now, key, rest),
            "TTL" => Ok(remaining(store, now, key, 1_000)),
            "PTTL" => Ok(remaining(store, now, key, 1)),
            "INCR" => add(store, now, key, 1),
            "DECR" => add(store, now, key, -1),
            "INCRBY" => add(store, now, key, integer(&rest[0])?),
            "MGET" => Ok(arguments
                .iter()
                .map(|key| json!(text(store, now, key).ok().flatten()))
                .collect()),
            "HSET" => {
                let hash = hash_mut(store, now, key)?;
                let added = rest
                    .chunks_exact(2)
                    .filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none());
                Ok(json!(added.count()))
            }
            "HGET" => Ok(json!(hash(store, now, key)?.and_then(|hash| hash.get(&rest[0])))),
            "HGETALL" => {
                let hash = hash(store, now, key)?;
                Ok(hash
                    .into_iter()
                    .flatten()
                    .flat_map(|(field, value)| [json!(field), json!(value)])
                    .collect())
            }
            "HDEL" => {
                let hash = hash_mut(store, now, key)?;
                let removed = rest.iter().filter(|field| hash.remove(*field).is_some()).count();
                drop_if_empty(hash.is_empty(), store, now, key);
                Ok(json!(removed))
            }
            "SADD" => {
                let set = set_mut(store, now, key)?;
                Ok(json!(
                    rest.iter().filter(|member| set.insert((*member).clone())).count()
                ))
            }
            "SREM" => {
                let set = set_mut(store, now, key)?;
                let removed = rest.iter().filter(|member| set.remove(*member)).count();
                drop_if_empty(set.is_empty(), store, now, key);
                Ok(json!(removed))
            }
            "SMEMBERS" => match store.get(key, now) {
                None => Ok(json!([])),
                Some(StoredValue::Set(set)) => Ok(json!(set)),
                Some(_) => Err(WRONG_TYPE.to_owned()),
            },
            "PING" => Ok(json!(arguments.first().map_or("PONG", String::as_str))),
            _ => Ok(json!(key)),
        }
    }
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| NOT_AN_INTEGER.to_owned())
}

fn text(store: &mut Store, now: Instant, key: &str) -> Result<Option<String>, String> {
    match store.get(key, now) {
        None => Ok(None),
        Some(StoredValue::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(WRONG_TYPE.to_owned()),
    }
}

fn hash<'a>(
    store: &'a mut Store,
    now: Instant,
    key: &str,
) -> Result<Option<&'a BTreeMap<String, String>>, String> {
    match store.get(key, now) {
        None => Ok(None),
        Some(StoredValue::Hash(hash)) => Ok(Some(hash)),
        Some(_) => Err(WRONG_TYPE.to_owned()),
    }
}

fn hash_mut<'a>(
    store: &'a mut Store,
    now: Instant,
    key: &str,
) -> Result<&'a mut BTreeMap<String, String>, String> {
    if store.get(key, now).is_none() {
        store.put(key, StoredValue::Hash(BTreeMap::new()), None, now);
    }
    match store.get_mut(key, now) {
        Some(StoredValue::Hash(hash)) => Ok(hash),
        _ => Err(WRONG_TYPE.to_owned()),
    }
}

fn set_mut<'a>(store: &'a mut Store, now: Instant, key: &str) -> Result<&'a mut BTreeSet<String>, String> {
    if store.get(key, now).is_none() {
        store.put(key, StoredValue::Set(BTreeSet::new()), None, now);
    }
    match store.get_mut(key, now) {
        Some(StoredValue::Set(set)) => Ok(set),
        _ => Err(WRONG_TYPE.to_owned()),
    }
}

fn drop_if_empty(empty: bool, store: &mut Store, now: Instant, key: &str) {
    if empty {
        store.remove(key, now);
    }
}

fn set(store: &mut Store, now: Instant, key: &str, rest: &[String]) -> Outcome {
    let (value, options) = rest.split_first().ok_or(SYNTAX)?;
    let (mut ends, mut only_new, mut only_old, mut give_old, mut keep_end) =
        (None, false, false, false, false);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_str() {
            "NX" => only_new = true,
            "XX" => only_old = true,
            "GET" => give_old = true,
            "KEEPTTL" => keep_end = true,
            unit @ ("EX" | "PX") if ends.is_none() => {
                let amount = integer(options.next().ok_or(SYNTAX)?)?;
                ends = Some(
                    after(now, amount, if unit == "EX" { 1_000 } else { 1 })
                        .ok_or_else(|| "ERR invalid expire time in 'set' command".to_owned())?,
                );
            }
            _ => return Err(SYNTAX.to_owned()),
        }
    }
    if (only_new && only_old) || (keep_end && ends.is_some()) {
        return Err(SYNTAX.to_owned());
    }
    let exists = store.get(key, now).is_some();
    let old = if give_old { text(store, now, key)? } else { None };
    let refused = (only_new && exists) || (only_old && !exists);
    if !refused {
        let ends = if keep_end {
            store.ends(key, now).flatten()
        } else {
            ends
        };
        store.put(key, StoredValue::Text(value.clone()), ends, now);
    }
    Ok(match (give_old, refused) {
        (true, _) => json!(old),
        (false, true) => Value::Null,
        (false, false) => json!("OK"),
    })
}

/// The time after a positive number of units, each of `unit_ms` milliseconds.
fn after(now: Instant, amount: i64, unit_ms: u64) -> Option<Instant> {
    let milliseconds = u64::try_from(amount)
        .ok()
        .filter(|amount| *amount > 0)?
        .checked_mul(unit_ms)?;
    now.checked_add(Duration::from_millis(milliseconds))
}

fn expire(store: &mut Store, now: Instant, key: &str, rest: &[String]) -> Outcome {
    let seconds = integer(&rest[0])?;
    let Some(current) = store.ends(key, now) else {
        return Ok(json!(0));
    };
    let ends = after(now, seconds, 1_000);
    let applies = match rest.get(1).map(|option| option.to_ascii_uppercase()).as_deref() {
        None => true,
        Some("NX") => current.is_none(),
        Some("XX") => current.is_some(),
        Some("GT") => current.is_some_and(|current| ends.is_some_and(|ends| ends > current)),
        Some("LT") => current.is_none_or(|current| ends.is_none_or(|ends| ends < current)),
        Some(_) => return Err(SYNTAX.to_owned()),
    };
    if !applies {
        return Ok(json!(0));
    }
    // A time in the past removes the key.
    let done = if ends.is_some() {
        store.set_end(key, ends, now)
    } else {
        store.remove(key, now)
    };
    Ok(json!(u8::from(done)))
}

fn remaining(store: &mut Store, now: Instant, key: &str, unit_ms: u128) -> Value {
    match store.ends(key, now) {
        None => json!(-2),
        Some(None) => json!(-1),
        // Redis rounds to the nearest second.
        Some(Some(ends)) => json!(((ends - now).as_millis() + unit_ms / 2) / unit_ms),
    }
}

fn add(store: &mut Store, now: Instant, key: &str, amount: i64) -> Outcome {
    let current = match text(store, now, key)? {
        Some(text) => integer(&text)?,
        None => 0,
    };
    let sum = current
        .checked_add(amount)
        .ok_or("ERR increment or decrement would overflow")?;
    let ends = store.ends(key, now).flatten();
    store.put(key, StoredValue::Text(sum.to_string()), ends, now);
    Ok(json!(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Redis(Store);

    impl Redis {
        fn run(&mut self, line: &str) -> Outcome {
            let words: Vec<&str> = line.split(' ').collect();
            Command::parse(&json!(words))?.run(&mut self.0, Instant::now())
        }

        fn ok(&mut self, line: &str) -> Value {
            self.run(line).unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn set_applies_its_options() {
        let mut redis = Redis::default();
        assert_eq!(redis.ok("GET a"), Value::Null);
        assert_eq!(redis.ok("SET a 1 XX"), Value::Null);
        assert_eq!(redis.ok("SET a 1 NX"), "OK");
        assert_eq!(redis.ok("SET a 2 NX"), Value::Null);
        assert_eq!(redis.ok("SET a 3 GET"), "1");
        assert_eq!(redis.ok("SET a 4 NX GET"), "3");
        assert_eq!(redis.ok("GET a"), "3");
        assert_eq!(redis.ok("set b 1 px 1500"), "OK");
        assert_eq!(redis.run("SET a 1 NX XX").unwrap_err(), SYNTAX);
        assert_eq!(redis.run("SET a 1 EX").unwrap_err(), SYNTAX);
        assert_eq!(redis.run("SET a 1 EX x").unwrap_err(), NOT_AN_INTEGER);
        assert!(
            redis
                .run("SET a 1 EX 0")
                .unwrap_err()
                .contains("invalid expire time")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn keys_expire_on_time() {
        let mut redis = Redis::default();
        redis.ok("SET a 1 EX 10");
        assert_eq!(
            (redis.ok("TTL a"), redis.ok("PTTL a")),
            (json!(10), json!(10_000))
        );
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!((redis.ok("EXISTS a"), redis.ok("PTTL a")), (json!(1), json!(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((redis.ok("GET a"), redis.ok("TTL a")), (Value::Null, json!(-2)));
        redis.ok("SET a 1");
        assert_eq!(redis.ok("TTL a"), -1);
        assert_eq!(
            (redis.ok("EXPIRE a 5"), redis.ok("EXPIRE nothing 5")),
            (json!(1), json!(0))
        );
        assert_eq!(
            (redis.ok("EXPIRE a 9 NX"), redis.ok("EXPIRE a 9 GT")),
            (json!(0), json!(1))
        );
        redis.ok("SET a 2");
        assert_eq!(redis.ok("TTL a"), -1);
        redis.ok("EXPIRE a -1");
        assert_eq!(redis.ok("EXISTS a"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn counters_keep_their_expiry_and_refuse_texts() {
        let mut redis = Redis::default();
        assert_eq!(
            (redis.ok("INCR n"), redis.ok("INCRBY n 41"), redis.ok("DECR n")),
            (json!(1), json!(42), json!(41))
        );
        redis.ok("EXPIRE n 10");
        redis.ok("INCR n");
        assert_eq!(redis.ok("TTL n"), 10);
        redis.ok("SET t abc");
        assert_eq!(redis.run("INCR t").unwrap_err(), NOT_AN_INTEGER);
        redis.ok(&format!("SET m {}", i64::MAX));
        assert!(redis.run("INCR m").unwrap_err().contains("overflow"));
    }

    #[tokio::test(start_paused = true)]
    async fn hashes_and_sets() {
        let mut redis = Redis::default();
        assert_eq!(redis.ok("HSET h a 1 b 2"), 2);
        assert_eq!(redis.ok("HSET h a 3"), 0);
        assert_eq!(
            (redis.ok("HGET h a"), redis.ok("HGET h z")),
            (json!("3"), Value::Null)
        );
        assert_eq!(redis.ok("HGETALL h"), json!(["a", "3", "b", "2"]));
        assert_eq!(redis.ok("HDEL h a b z"), 2);
        assert_eq!(redis.ok("EXISTS h"), 0);
        assert_eq!(
            (redis.ok("SADD s x y x"), redis.ok("SMEMBERS s")),
            (json!(2), json!(["x", "y"]))
        );
        assert_eq!(
            (redis.ok("SREM s x z"), redis.ok("SMEMBERS nothing")),
            (json!(1), json!([]))
        );
        assert_eq!(redis.run("GET s").unwrap_err(), WRONG_TYPE);
        assert_eq!(redis.run("HGET s a").unwrap_err(), WRONG_TYPE);
        redis.ok("SET t 1");
        assert_eq!(redis.ok("MGET t nothing s"), json!(["1", null, null]));
        assert_eq!(redis.ok("DEL t s nothing"), 2);
    }

    #[test]
    fn unknown_commands_and_wrong_numbers_of_arguments_are_reported() {
        let parse = |value: Value| Command::parse(&value).unwrap_err();
        assert!(parse(json!(["FLUSH", 1])).starts_with("ERR unknown command 'FLUSH'"));
        assert!(parse(json!(["EVAL", "return 1", 0])).starts_with("ERR unknown command 'EVAL'"));
        assert_eq!(
            parse(json!(["GET"])),
            "ERR wrong number of arguments for 'get' command"
        );
        assert_eq!(
            parse(json!(["HSET", "h", "a"])),
            "ERR wrong number of arguments for 'hset' command"
        );
        assert!(parse(json!({"a": 1})).starts_with("ERR"));
        assert!(parse(json!([])).starts_with("ERR"));
    }
}
