-- What changes often is narrow and kept apart from what is wide: *_states are updated several times a row, their
-- neighbours are written once. Statuses and results are the stored words of spec 06, 2.
--
-- Tables that only grow are partitioned by time (database/partitions.py makes and drops the partitions). A unique key
-- of such a table holds the time too; what is unique without it is so because an order ends once.

CREATE TABLE order_chains (
    id uuid PRIMARY KEY,
    creator text NOT NULL,
    type smallint NOT NULL,
    idempotency_id text NOT NULL,
    idempotency_digest bytea NOT NULL,  -- SHA-256 of the id: an index entry of fixed size, however long the id
    created timestamptz NOT NULL,
    dialog_id text,
    transmission_id text,
    receipt jsonb NOT NULL,             -- what the 201 answered; every later 200 is made from it
    CONSTRAINT order_chains_idempotency UNIQUE (creator, type, idempotency_digest)
);

CREATE TABLE orders (
    id uuid PRIMARY KEY,
    chain_id uuid,                      -- null: ordered through a first-generation endpoint
    type smallint NOT NULL,
    creator text NOT NULL,
    senders_reference text,             -- the searchable value: null when blank
    created timestamptz NOT NULL,
    requested_send_time timestamptz NOT NULL,
    channel text NOT NULL,
    sms_policy smallint,
    resource_id text,
    email jsonb,                        -- the templates stand apart: a send needs them without the recipients
    sms jsonb,
    content jsonb NOT NULL              -- recipients and the rest of what was ordered
);
-- References and dialog ids have no longest length, and an index entry has: only their beginnings are indexed.
CREATE INDEX orders_by_reference ON orders (creator, left(senders_reference, 100)) WHERE senders_reference IS NOT NULL;

CREATE TABLE order_states (
    order_id uuid PRIMARY KEY,
    creator text NOT NULL,
    status text COLLATE "C" NOT NULL,
    last_change timestamptz NOT NULL,
    requested_send_time timestamptz NOT NULL,
    wake_at timestamptz,                -- when a worker may take it: a minute before it is due, or when the lease ends
    claim_count integer NOT NULL DEFAULT 0,
    claimed_by integer,                 -- the worker that holds the lease
    is_retry boolean NOT NULL DEFAULT false,
    failing_since timestamptz,          -- first dependency failure of the present run of failures
    failing_dependency text             -- and which one it is that fails
) WITH (fillfactor = 80);
CREATE INDEX order_states_failing ON order_states (failing_dependency, wake_at) WHERE failing_dependency IS NOT NULL;
CREATE INDEX order_states_waking ON order_states (creator, wake_at, order_id) WHERE status IN ('Registered', 'Processing');

CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    channel text NOT NULL,
    position integer NOT NULL,          -- order of creation inside the order and channel
    destination text NOT NULL,          -- '' when there is no address or it is not to be told
    national_identity_number text,
    organization_number text,
    subject text,                       -- personalised parts only; otherwise the order's template is used
    body text,
    segments smallint,
    created timestamptz NOT NULL,
    expiry timestamptz NOT NULL,
    reason text                         -- why it has this address or none: a word of recipients/reasons.py
) PARTITION BY RANGE (id);              -- ids begin with their time; an order's are found through notification_states
CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;

CREATE TABLE notification_states (
    notification_id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    creator text NOT NULL,
    channel text NOT NULL,
    lane text NOT NULL,                 -- email, composed, sms-anytime or sms-daytime
    result text COLLATE "C" NOT NULL,
    result_time timestamptz NOT NULL,
    expiry timestamptz NOT NULL,
    wake_at timestamptz,                -- end of the lease, or time of the next step; null: nothing to do by itself
    claim_count integer NOT NULL DEFAULT 0,
    claimed_by integer,
    attempts integer NOT NULL DEFAULT 0,
    attempt_open boolean NOT NULL DEFAULT false,  -- a provider is being called, or was when its worker died
    attempt_started timestamptz,
    outcome_unknown boolean NOT NULL DEFAULT false,  -- the last call may have reached the recipient all the same
    deferrals integer NOT NULL DEFAULT 0,         -- temporary failures of this message: its place in the retry schedule
    provider text,
    provider_reference text,            -- email: operation id; SMS: gateway reference
    attachment_bytes bigint NOT NULL DEFAULT 0,
    report jsonb                        -- the last delivery report that was applied
) WITH (fillfactor = 80);
CREATE INDEX notification_states_by_order ON notification_states (order_id);
CREATE INDEX notification_states_new ON notification_states (lane, creator, notification_id) WHERE result = 'New';
CREATE INDEX notification_states_waking ON notification_states (lane, wake_at)
    WHERE wake_at IS NOT NULL AND result IN ('Sending', 'Succeeded');
CREATE INDEX notification_states_expiring ON notification_states (expiry)
    WHERE result IN ('New', 'Sending', 'Succeeded', 'Accepted');
