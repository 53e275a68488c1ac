-- Instant orders whose message is on its way. A row holds everything that will be stored, and takes the idempotency id
-- meanwhile; it is gone as soon as the order is visible or the message was not taken. Only sending reads this table.

CREATE TABLE instant_reservations (
    chain_id uuid PRIMARY KEY,
    creator text NOT NULL,
    idempotency_id text NOT NULL,
    idempotency_digest bytea NOT NULL,
    lease_until timestamptz NOT NULL,   -- whoever made the row is gone if it still exists then
    called timestamptz,                 -- when the provider began to be called; null: it was not
    provider text,                      -- and which one it is
    created timestamptz NOT NULL,
    receipt jsonb NOT NULL,
    order_id uuid NOT NULL,
    senders_reference text,
    channel text NOT NULL,
    sms_policy smallint,
    email jsonb,
    sms jsonb,
    content jsonb NOT NULL,
    notification_id uuid NOT NULL,
    destination text NOT NULL,
    segments smallint,
    expiry timestamptz NOT NULL,
    lane text NOT NULL,
    provider_reference text,            -- our own id of the call, where the channel has one
    CONSTRAINT instant_reservations_idempotency UNIQUE (creator, idempotency_digest)
) WITH (fillfactor = 70);
