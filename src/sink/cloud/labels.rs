//! An object's facts as labels that a store keeps with it.

use std::collections::BTreeMap;

use object_store::{Attribute, Attributes};

use crate::sink::Object;

/// How a store spells the labels of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// As they are.
    #[cfg(feature = "gcs")]
    Google,
    /// As identifiers: Azure refuses a name with a dash. None of ours has an underscore, so each way there is one
    /// way back.
    #[cfg(feature = "azure")]
    Azure,
}

impl Labels {
    /// What goes with `object`.
    pub(super) fn write(self, object: &Object) -> Attributes {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, object.content_type.into());
        if let Some(encoding) = object.content_encoding {
            attributes.insert(Attribute::ContentEncoding, encoding.into());
            // Google would unpack gzip for whoever does not ask for it as it is stored.
            attributes.insert(Attribute::CacheControl, "no-transform".into());
        }
        for (name, value) in object.facts.to_metadata() {
            attributes.insert(Attribute::Metadata(self.spell(&name).into()), value.into());
        }
        attributes
    }

    /// The facts among the attributes of an object.
    pub(super) fn read(self, attributes: &Attributes) -> BTreeMap<String, String> {
        let labels = attributes.iter().filter_map(|(name, value)| match name {
            Attribute::Metadata(name) => Some((self.unspell(name), value.to_string())),
            _ => None,
        });
        labels.collect()
    }

    fn spell(self, name: &str) -> String {
        match self {
            #[cfg(feature = "gcs")]
            Self::Google => name.to_owned(),
            #[cfg(feature = "azure")]
            Self::Azure => name.replace('-', "_"),
        }
    }

    fn unspell(self, name: &str) -> String {
        // Azure keeps the case in which a name was written, and tools that copy objects may not.
        let name = name.to_ascii_lowercase();
        match self {
            #[cfg(feature = "gcs")]
            Self::Google => name,
            #[cfg(feature = "azure")]
            Self::Azure => name.replace('_', "-"),
        }
    }
}

#[cfg(all(test, feature = "azure"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_identifier_to_azure_and_comes_back_as_it_was() {
        let spelled = Labels::Azure.spell("livecosmos-last-data");
        assert!(spelled.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{spelled}");
        assert_eq!(Labels::Azure.unspell(&spelled), "livecosmos-last-data");
    }
}