CREATE UNIQUE INDEX notification_states_reference ON notification_states (channel, provider_reference)
    WHERE provider_reference IS NOT NULL;

CREATE SEQUENCE events_id_seq;
CREATE TABLE events (                   -- the timeline: what happened to an order and its notifications, in order
    id bigint NOT NULL DEFAULT nextval('events_id_seq'),
    order_id uuid NOT NULL,
    notification_id uuid,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    detail jsonb,
    PRIMARY KEY (order_id, id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE events_id_seq OWNED BY events.id;
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE TABLE status_feed_outbox (       -- entries not yet numbered (see tracking/feed.py)
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    creator text NOT NULL,
    order_id uuid NOT NULL UNIQUE,
    created timestamptz NOT NULL,
    entry jsonb NOT NULL
);
CREATE INDEX status_feed_outbox_by_age ON status_feed_outbox (created);

CREATE SEQUENCE status_feed_sequence_number_seq;
CREATE TABLE status_feed (
    sequence_number bigint NOT NULL DEFAULT nextval('status_feed_sequence_number_seq'),
    creator text NOT NULL,
    order_id uuid NOT NULL,             -- once, because an order ends once and the outbox holds it once
    created timestamptz NOT NULL,
    entry jsonb NOT NULL,
    PRIMARY KEY (creator, sequence_number, created)
) PARTITION BY RANGE (created);
ALTER SEQUENCE status_feed_sequence_number_seq OWNED BY status_feed.sequence_number;
CREATE INDEX status_feed_by_order ON status_feed (order_id);
CREATE INDEX status_feed_by_age ON status_feed (created, sequence_number);
CREATE TABLE status_feed_default PARTITION OF status_feed DEFAULT;

CREATE SEQUENCE notification_log_id_seq;
CREATE TABLE notification_log (         -- columns as spec 07, 3.2
    id bigint NOT NULL DEFAULT nextval('notification_log_id_seq'),
    order_chain_id uuid,
    shipment_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    creator text NOT NULL,
    senders_reference text,
    dialog_id text,
    transmission_id text,
    delivery_reference text,
    recipient text,
    type text NOT NULL,
    channel text NOT NULL,
    destination text NOT NULL,
    resource text,
    status text NOT NULL,
    requested_send_time timestamptz NOT NULL,
    last_update_time timestamptz NOT NULL,
    PRIMARY KEY (shipment_id, notification_id, last_update_time)
) PARTITION BY RANGE (last_update_time);
ALTER SEQUENCE notification_log_id_seq OWNED BY notification_log.id;
CREATE INDEX notification_log_by_dialog ON notification_log (left(dialog_id, 100)) WHERE dialog_id IS NOT NULL;
CREATE INDEX notification_log_by_transmission ON notification_log (left(transmission_id, 100))
    WHERE transmission_id IS NOT NULL;
CREATE TABLE notification_log_default PARTITION OF notification_log DEFAULT;

CREATE SEQUENCE delivery_reports_id_seq;
CREATE TABLE delivery_reports (         -- the inbox: stored before the sender gets its answer
    id bigint NOT NULL DEFAULT nextval('delivery_reports_id_seq'),
    provider smallint NOT NULL,         -- 1 ACS, 2 SMS gateway, 3 SMTP, 4 email capture (spec 08, 11.4)
    channel text NOT NULL,
    provider_reference text NOT NULL,
    result text NOT NULL,               -- our result that the report stands for
    report jsonb NOT NULL,              -- as received
    received timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    wake_at timestamptz,                -- next attempt to match; null when the ladder is used up or the report is settled
    settled timestamptz,                -- applied, ignored or found expired
    dead_report_id bigint,
    PRIMARY KEY (id, received)
) PARTITION BY RANGE (received);
ALTER SEQUENCE delivery_reports_id_seq OWNED BY delivery_reports.id;
CREATE TABLE delivery_reports_default PARTITION OF delivery_reports DEFAULT;
CREATE INDEX delivery_reports_waiting ON delivery_reports (channel, provider_reference) WHERE settled IS NULL;
CREATE INDEX delivery_reports_waking ON delivery_reports (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE dead_delivery_reports (    -- columns as spec 07, 4.1
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel smallint NOT NULL,
    delivery_report jsonb NOT NULL,
    first_seen timestamptz NOT NULL,
    last_attempt timestamptz NOT NULL CHECK (last_attempt >= first_seen),
    resolved boolean NOT NULL DEFAULT false,
    attempt_count integer NOT NULL CHECK (attempt_count > 0),
    reason text,
    message text
);

CREATE TABLE provider_pauses (          -- until when a provider is left alone (spec 08, 10.3)
    provider text PRIMARY KEY,
    paused_until timestamptz NOT NULL,
    reason text NOT NULL
);

CREATE TABLE workers (                  -- who may hold claims; each holds an advisory lock on its number while it lives
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    dependencies jsonb NOT NULL DEFAULT '{}'  -- how each dependency answers it: closed, half-open or open circuit
);
