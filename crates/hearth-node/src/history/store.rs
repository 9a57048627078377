//! The database of the history.
//!
//! Two views of the same duties: each one whole, for the list; and counted by the hour, by validator and by operator, so that a
//! month of a thousand validators is added up from thousands of rows and not from millions.

use std::collections::BTreeMap;
use std::path::Path;

use hearth_api::{
    DEFAULT_DUTIES, DutiesReply, DutiesRequest, DutyRecord, Effectiveness, HistoryReply, HistoryRequest,
    MOST_DUTIES, Mark, OperatorTally, Period, Step, Tally, ValidatorTally,
};
use hearth_types::{LockHash, ValidatorIndex};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Layout of the tables. A file of an older one is brought up to it, a file of a newer one is put aside.
const LAYOUT: i64 = 2;
const HOUR_MS: u64 = 3_600_000;
/// A day more than the longest period.
const KEPT_HOURS: u64 = 31 * 24;
/// Validators of a reply, at most: those with the most misses.
const MOST_VALIDATORS: usize = 2_000;

const TABLES: &str = "
    CREATE TABLE duties (
        cluster BLOB NOT NULL, slot INTEGER NOT NULL, kind INTEGER NOT NULL,
        hour INTEGER NOT NULL, missed INTEGER NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (cluster, slot, kind)) WITHOUT ROWID;
    CREATE INDEX duties_by_hour ON duties (hour);
    CREATE TABLE validators (
        cluster BLOB NOT NULL, hour INTEGER NOT NULL, validator INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0, missed INTEGER NOT NULL DEFAULT 0, sent_ms INTEGER NOT NULL DEFAULT 0,
        sent INTEGER NOT NULL DEFAULT 0, included INTEGER NOT NULL DEFAULT 0, delay INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (hour, cluster, validator)) WITHOUT ROWID;
    CREATE TABLE operators (
        cluster BLOB NOT NULL, hour INTEGER NOT NULL, number INTEGER NOT NULL, signed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (hour, cluster, number)) WITHOUT ROWID;
    CREATE TABLE hours (
        cluster BLOB NOT NULL, hour INTEGER NOT NULL, duties INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (hour, cluster)) WITHOUT ROWID;
";

/// From the layout that knew nothing of what the chain has.
const SECOND_LAYOUT: &str = "
    ALTER TABLE validators ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE validators ADD COLUMN included INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE validators ADD COLUMN delay INTEGER NOT NULL DEFAULT 0;
    UPDATE validators SET sent = done;
";

/// What a tally is read from, in the order of [`Sums`].
const SUMS: &str = "sum(done), sum(missed), sum(sent), sum(sent_ms), sum(included), sum(delay)";

/// The open database.
pub(crate) struct Store {
    connection: Connection,
    /// The hour up to which old rows were looked for.
    swept: u64,
}

