//! Tells strangers among a table's objects by their keys.

use livecosmos_state::{SiteId, TableName};

use super::{KeyTemplate, Part, SEQ_DIGITS};

impl KeyTemplate {
    /// The site among whose objects `key` stands without being one of them, by its folder alone.
    #[must_use]
    pub fn site_beside(&self, table: &TableName, key: &str) -> Option<SiteId> {
        if self.place_of(table, key).is_some() {
            return None;
        }
        let (folder, _) = key.rsplit_once('/')?;
        let before_seq = match self.head.last() {
            Some(Part::Literal(text)) => text.rsplit('/').next().unwrap_or_default(),
            _ => "",
        };
        let first = format!("{folder}/{before_seq}{:0SEQ_DIGITS$}{}", 0, self.tail);
        self.place_of(table, &first).map(|(site, ..)| site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site_beside(template: &str, key: &str) -> Option<String> {
        let table = TableName::parse("COSMOS.LEVEL1_T").unwrap();
        let template = KeyTemplate::parse(template).unwrap();
        template.site_beside(&table, key).map(|site| site.to_string())
    }

    #[test]
    fn a_stranger_is_known_by_its_folder() {
        let template = "raw/{site}/{live_table}/x-{seq}-y{ext}";
        for key in ["raw/ALIC1/T/readme.txt", "raw/ALIC1/T/7.json", "raw/ALIC1/T/x-00000000000000000007.json"]
        {
            assert_eq!(site_beside(template, key).as_deref(), Some("ALIC1"), "{key}");
        }
        let ours = "raw/ALIC1/T/x-00000000000000000007-y.json";
        let late = "raw/ALIC1/T/x-late.00000000000000000007-y.json";
        for key in
            [ours, late, "raw/ALIC1/U/readme.txt", "raw/A B/T/x", "raw/ALIC1/T", "raw/ALIC1/T/deep/x", ""]
        {
            assert_eq!(site_beside(template, key), None, "{key}");
        }
    }
}
