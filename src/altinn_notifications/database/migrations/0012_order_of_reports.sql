-- Two workers may match two reports of one message in either order; the one that came last decides all the same.
ALTER TABLE notification_states ADD COLUMN report_id bigint;  -- delivery_reports.id of the last report that was applied
