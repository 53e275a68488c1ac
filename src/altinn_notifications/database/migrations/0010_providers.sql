-- A pause may concern one sender's domain only, and what an operator must mend is told apart from what passes.
ALTER TABLE provider_pauses
    ADD COLUMN domain text NOT NULL DEFAULT '',             -- '': whatever the provider carries
    ADD COLUMN misconfigured boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT provider_pauses_pkey,
    ADD PRIMARY KEY (provider, domain);

-- The claim walks from owner to owner and domain to domain, so that it never reads past what a paused domain holds.
ALTER TABLE notification_states ADD COLUMN sender_domain text COLLATE "C" NOT NULL DEFAULT '';  -- '' for SMS
DROP INDEX notification_states_new;
CREATE INDEX notification_states_new ON notification_states (lane, creator, sender_domain, notification_id)
    WHERE result = 'New';

-- How many messages may leave at once under a limit per second: one row for each provider or domain that has one.
CREATE TABLE send_buckets (
    name text PRIMARY KEY,
    tokens double precision NOT NULL,
    filled timestamptz NOT NULL         -- when the tokens were counted
);

ALTER TABLE workers ADD COLUMN providers jsonb NOT NULL DEFAULT '{}';  -- how fast each provider is: ok or slow