impl Store {
    /// Opens the file, or begins it. One that is damaged or from another version is put aside under another name.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        match Self::try_open(path) {
            Ok(store) => Ok(store),
            Err(error) => {
                let aside = path.with_extension("unreadable.sqlite");
                tracing::warn!(%error, to = %aside.display(), "the history of duties cannot be read: it is put aside and begun anew");
                // Where even that fails, opening fails once more and says why.
                let _renamed = std::fs::rename(path, aside);
                for beside in ["sqlite-wal", "sqlite-shm"] {
                    let _removed = std::fs::remove_file(path.with_extension(beside));
                }
                Self::try_open(path)
            }
        }
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may cost the last minutes; nothing depends on them.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let bring_up = |steps| {
            connection.execute_batch(&format!("BEGIN; {steps} PRAGMA user_version = {LAYOUT}; COMMIT;"))
        };
        match layout {
            0 => bring_up(TABLES)?,
            1 => bring_up(SECOND_LAYOUT)?,
            LAYOUT => {
                connection.query_row("SELECT count(*) FROM hours", [], |row| row.get::<_, i64>(0))?;
            }
            other => return Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
        }
        Ok(Self { connection, swept: 0 })
    }

    /// Keeps a duty, or puts another record in the place of what is kept of it.
    pub(crate) fn keep(&mut self, record: &DutyRecord) -> rusqlite::Result<()> {
        let missed = match record.mark() {
            Mark::Waiting => return Ok(()),
            Mark::Done | Mark::Late => false,
            Mark::Missed => true,
        };
        let hour = record.due_ms / HOUR_MS;
        let (cluster, slot, kind) =
            (record.cluster.as_bytes().as_slice(), number(record.slot.get()), record.kind.number());
        let text = serde_json::to_string(record)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let transaction = self.connection.transaction()?;
        let before: Option<String> = transaction
            .query_row(
                "SELECT record FROM duties WHERE cluster = ?1 AND slot = ?2 AND kind = ?3",
                params![cluster, slot, kind],
                |row| row.get(0),
            )
            .optional()?;
        transaction.execute(
            "INSERT OR REPLACE INTO duties (cluster, slot, kind, hour, missed, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![cluster, slot, kind, number(hour), missed, text],
        )?;
        match before.map(|text| serde_json::from_str::<DutyRecord>(&text)) {
            None => {
                count_signers(&transaction, record, hour)?;
                recount(&transaction, None, record, hour)?;
            }
            Some(Ok(before)) => recount(&transaction, Some(&before), record, hour)?,
            // Counted by another version, in its own way.
            Some(Err(_)) => {}
        }
        if hour > self.swept {
            sweep(&transaction, hour.saturating_sub(KEPT_HOURS))?;
            self.swept = hour;
        }
        transaction.commit()
    }

    /// The latest duties that fit, newest first.
    pub(crate) fn duties(&self, request: &DutiesRequest) -> rusqlite::Result<DutiesReply> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record FROM duties WHERE (?1 IS NULL OR cluster = ?1) AND slot < ?2 AND missed >= ?3 ORDER BY slot DESC, kind",
        )?;
        let cluster = request.cluster.as_ref().map(|cluster| cluster.as_bytes().as_slice());
        let before = request.before.map_or(i64::MAX, |slot| number(slot.get()));
        let mut rows = statement.query(params![cluster, before, request.only_misses])?;
        let limit = request.limit.map_or(DEFAULT_DUTIES, |limit| usize::try_from(limit).unwrap_or(MOST_DUTIES));
        let limit = limit.min(MOST_DUTIES);
        let mut found = Vec::new();
        // One more than wanted says whether there are more.
        while found.len() <= limit {
            let Some(row) = rows.next()? else { break };
            let text: String = row.get(0)?;
            // A record that another version wrote differently is left out.
            let Ok(record) = serde_json::from_str::<DutyRecord>(&text) else { continue };
            if request.wants(&record) {
                found.push(record);
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(DutiesReply { duties: found, more })
    }

    /// The duties of a period, added up.
    pub(crate) fn history(&self, request: &HistoryRequest, now_ms: u64) -> rusqlite::Result<HistoryReply> {
        let Span { from, step } = Span::of(request.period, now_ms);
        let cluster = request.cluster.as_ref().map(|cluster| cluster.as_bytes().as_slice());
        let range = params![number(from), cluster];
        const OF_PERIOD: &str = "WHERE hour >= ?1 AND (?2 IS NULL OR cluster = ?2)";

        let total =
            self.connection
                .query_row(&format!("SELECT {SUMS} FROM validators {OF_PERIOD}"), range, |row| tally(row, 0))?;
        let mut steps = self.connection.prepare(&format!(
            "SELECT (hour - ?1) / {step}, {SUMS} FROM validators {OF_PERIOD} GROUP BY 1 ORDER BY 1"
        ))?;
        let steps = steps.query_map(range, |row| {
            let past: i64 = row.get(0)?;
            let from_hour = from + u64::try_from(past).unwrap_or_default() * step;
            Ok(Step { from_ms: from_hour * HOUR_MS, tally: tally(row, 1)? })
        })?;
        let mut validators = self.connection.prepare(&format!(
            "SELECT validator, {SUMS} FROM validators {OF_PERIOD} AND validator >= 0 GROUP BY validator \
             ORDER BY sum(missed) DESC, validator LIMIT {MOST_VALIDATORS}"
        ))?;
        let validators = validators.query_map(range, |row| {
            let index: i64 = row.get(0)?;
            let validator = ValidatorIndex::new(u64::try_from(index).unwrap_or_default());
            Ok(ValidatorTally { validator, tally: tally(row, 1)? })
        })?;
        let duties: i64 = self.connection.query_row(
            &format!("SELECT total(duties) FROM hours {OF_PERIOD}"),
            range,
            |row| row.get::<_, f64>(0).map(|total| total as i64),
        )?;
        let mut operators = self.connection.prepare(&format!(
            "SELECT number, sum(signed) FROM operators {OF_PERIOD} GROUP BY number ORDER BY number"
        ))?;
        let operators = operators.query_map(range, |row| {
            let signed = clamp(row.get(1)?);
            Ok(OperatorTally { number: row.get(0)?, signed, of: clamp(duties) })
        })?;
        Ok(HistoryReply {
            from_ms: from * HOUR_MS,
            until_ms: now_ms,
            total,
            steps: steps.collect::<Result<_, _>>()?,
            validators: validators.collect::<Result<_, _>>()?,
            operators: operators.collect::<Result<_, _>>()?,
        })
    }

    /// Duties done of a thousand, for each period.
    pub(crate) fn effectiveness(&self, cluster: LockHash, now_ms: u64) -> rusqlite::Result<Effectiveness> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {SUMS} FROM validators WHERE hour >= ?1 AND cluster = ?2"))?;
        let mut of = |period| {
            let from = number(Span::of(period, now_ms).from);
            let tally =
                statement.query_row(params![from, cluster.as_bytes().as_slice()], |row| tally(row, 0))?;
            Ok::<_, rusqlite::Error>(tally.effectiveness())
        };
        Ok(Effectiveness { day: of(Period::Day)?, week: of(Period::Week)?, month: of(Period::Month)? })
    }
}

