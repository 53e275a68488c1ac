CREATE TABLE turned_clock (             -- at most one row: how far the clocks of all processes are turned, in tests
    is_the_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_row),
    offset_by interval NOT NULL
);
