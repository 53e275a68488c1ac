"""The local platform (spec 13): the other side of every protocol, on one machine."""
