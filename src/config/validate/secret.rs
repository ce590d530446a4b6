//! Passwords and tokens: in the configuration, in a file, or a credential of the systemd unit.

use secrecy::SecretString;
use toml::Spanned;

use super::super::path::{expand, folder_of, resolve};
use super::{Check, Checked};
use crate::secret::Secret;

impl Check<'_> {
    /// Where the secret called `name` is, if the section says so: as it is written, its file, its credential.
    pub(super) fn secret(
        &self,
        name: &str,
        [written, file, credential]: [&Option<Spanned<String>>; 3],
    ) -> Checked<Option<Secret>> {
        let mut said = [written, file, credential].into_iter().flatten();
        let (Some(first), second) = (said.next(), said.next()) else { return Ok(None) };
        if let Some(second) = second {
            return Err(self.at(
                second,
                format!("the {name} is said twice; keep one of {name}, {name}_file and {name}_credential"),
            ));
        }
        self.text(Some(first), &format!("the {name}'s place"))?;
        if let Some(file) = file {
            return self.file(file).map(|path| Some(Secret::File(path)));
        }
        Ok(Some(match credential {
            Some(credential) => Secret::Credential(credential.get_ref().clone()),
            None => Secret::Written(SecretString::from(first.get_ref().as_str())),
        }))
    }

    /// A file, from the folder of the configuration.
    pub(super) fn file(&self, written: &Spanned<String>) -> Checked<std::path::PathBuf> {
        let path = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        Ok(resolve(&folder_of(self.document.path()), &path))
    }
}
