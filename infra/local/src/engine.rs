//! ClickHouse's engine over HTTP: a `swarmlog` program that the caller names, told to be nothing else.

use crate::{
    LocalError,
    process::{Place, loopback},
};
use std::{fs, process::Command};

/// Starts `program` (it takes `engine --listen ADDRESS --data FOLDER`) on `port`. Its users have no passwords.
pub fn start(place: &Place, mut program: Command, port: u16) -> Result<(), LocalError> {
    let data = place.data();
    fs::create_dir_all(&data).map_err(LocalError::at(&data))?;
    let address = loopback(port);
    program.args(["engine", "--listen", &address.to_string(), "--data"]).arg(&data);
    place.start(program, address)
}
