"""Everything that only reads: shipment, status feed, timeline, overview."""
