-- What the capture providers took instead of sending it, and the reports that they have yet to make (spec 09, 8.4 and
-- spec 10, 12). Empty in production.

CREATE TABLE captured_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    reference text NOT NULL,            -- email: operation id; SMS: the uuid that a gateway would have given
    recipient text NOT NULL,
    captured timestamptz NOT NULL,
    message jsonb NOT NULL,
    CONSTRAINT captured_messages_reference UNIQUE (channel, reference)
);
CREATE INDEX captured_messages_by_age ON captured_messages (captured);

CREATE TABLE captured_attachments (
    message_id bigint NOT NULL REFERENCES captured_messages ON DELETE CASCADE,
    position integer NOT NULL,
    filename text NOT NULL,
    mime_type text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (message_id, position)
);

CREATE TABLE captured_reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id bigint NOT NULL REFERENCES captured_messages ON DELETE CASCADE,
    word text NOT NULL,                 -- the provider's own, such as DELIVRD or Bounced
    due timestamptz NOT NULL,
    sent timestamptz
);
CREATE INDEX captured_reports_by_message ON captured_reports (message_id);
CREATE INDEX captured_reports_due ON captured_reports (due) WHERE sent IS NULL;

CREATE TABLE captured_refusals (        -- how often a message was put off that a magic value lets through later
    message bytea PRIMARY KEY,          -- SHA-256 of what makes it the same message
    times integer NOT NULL,
    last timestamptz NOT NULL
);

CREATE TABLE collected_bounces (        -- files of the bounce mailbox that are in the inbox already, moved away or not
    file bytea PRIMARY KEY,             -- SHA-256 of name and content
    collected timestamptz NOT NULL
);
