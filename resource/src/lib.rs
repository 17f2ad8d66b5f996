//! The ByzantineService resource: its types, defaults and validation.
