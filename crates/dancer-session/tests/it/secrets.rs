//! No id, password or value leaves by the side (R27), and none can be found in the server (R05).