/// A period in hours since 1970: it begins with a full step.
struct Span {
    from: u64,
    step: u64,
}

impl Span {
    const fn of(period: Period, now_ms: u64) -> Self {
        let step = period.step_ms() / HOUR_MS;
        let now = now_ms / HOUR_MS;
        // The step under way is the last of the period.
        let end = (now / step + 1) * step;
        Self { from: end.saturating_sub(period.length_ms() / HOUR_MS), step }
    }
}

/// The validator under which duties are counted whose validators are not known.
const NOBODY: i64 = -1;

/// What a validator's duties add up to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Sums {
    done: i64,
    missed: i64,
    /// Those that a beacon node took, and their times together.
    sent: i64,
    sent_ms: i64,
    /// Those that a block has, and their delays together.
    included: i64,
    delay: i64,
}

impl Sums {
    fn add(&mut self, other: &Self, sign: i64) {
        self.done += sign * other.done;
        self.missed += sign * other.missed;
        self.sent += sign * other.sent;
        self.sent_ms = self.sent_ms.saturating_add(sign * other.sent_ms);
        self.included += sign * other.included;
        self.delay += sign * other.delay;
    }
}

/// What a duty adds to the sums of each of its validators.
fn parts_of(record: &DutyRecord) -> impl Iterator<Item = (i64, Sums)> + '_ {
    (0..record.validators.len().max(1)).map(|position| {
        let validator = record.validators.get(position).map_or(NOBODY, |validator| number(validator.get()));
        let delays = record.on_chain.as_ref().map(|on_chain| &on_chain.delays);
        let delay = delays.and_then(|delays| *delays.get(position)?);
        let (done, sent) = (record.was_done(position), record.trace.sent_ms);
        let sums = Sums {
            done: i64::from(done == Some(true)),
            missed: i64::from(done == Some(false)),
            sent: i64::from(sent.is_some()),
            sent_ms: sent.map_or(0, number),
            included: i64::from(delay.is_some()),
            delay: delay.map_or(0, i64::from),
        };
        (validator, sums)
    })
}

/// Puts what a record adds to the sums in the place of what it added `before`.
fn recount(
    transaction: &Transaction<'_>,
    before: Option<&DutyRecord>,
    record: &DutyRecord,
    hour: u64,
) -> rusqlite::Result<()> {
    let mut changes: BTreeMap<i64, Sums> = parts_of(record).collect();
    for (validator, sums) in before.into_iter().flat_map(parts_of) {
        changes.entry(validator).or_default().add(&sums, -1);
    }
    let mut add = transaction.prepare_cached(
        "INSERT INTO validators (cluster, hour, validator, done, missed, sent, sent_ms, included, delay)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET done = done + ?4, missed = missed + ?5, sent = sent + ?6, sent_ms = sent_ms + ?7,
             included = included + ?8, delay = delay + ?9",
    )?;
    let cluster = record.cluster.as_bytes().as_slice();
    for (validator, sums) in changes {
        if sums != Sums::default() {
            let Sums { done, missed, sent, sent_ms, included, delay } = sums;
            add.execute(params![
                cluster,
                number(hour),
                validator,
                done,
                missed,
                sent,
                sent_ms,
                included,
                delay
            ])?;
        }
    }
    Ok(())
}

