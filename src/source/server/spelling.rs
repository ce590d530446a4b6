//! Sites that a server takes for equal, and that are not: its collation ignores case, accents or spaces at the
//! end. It then lists one spelling of several, which may be another each time.
//!
//! So the spellings that the state or the configuration knows are asked for, each as the site it is, and a row in
//! none of them is rejected.

use std::collections::BTreeSet;

use livecosmos_state::SiteId;

use super::Listed;

/// What a server ignores when it compares sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::source) struct Equality {
    /// Upper and lower case, and perhaps accents.
    pub(in crate::source) ignores_case: bool,
    /// Spaces at the end.
    pub(in crate::source) ignores_spaces: bool,
}

impl Equality {
    /// Whether sites may be equal that are spelled differently.
    pub(in crate::source) fn is_loose(self) -> bool {
        self.ignores_case || self.ignores_spaces
    }

    /// Texts that differ in what is ignored are the same here; accents are left as they are.
    pub(in crate::source) fn folded(self, site: &str) -> String {
        let site = if self.ignores_spaces { site.trim_end_matches(' ') } else { site };
        if self.ignores_case { site.to_ascii_lowercase() } else { site.to_owned() }
    }

    /// The sites to ask for where the server listed these.
    pub(super) fn spelled_out(self, listed: Vec<Listed>, known: &BTreeSet<SiteId>) -> Vec<Listed> {
        if !self.is_loose() {
            return listed;
        }
        let mut asked = BTreeSet::new();
        let mut spelled = Vec::with_capacity(listed.len());
        let mut hiding: Option<Listed> = None;
        for site in listed {
            let Some(stored) = &site.site else {
                spelled.push(site);
                continue;
            };
            let folded = self.folded(stored);
            let same: Vec<&SiteId> =
                known.iter().filter(|known| self.folded(known.as_str()) == folded).collect();
            if same.is_empty() {
                let shown = if self.ignores_spaces { stored.trim_end_matches(' ') } else { stored };
                if SiteId::parse(shown).is_ok() {
                    asked.insert(shown.to_owned());
                    spelled.push(site.spelled(shown));
                    continue;
                }
                let newest = hiding.and_then(|other| other.newest).max(site.newest);
                hiding = Some(Listed { site: None, newest, newest_tie: None, has_undated: false });
                spelled.push(site);
                continue;
            }
            for name in same {
                asked.insert(name.to_string());
                spelled.push(site.spelled(name.as_str()));
            }
        }
        // A text that is no site may be shown in the place of one that is.
        if let Some(hiding) = hiding {
            let hidden = known.iter().filter(|known| !asked.contains(known.as_str()));
            spelled.extend(hidden.map(|name| hiding.spelled(name.as_str())));
        }
        spelled
    }
}

#[cfg(test)]
mod tests {
    use livecosmos_state::Time;

    use super::*;

    const LOOSE: Equality = Equality { ignores_case: true, ignores_spaces: true };

    fn asked(equality: Equality, listed: &[&str], known: &[&str]) -> Vec<String> {
        let listed = listed.iter().map(|site| Listed {
            site: Some((*site).to_owned()),
            newest: Some(Time::new(10, 0).unwrap()),
            newest_tie: None,
            has_undated: false,
        });
        let known = known.iter().map(|site| SiteId::parse(site).unwrap()).collect();
        let spelled = equality.spelled_out(listed.collect(), &known);
        assert!(spelled.iter().all(|site| site.newest == Some(Time::new(10, 0).unwrap())));
        spelled.into_iter().filter_map(|site| site.site).collect()
    }

    #[test]
    fn a_site_that_is_known_is_asked_for_whichever_spelling_is_listed() {
        assert_eq!(asked(LOOSE, &["ALIC1"], &["alic1"]), ["alic1"]);
        assert_eq!(asked(LOOSE, &["alic1 "], &["alic1"]), ["alic1"]);
        assert_eq!(asked(LOOSE, &["Alic1", "b"], &["ALIC1", "alic1"]), ["ALIC1", "alic1", "b"]);
    }

    #[test]
    fn a_new_site_is_asked_for_as_it_is_listed() {
        assert_eq!(asked(LOOSE, &["ALIC1 "], &[]), ["ALIC1"]);
    }

    #[test]
    fn a_text_that_is_no_site_hides_no_site_that_is_known() {
        assert_eq!(asked(LOOSE, &["álic1"], &["alic1"]), ["álic1", "alic1"]);
    }

    #[test]
    fn where_nothing_is_ignored_nothing_changes() {
        assert_eq!(asked(Equality::default(), &["ALIC1", "x "], &["alic1"]), ["ALIC1", "x "]);
        let padded = Equality { ignores_case: false, ignores_spaces: true };
        assert_eq!(asked(padded, &["ALIC1", "x "], &["alic1", "x"]), ["ALIC1", "x"]);
    }
}
