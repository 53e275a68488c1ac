-- Where the files of composed emails are. The links are secrets that open them, so they stand apart from their orders
-- and go away in the transaction that ends the order.

CREATE TABLE attachment_links (
    order_id uuid NOT NULL,
    position integer NOT NULL,          -- of the attachment in the order's content, from 0
    sas_url text NOT NULL,
    PRIMARY KEY (order_id, position)
);

-- Downloads that failed in a row: the message's place in their retry schedule.
ALTER TABLE notification_states ADD COLUMN download_failures integer NOT NULL DEFAULT 0;
