-- A mail that its provider took and will say more about only when it is asked. It is Sending, but nobody's claim: its
-- wake_at is null, so that no lane takes it for a call that was lost.
ALTER TABLE notification_states
    ADD COLUMN poll_at timestamptz;     -- when to ask next, or when the lease of who is asking ends

CREATE INDEX notification_states_polling ON notification_states (provider, poll_at) WHERE poll_at IS NOT NULL;
