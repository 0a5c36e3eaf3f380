//! interface-virtualizer
