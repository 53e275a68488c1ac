-- What the metrics page counts, by owner and day. Whatever changes a figure writes the difference beside it, in the same
-- transaction; a worker adds the differences up. No figure is ever counted anew, and no two transactions want one row.

CREATE TABLE metrics_days (
    day date NOT NULL,                  -- of the order's requested send time, in UTC
    creator text NOT NULL,
    orders bigint NOT NULL,
    emails bigint NOT NULL,
    successful_emails bigint NOT NULL,
    sms_segments bigint NOT NULL,
    successful_sms bigint NOT NULL,
    PRIMARY KEY (day, creator)
);

-- Emptied every few seconds: vacuumed before its dead rows are many, however large it once was.
CREATE TABLE metrics_changes (
    day date NOT NULL,
    creator text NOT NULL,
    orders bigint NOT NULL DEFAULT 0,
    emails bigint NOT NULL DEFAULT 0,
    successful_emails bigint NOT NULL DEFAULT 0,
    sms_segments bigint NOT NULL DEFAULT 0,
    successful_sms bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- The functions look orders up by their id, one by one: a plan made while the tables were small must not read them whole.

CREATE FUNCTION count_new_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metrics_changes (day, creator, orders)
    SELECT (requested_send_time AT TIME ZONE 'UTC')::date, creator, count(*) FROM added GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION count_new_notifications() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO metrics_changes (day, creator, emails, sms_segments)
    SELECT (o.requested_send_time AT TIME ZONE 'UTC')::date, o.creator, sum(n.emails), sum(n.segments)
    FROM (SELECT order_id, count(*) FILTER (WHERE channel = 'Email') AS emails,
                 coalesce(sum(segments) FILTER (WHERE channel = 'Sms'), 0) AS segments
          FROM added GROUP BY order_id) AS n
    JOIN order_states o ON o.order_id = n.order_id
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

-- Delivered, Succeeded and Accepted are the successes; a mail that is reported on later moves between two of them.
CREATE FUNCTION count_first_results() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO metrics_changes (day, creator, successful_emails, successful_sms)
    SELECT (o.requested_send_time AT TIME ZONE 'UTC')::date, o.creator,
           count(*) FILTER (WHERE n.channel = 'Email'), count(*) FILTER (WHERE n.channel = 'Sms')
    FROM added n JOIN order_states o ON o.order_id = n.order_id
    WHERE n.result IN ('Delivered', 'Succeeded', 'Accepted')
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_results() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO metrics_changes (day, creator, successful_emails, successful_sms)
    SELECT (o.requested_send_time AT TIME ZONE 'UTC')::date, o.creator,
           coalesce(sum(n.difference) FILTER (WHERE n.channel = 'Email'), 0),
           coalesce(sum(n.difference) FILTER (WHERE n.channel = 'Sms'), 0)
    FROM (SELECT order_id, channel, sum(one) AS difference
          FROM (SELECT order_id, channel, 1 AS one FROM afterwards
                WHERE result IN ('Delivered', 'Succeeded', 'Accepted')
                UNION ALL
                SELECT order_id, channel, -1 FROM before WHERE result IN ('Delivered', 'Succeeded', 'Accepted')) AS each
          GROUP BY order_id, channel HAVING sum(one) <> 0) AS n
    JOIN order_states o ON o.order_id = n.order_id
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE TRIGGER metrics_of_new AFTER INSERT ON order_states
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_new_orders();
CREATE TRIGGER metrics_of_new AFTER INSERT ON notifications
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_new_notifications();
CREATE TRIGGER metrics_of_new AFTER INSERT ON notification_states
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_first_results();
CREATE TRIGGER metrics_of_changed AFTER UPDATE ON notification_states
    REFERENCING OLD TABLE AS before NEW TABLE AS afterwards FOR EACH STATEMENT EXECUTE FUNCTION count_changed_results();

INSERT INTO metrics_changes
SELECT (o.requested_send_time AT TIME ZONE 'UTC')::date, o.creator, count(DISTINCT o.order_id),
       count(*) FILTER (WHERE n.channel = 'Email'),
       count(*) FILTER (WHERE n.channel = 'Email' AND s.result IN ('Delivered', 'Succeeded')),
       coalesce(sum(n.segments) FILTER (WHERE n.channel = 'Sms'), 0),
       count(*) FILTER (WHERE n.channel = 'Sms' AND s.result IN ('Delivered', 'Accepted'))
FROM order_states o
LEFT JOIN notification_states s ON s.order_id = o.order_id
LEFT JOIN notifications n ON n.id = s.notification_id
GROUP BY 1, 2;

-- The files of a day name every message by a number; without an index, since nobody looks one up.
CREATE SEQUENCE notification_numbers CACHE 100;
ALTER TABLE notifications ADD COLUMN number bigint NOT NULL DEFAULT nextval('notification_numbers');

-- They hold what became final on one day. Results come about in the order of the rows they are on, give or take some
-- days, so a block-range index of a few pages finds them, and costs the senders nothing.
CREATE INDEX notification_states_by_time ON notification_states USING brin (result_time)
    WITH (pages_per_range = 32, autosummarize = on);
