//! Session files of older gpunodes, brought up to the present schema one version at a time. The file itself is left
//! alone until the next save, and [`super::store`] keeps a copy of it then.

use serde_yaml::{Mapping, Value};

/// Brings a session of schema `from` up to [`super::SCHEMA_VERSION`]. Text that is no session at all is left for the
/// reader to refuse.
pub(super) fn migrate(mut session: Value, from: u32) -> Value {
    if let Value::Mapping(fields) = &mut session {
        let steps = [to_2, to_3, to_4, to_5];
        let newer = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        steps.iter().skip(newer).for_each(|step| step(fields));
    }
    session
}

/// Schema 1 knew no other machine than its own and no undo that can be resumed: both are absent in it, which means just
/// that.
fn to_2(fields: &mut Mapping) {
    fields.insert("schema_version".into(), 2.into());
}

/// Schema 2 had no mark at the end of the file; there is nothing else in which they differ.
fn to_3(fields: &mut Mapping) {
    fields.insert("schema_version".into(), 3.into());
}

/// Schema 3 kept the way back as a command line, or as paths. Neither is run any more: such a record is shown, and left
/// alone.
fn to_4(fields: &mut Mapping) {
    fields.insert("schema_version".into(), 4.into());
    let Some(Value::Sequence(journal)) = fields.get_mut("journal") else { return };
    for record in journal.iter_mut().filter_map(Value::as_mapping_mut).filter(|record| record.contains_key("undo")) {
        record.insert("undo".into(), "nothing".into());
    }
}

/// Schema 4 knew no second boot.
fn to_5(fields: &mut Mapping) {
    fields.insert("schema_version".into(), 5.into());
}

#[cfg(test)]
mod tests {
    use super::{super::SCHEMA_VERSION, *};

    #[test]
    fn every_older_schema_reaches_the_present_one() {
        for from in 1..=SCHEMA_VERSION {
            let old: Value = serde_yaml::from_str(&format!("schema_version: {from}\nkept: 1\n")).unwrap();
            let new = migrate(old, from);
            assert_eq!(new["schema_version"], Value::from(SCHEMA_VERSION), "from {from}");
            assert_eq!(new["kept"], Value::from(1));
        }
    }

    #[test]
    fn what_is_no_session_comes_back_as_it_was() {
        assert_eq!(migrate(Value::Null, 1), Value::Null);
    }
}
