//! control-socket
