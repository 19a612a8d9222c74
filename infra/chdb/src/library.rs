//! Where the library lies.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Version of the npm package that this binding was written against.
pub const VERSION: &str = "26.7.3-stable.1";

/// Environment variable that names another place of the library.
pub const LIBRARY_SETTING: &str = "SWARMLOG_CHDB_LIBRARY";

/// The place that [`LIBRARY_SETTING`] names, else [`default_library`].
pub fn find_library() -> PathBuf {
    std::env::var_os(LIBRARY_SETTING).filter(|path| !path.is_empty()).map_or_else(default_library, PathBuf::from)
}

/// Where `make chdb` puts the library: `swarmlog/chdb/<version>/libchdb.so` in the user's cache folder.
pub fn default_library() -> PathBuf {
    in_cache(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
}

fn in_cache(cache: Option<OsString>, home: Option<OsString>) -> PathBuf {
    // The XDG base directory specification says to ignore a relative path.
    let cache = cache.map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.unwrap_or_else(|| Path::new(&home.unwrap_or_else(|| OsString::from("/"))).join(".cache"));
    cache.join("swarmlog").join("chdb").join(VERSION).join("libchdb.so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_place_follows_the_cache_folder() {
        let at = |cache: Option<&str>, home: Option<&str>| in_cache(cache.map(OsString::from), home.map(OsString::from));
        let place = "swarmlog/chdb/26.7.3-stable.1/libchdb.so";
        assert_eq!(at(Some("/var/cache"), Some("/home/a")), Path::new("/var/cache").join(place));
        assert_eq!(at(None, Some("/home/a")), Path::new("/home/a/.cache").join(place));
        assert_eq!(at(Some("relative"), Some("/home/a")), Path::new("/home/a/.cache").join(place));
        assert_eq!(at(Some(""), Some("/home/a")), Path::new("/home/a/.cache").join(place));
    }
}
