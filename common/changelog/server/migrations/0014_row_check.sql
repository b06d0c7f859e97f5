-- Each row of the catalogue's tables carries a check of its own (row_check.h), in its column `_check`. Filled
-- from the rows by the program that runs this first.
ALTER TABLE store_state ADD COLUMN checked INTEGER NOT NULL DEFAULT 0; -- 1: all rows have theirs
