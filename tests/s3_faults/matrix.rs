//! The rows and columns: which faults, on which requests, how often, and how a run must end.

use std::collections::BTreeSet;

use crate::support::front::Fault;
use crate::support::http::Message;

/// Everything that a network or S3 does here, under the name that the table prints.
pub(crate) const FAULTS: [(&str, Fault); 18] = [
    ("connection lost before", Fault::LoseRequest),
    ("connection lost after", Fault::LoseReply),
    ("request body cut", Fault::CutRequest),
    ("reply cut", Fault::CutReply),
    ("reply cut, no length", Fault::CutReplyWithoutLength),
    ("no answer, not done", Fault::StallBefore),
    ("no answer, done", Fault::Stall),
    ("500 InternalError", Fault::Answer(500)),
    ("500 though done", Fault::AnswerAfter(500)),
    ("503 SlowDown", Fault::Answer(503)),
    ("503 though done", Fault::AnswerAfter(503)),
    ("409 Conflict", Fault::Answer(409)),
    ("409 though done", Fault::AnswerAfter(409)),
    ("412 not taken", Fault::Answer(412)),
    ("412 though done", Fault::AnswerAfter(412)),
    ("403 AccessDenied", Fault::Answer(403)),
    ("403 though done", Fault::AnswerAfter(403)),
    ("403 TimeTooSkewed", Fault::Skew),
];

/// The requests that the product makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A page of keys.
    List,
    /// Whether create-if-absent is honoured.
    Probe,
    /// Whether that object may be looked at, and how it is kept.
    Look,
    /// What an object says of itself.
    Head,
    /// An object, for the rows in it.
    Get,
    /// An object that is stored.
    Put,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [Self::List, Self::Probe, Self::Look, Self::Head, Self::Get, Self::Put];

    /// Which one a request is; `None` for what only tests send.
    pub(crate) fn of(request: &Message) -> Option<Self> {
        match request.method() {
            "PUT" if request.target().contains("/.livecosmos/probe") => Some(Self::Probe),
            "PUT" => Some(Self::Put),
            "HEAD" if request.target().contains("/.livecosmos/probe") => Some(Self::Look),
            "HEAD" => Some(Self::Head),
            "GET" if request.target().contains("list-type=2") => Some(Self::List),
            "GET" => Some(Self::Get),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "GET list",
            Self::Probe => "PUT probe",
            Self::Look => "HEAD probe",
            Self::Head => "HEAD",
            Self::Get => "GET object",
            Self::Put => "PUT object",
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Probe | Self::Put)
    }
}

/// Which requests of a kind are struck, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// This one alone.
    Only(usize),
    /// This one and all that follow, for longer than anything is tried again.
    From(usize),
    /// From this one to that one: an outage that a daemon waits out.
    Between(usize, usize),
}

impl Attempt {
    pub(crate) const ALL: [Self; 5] =
        [Self::Only(1), Self::Only(2), Self::Only(3), Self::From(1), Self::From(2)];

    pub(crate) fn strikes(self, number: usize) -> bool {
        match self {
            Self::Only(only) => number == only,
            Self::From(first) => number >= first,
            Self::Between(first, last) => (first..=last).contains(&number),
        }
    }

    pub(crate) fn is_burst(self) -> bool {
        matches!(self, Self::From(_))
    }
}

/// One fault, on one kind of request, so often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    pub(crate) kind: Kind,
    pub(crate) attempt: Attempt,
}

impl Case {
    /// Every combination that there can be.
    pub(crate) fn all() -> Vec<Self> {
        let kinds = FAULTS.into_iter().flat_map(|(name, fault)| Kind::ALL.map(|kind| (name, fault, kind)));
        kinds
            .flat_map(|(name, fault, kind)| Attempt::ALL.map(|attempt| Self { name, fault, kind, attempt }))
            .filter(|case| case.is_possible())
            .collect()
    }

    /// What a daemon meets and waits out: any fault, on the second to the fifth request
    /// of a kind. The first listing is that of the start, which ends a daemon whose rights are refused.
    pub(crate) fn all_of_a_daemon() -> Vec<Self> {
        let outage = Attempt::Between(2, 5);
        let cases = Self::all().into_iter().filter(|case| case.attempt == Attempt::Only(1));
        // The second probe is the last that is put, and the first look the last.
        cases
            .filter(|case| !matches!(case.kind, Kind::Probe | Kind::Look))
            .map(|case| Self { attempt: outage, ..case })
            .collect()
    }

    /// What only a write can suffer is left out of reads, and a start makes two probes at most, and looks once. What is
    /// tried again then is the list, signed with the time that the answer told, which the server refuses.
    fn is_possible(self) -> bool {
        let concerns_writes = matches!(self.fault, Fault::CutRequest | Fault::AnswerAfter(_));
        let third_probe = self.kind == Kind::Probe && self.attempt == Attempt::Only(3);
        let later_look = matches!(self.attempt, Attempt::Only(2 | 3) | Attempt::From(2));
        let no_look = self.kind == Kind::Look && (later_look || self.fault == Fault::Skew);
        (self.kind.writes() || !concerns_writes) && !third_probe && !no_look
    }

    /// One fault for each thing that the product must do when it lasts.
    pub(crate) fn is_of_its_own(&self) -> bool {
        let faults = [Fault::LoseReply, Fault::Answer(503), Fault::Answer(409), Fault::Answer(412)];
        faults.contains(&self.fault) || matches!(self.fault, Fault::Answer(403) | Fault::Skew)
    }

    /// Nobody answers.
    pub(crate) fn stalls(&self) -> bool {
        matches!(self.fault, Fault::Stall | Fault::StallBefore)
    }

    /// How a one-shot run may end that meets it.
    ///
    /// What passes by itself costs nothing when it strikes once. When it lasts, nothing reached says 69,
    /// and some sites stored says 3. Refused rights say 77 at once. A false 412 makes the site stop: only
    /// the operator can tell what took its key.
    pub(crate) fn exits(&self) -> BTreeSet<i32> {
        let says_taken = matches!(self.fault, Fault::Answer(412) | Fault::AnswerAfter(412));
        let is_harmless = says_taken && (self.kind == Kind::Probe || self.fault == Fault::AnswerAfter(412));
        // The status came through whole: a taken key is told by it alone.
        let reply_is_cut = matches!(self.fault, Fault::CutReply | Fault::CutReplyWithoutLength);
        let is_harmless = is_harmless || (reply_is_cut && self.kind.writes());
        // A warning.
        let is_borne = self.kind == Kind::Look && matches!(self.fault, Fault::Answer(403 | 412));
        let exits: &[i32] = match (self.fault, self.attempt) {
            _ if is_borne => &[0],
            (Fault::Answer(403) | Fault::AnswerAfter(403), _) => &[77],
            _ if is_harmless => &[0],
            (Fault::Answer(412), _) => &[3],
            // The SDK signs the next HEAD with the time that this answer told. The server refuses that, by
            // its own time and without a word: it looks like refused rights.
            (Fault::Skew, Attempt::Only(_)) if self.kind == Kind::Head => &[0, 77],
            (_, Attempt::Only(_)) => &[0],
            (_, Attempt::From(1)) => &[69],
            _ => &[3, 69],
        };
        exits.iter().copied().collect()
    }
}
