-- For those who watch over the service: what is unfinished, oldest first, and what happened lately, without reading
-- the millions of rows that are finished.

CREATE INDEX order_states_unfinished ON order_states (status, requested_send_time, order_id)
    WHERE status IN ('Registered', 'Processing', 'Processed');

CREATE INDEX order_states_unsent ON order_states (status, order_id) WHERE status IN ('SendConditionNotMet', 'Cancelled');

-- Events are written in the order of their time, so a block-range index of a few pages finds the last hour.
CREATE INDEX events_by_time ON events USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

CREATE INDEX dead_delivery_reports_unresolved ON dead_delivery_reports (id) WHERE NOT resolved;
