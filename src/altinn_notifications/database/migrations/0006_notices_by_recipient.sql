-- Support staff look for everything that was made for one person or organisation in a span of time. The time is that of
-- the order, kept here as well: without it the search would read all there ever was for the recipient, and the planner,
-- for a recipient of many notices, every order of the span.

ALTER TABLE notifications ADD COLUMN requested_send_time timestamptz;

UPDATE notifications n SET requested_send_time = o.requested_send_time FROM orders o WHERE o.id = n.order_id;

ALTER TABLE notifications ADD CONSTRAINT notifications_of_recipients_have_a_time CHECK (
    requested_send_time IS NOT NULL OR (national_identity_number IS NULL AND organization_number IS NULL));

-- Most notices have one identity or none, so each is in one of the indexes at most.
CREATE INDEX notifications_by_person ON notifications (national_identity_number, requested_send_time)
    WHERE national_identity_number IS NOT NULL;
CREATE INDEX notifications_by_organization ON notifications (organization_number, requested_send_time)
    WHERE organization_number IS NOT NULL;