/// Counts a duty, and each operator whose signature arrived.
fn count_signers(transaction: &Transaction<'_>, record: &DutyRecord, hour: u64) -> rusqlite::Result<()> {
    let cluster = record.cluster.as_bytes().as_slice();
    let mut add = transaction.prepare_cached(
        "INSERT INTO operators (cluster, hour, number, signed) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT DO UPDATE SET signed = signed + 1",
    )?;
    for operator in &record.signers {
        add.execute(params![cluster, number(hour), operator])?;
    }
    transaction.execute(
        "INSERT INTO hours (cluster, hour, duties) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET duties = duties + 1",
        params![cluster, number(hour)],
    )?;
    Ok(())
}

/// Forgets what is older than the longest period.
fn sweep(transaction: &Transaction<'_>, before: u64) -> rusqlite::Result<()> {
    for table in ["duties", "validators", "operators", "hours"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE hour < ?1"), params![number(before)])?;
    }
    Ok(())
}

/// A tally from the columns of [`SUMS`], of which each is null where there are no rows.
fn tally(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Tally> {
    let sum = |column| row.get::<_, Option<i64>>(first + column).map(Option::unwrap_or_default);
    let (sent, sent_ms, included, delay) = (sum(2)?, sum(3)?, sum(4)?, sum(5)?);
    let mean = |total: i64, count: i64| (count > 0).then(|| clamp(total / count));
    Ok(Tally {
        done: clamp(sum(0)?),
        missed: clamp(sum(1)?),
        mean_sent_ms: mean(sent_ms, sent),
        included: clamp(included),
        mean_delay_milli: mean(delay.saturating_mul(1_000), included),
    })
}

fn clamp(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// SQLite's integers have a sign.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use hearth_api::{DutyOutcome, DutyStage, Miss, OnChain, Trace};
    use hearth_types::{DutyKind, Slot};

    use super::*;

    const CLUSTER: LockHash = LockHash::new([1; 32]);
    const OTHER: LockHash = LockHash::new([2; 32]);
    /// A full day since 1970, so that steps of every length begin here.
    const DAY: u64 = 20_000 * 24 * HOUR_MS;

    fn duty(slot: u64, due_ms: u64, validators: &[u64], missed: bool) -> DutyRecord {
        let outcome = match missed {
            false => DutyOutcome::Sent,
            true => DutyOutcome::missed(&Miss {
                stage: DutyStage::Agree,
                code: "no_consensus",
                detail: "",
                needed: 3,
                arrived: 1,
                missing: &[],
            }),
        };
        DutyRecord {
            cluster: CLUSTER,
            slot: Slot::new(slot),
            kind: DutyKind::Attester,
            due_ms,
            validator_count: u32::try_from(validators.len()).unwrap(),
            validators: validators.iter().copied().map(ValidatorIndex::new).collect(),
            trace: Trace { sent_ms: (!missed).then_some(40), ..Trace::default() },
            leader: None,
            round: None,
            signers: if missed { vec![1] } else { vec![1, 2, 4] },
            outcome,
            on_chain: None,
        }
    }

    fn found(record: DutyRecord, delays: &[Option<u8>], settled: bool) -> DutyRecord {
        DutyRecord { on_chain: Some(OnChain { delays: delays.to_vec(), best: Some(1), settled }), ..record }
    }

    fn store_with(duties: &[DutyRecord]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("history.sqlite")).unwrap();
        for duty in duties {
            store.keep(duty).unwrap();
        }
        (folder, store)
    }

    fn of(period: Period) -> HistoryRequest {
        HistoryRequest { cluster: Some(CLUSTER), period }
    }

    fn counted(done: u32, missed: u32) -> Tally {
        Tally { done, missed, mean_sent_ms: (done > 0).then_some(40), ..Tally::default() }
    }

    #[test]
    fn duties_are_counted_by_step_by_validator_and_by_operator() {
        let (_folder, store) = store_with(&[
            duty(1, DAY, &[7, 8], false),
            duty(2, DAY + HOUR_MS, &[7], true),
            duty(3, DAY + HOUR_MS, &[8], false),
            DutyRecord { cluster: OTHER, ..duty(3, DAY, &[9], true) },
        ]);
        let reply = store.history(&of(Period::Day), DAY + 2 * HOUR_MS).unwrap();
        assert_eq!(reply.total, counted(3, 1));
        let steps: Vec<(u64, Tally)> =
            reply.steps.iter().map(|step| (step.from_ms - DAY, step.tally)).collect();
        assert_eq!(steps, [(0, counted(2, 0)), (HOUR_MS, counted(1, 1))]);
        let validators: Vec<(u64, Tally)> =
            reply.validators.iter().map(|of| (of.validator.get(), of.tally)).collect();
        assert_eq!(validators, [(7, counted(1, 1)), (8, counted(2, 0))], "the most misses first");
        let operators: Vec<(u8, u32, u32)> =
            reply.operators.iter().map(|of| (of.number, of.signed, of.of)).collect();
        assert_eq!(operators, [(1, 3, 3), (2, 2, 3), (4, 2, 3)]);
        let both =
            store.history(&HistoryRequest { cluster: None, period: Period::Day }, DAY + HOUR_MS).unwrap();
        assert_eq!(both.total, counted(3, 2));
    }

    #[test]
    fn each_period_ends_with_the_step_under_way_and_holds_nothing_older() {
        let now = DAY + 2 * HOUR_MS;
        for (name, age_ms, day, week, month) in [
            ("now", 0, Some(1_000), Some(1_000), Some(1_000)),
            ("23 hours", 23 * HOUR_MS, Some(1_000), Some(1_000), Some(1_000)),
            ("24 hours", 24 * HOUR_MS, None, Some(1_000), Some(1_000)),
            ("6 days", 6 * 24 * HOUR_MS, None, Some(1_000), Some(1_000)),
            ("7 days", 7 * 24 * HOUR_MS, None, None, Some(1_000)),
            ("29 days", 29 * 24 * HOUR_MS, None, None, Some(1_000)),
            ("30 days", 30 * 24 * HOUR_MS, None, None, None),
        ] {
            let (_folder, store) = store_with(&[duty(1, now - age_ms, &[7], false)]);
            assert_eq!(
                store.effectiveness(CLUSTER, now).unwrap(),
                Effectiveness { day, week, month },
                "{name}"
            );
        }
    }

    #[test]
    fn a_duty_is_counted_once_and_one_that_was_done_after_all_is_counted_as_done() {
        let (_folder, mut store) = store_with(&[duty(1, DAY, &[7], true), duty(1, DAY, &[7], true)]);
        assert_eq!(store.history(&of(Period::Day), DAY).unwrap().total, counted(0, 1));
        store.keep(&duty(1, DAY, &[7], false)).unwrap();
        store.keep(&duty(1, DAY, &[7], false)).unwrap();
        assert_eq!(store.history(&of(Period::Day), DAY).unwrap().total, counted(1, 0));
        assert_eq!(store.duties(&DutiesRequest::default()).unwrap().duties, [duty(1, DAY, &[7], false)]);
    }

    #[test]
    fn what_the_chain_has_is_counted_by_validator_and_has_the_last_word() {
        let (_folder, mut store) = store_with(&[
            found(duty(1, DAY, &[7, 8], false), &[Some(1), Some(2)], true),
            found(duty(2, DAY, &[7], true), &[Some(3)], true),
            duty(3, DAY, &[8], false),
        ]);
        let of_validators = |store: &Store| -> Vec<_> {
            let reply = store.history(&of(Period::Day), DAY).unwrap();
            let told = |of: hearth_api::ValidatorTally| {
                let Tally { done, missed, included, mean_delay_milli, .. } = of.tally;
                (of.validator.get(), done, missed, included, mean_delay_milli)
            };
            reply.validators.into_iter().map(told).collect()
        };
        assert_eq!(of_validators(&store), [(7, 2, 0, 2, Some(2_000)), (8, 2, 0, 1, Some(2_000))]);

        store.keep(&found(duty(3, DAY, &[8], false), &[None], false)).unwrap();
        assert_eq!(of_validators(&store), [(7, 2, 0, 2, Some(2_000)), (8, 2, 0, 1, Some(2_000))]);
        store.keep(&found(duty(3, DAY, &[8], false), &[None], true)).unwrap();
        assert_eq!(of_validators(&store), [(8, 1, 1, 1, Some(2_000)), (7, 2, 0, 2, Some(2_000))]);
        let misses = DutiesRequest { only_misses: true, ..DutiesRequest::default() };
        let slots = |reply: DutiesReply| reply.duties.iter().map(|duty| duty.slot.get()).collect::<Vec<_>>();
        assert_eq!(slots(store.duties(&misses).unwrap()), [3], "the others did what was missed here");
        let total = store.history(&of(Period::Day), DAY).unwrap().total;
        assert_eq!((total.done, total.missed, total.mean_sent_ms), (3, 1, Some(40)));
    }

    #[test]
    fn a_file_from_before_the_chain_was_looked_at_keeps_its_duties_and_is_counted_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let old = Connection::open(&path).unwrap();
        let old_tables =
            TABLES.replace("        sent INTEGER NOT NULL DEFAULT 0, included INTEGER NOT NULL DEFAULT 0, delay INTEGER NOT NULL DEFAULT 0,\n", "");
        assert_ne!(old_tables, TABLES);
        old.execute_batch(&format!("{old_tables} PRAGMA user_version = 1;")).unwrap();
        let mut record = serde_json::to_value(duty(1, DAY, &[7], false)).unwrap();
        record.as_object_mut().unwrap().remove("on_chain");
        let hour = number(DAY / HOUR_MS);
        let cluster = CLUSTER.as_bytes().as_slice();
        old.execute(
            "INSERT INTO duties VALUES (?1, 1, ?2, ?3, 0, ?4)",
            params![cluster, DutyKind::Attester.number(), hour, record.to_string()],
        )
        .unwrap();
        old.execute("INSERT INTO validators VALUES (?1, ?2, 7, 1, 0, 40)", params![cluster, hour]).unwrap();
        drop(old);

        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.history(&of(Period::Day), DAY).unwrap().total, counted(1, 0));
        store.keep(&found(duty(1, DAY, &[7], false), &[Some(1)], true)).unwrap();
        let expected = Tally { included: 1, mean_delay_milli: Some(1_000), ..counted(1, 0) };
        assert_eq!(store.history(&of(Period::Day), DAY).unwrap().total, expected);
    }

    #[test]
    fn lists_are_newest_first_filtered_and_paged() {
        let kept: Vec<DutyRecord> =
            (1..=6).map(|slot| duty(slot, DAY + slot, &[slot % 2], slot % 3 == 0)).collect();
        let (_folder, store) = store_with(&kept);
        let all = DutiesRequest::default();
        for (name, request, slots, more) in [
            ("all", all.clone(), vec![6, 5, 4, 3, 2, 1], false),
            ("misses", DutiesRequest { only_misses: true, ..all.clone() }, vec![6, 3], false),
            (
                "one validator",
                DutiesRequest { validator: Some(ValidatorIndex::new(1)), ..all.clone() },
                vec![5, 3, 1],
                false,
            ),
            ("a page", DutiesRequest { limit: Some(2), ..all.clone() }, vec![6, 5], true),
            (
                "the next",
                DutiesRequest { limit: Some(2), before: Some(Slot::new(5)), ..all.clone() },
                vec![4, 3],
                true,
            ),
            (
                "the last",
                DutiesRequest { limit: Some(2), before: Some(Slot::new(3)), ..all.clone() },
                vec![2, 1],
                false,
            ),
            ("another cluster", DutiesRequest { cluster: Some(OTHER), ..all }, vec![], false),
        ] {
            let reply = store.duties(&request).unwrap();
            let found: Vec<u64> = reply.duties.iter().map(|duty| duty.slot.get()).collect();
            assert_eq!((found, reply.more), (slots, more), "{name}");
        }
    }

    #[test]
    fn what_is_older_than_a_month_is_forgotten() {
        let (_folder, mut store) = store_with(&[duty(1, DAY, &[7], false)]);
        store.keep(&duty(2, DAY + (KEPT_HOURS + 1) * HOUR_MS, &[7], false)).unwrap();
        let reply = store.duties(&DutiesRequest::default()).unwrap();
        assert_eq!(reply.duties.len(), 1);
        let rows: i64 =
            store.connection.query_row("SELECT count(*) FROM validators", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_put_aside_and_begun_anew() {
        type Spoil = fn(&Path);
        let newer: Spoil = |path| {
            let connection = Connection::open(path).unwrap();
            connection.pragma_update(None, "user_version", LAYOUT + 1).unwrap();
        };
        let garbage: Spoil = |path| std::fs::write(path, "no database".repeat(500)).unwrap();
        for (name, spoil) in [("garbage", garbage), ("a newer version's", newer)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.sqlite");
            spoil(&path);
            let mut store = Store::open(&path).unwrap();
            store.keep(&duty(1, DAY, &[7], false)).unwrap();
            assert!(folder.path().join("history.unreadable.sqlite").exists(), "{name}");
            drop(store);
            let store = Store::open(&path).unwrap();
            assert_eq!(store.duties(&DutiesRequest::default()).unwrap().duties.len(), 1, "{name}");
        }
    }
}
