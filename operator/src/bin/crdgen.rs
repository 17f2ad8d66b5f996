//! Prints the `CustomResourceDefinition`, as it is committed in `crds/`.

use std::io::{self, Write as _};

use byzantine_operator::crd::schema;

fn main() -> io::Result<()> {
    io::stdout().write_all(schema::yaml().as_bytes())
}
