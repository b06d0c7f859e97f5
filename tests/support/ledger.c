/* See ledger.h. */
#include "tests/support/ledger.h"

static bool same_cell(const struct ledger_line *a, const struct ledger_line *b)
{
    return a->column == b->column && memcmp(a->row, b->row, sizeof a->row) == 0;
}

void ledger_init(struct ledger *l, struct world *w)
{
    memset(l, 0, sizeof *l);
    l->world = w;
}

static void show(const struct ledger *l, struct db *db, const struct ledger_line *line,
                 char text[24])
{
    struct seen seen;
    const char *table = catalogue_table(line->column->table)->name;
    snprintf(text, 24, "%.23s", db_sees(l->world, db, table, line->row, line->column->name, &seen));
}

struct ledger_line *ledger_draft(struct ledger *l, struct db *db, uint16_t table, uint8_t column,
                                 const uint8_t row[16])
{
    if (l->count == LEDGER_LINES_MAX) {
        return NULL;
    }
    struct ledger_line *line = &l->lines[l->count];
    *line = (struct ledger_line){.column = table_column(catalogue_table(table), column)};
    memcpy(line->row, row, sizeof line->row);
    show(l, db, line, line->saw);
    if (strcmp(line->saw, "(none)") == 0) {
        return NULL;
    }
    snprintf(line->text, sizeof line->text, "w%d.", ++l->serial);
    return line;
}

void ledger_add(struct ledger *l, int device, int64_t tx)
{
    l->lines[l->count].device = device;
    l->lines[l->count].tx = tx;
    l->count++;
}

void ledger_roll_back(struct ledger *l, size_t first, int device)
{
    for (size_t i = first; i < l->count; i++) {
        l->lines[i].rolled_back |= l->lines[i].device == device;
    }
}

void ledger_look(const struct ledger *l, struct db *db, struct ledger_view *out)
{
    out->count = l->count;
    out->texts = calloc(l->count + 1, sizeof *out->texts);
    if (out->texts == NULL) {
        abort(); /* a test without memory proves nothing */
    }
    for (size_t i = 0; i < l->count; i++) {
        show(l, db, &l->lines[i], out->texts[i]);
    }
}

static bool is_first_of_cell(const struct ledger *l, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_cell(&l->lines[i], &l->lines[index])) {
            return false;
        }
    }
    return true;
}

void ledger_add_changes(struct ledger *l, struct world_device *d, struct ledger_view *before,
                        int64_t tx)
{
    for (size_t i = 0; i < before->count && l->count < LEDGER_LINES_MAX; i++) {
        struct ledger_line line = l->lines[i];
        show(l, d->db, &line, line.text);
        if (is_first_of_cell(l, i) && strcmp(line.text, before->texts[i]) != 0) {
            memcpy(line.saw, before->texts[i], sizeof line.saw);
            line.rolled_back = false;
            l->lines[l->count] = line;
            ledger_add(l, (int)(d - l->world->devices), tx);
        }
    }
    free(before->texts);
}

/* Nobody can tell any more what came of work that a copy rolled back: it may stand. */
static bool was_refused(const struct ledger *l, const struct ledger_line *line)
{
    if (line->device == LEDGER_SERVER || line->rolled_back) {
        return false;
    }
    char sql[128];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM inbox WHERE tx = %" PRId64 " AND kind IN ('refused', 'held')",
             line->tx);
    return db_count(l->world, l->world->devices[line->device].db, sql, NULL) > 0;
}

static bool was_seen_and_replaced(const struct ledger *l, const struct ledger_line *line)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_line *other = &l->lines[i];
        if (same_cell(other, line) && strcmp(other->saw, line->text) == 0 &&
            !was_refused(l, other)) {
            return true;
        }
    }
    return false;
}

int64_t kept(const struct world *w, const uint8_t row[16], const char *text)
{
    struct stmt st;
    int64_t count = 0;
    world_must(
        w, w->reader_db,
        db_use(w->reader_db,
               "SELECT count(*) FROM kept_value WHERE row_id = ?1 AND kept LIKE '%' || ?2 || '%'",
               &st));
    bind_id(&st, 1, row);
    bind_text(&st, 2, text);
    if (db_step_row(&st)) {
        count = col_int(&st, 0);
    }
    stmt_reset(&st);
    return count;
}

static void tell(const struct ledger *l, const struct ledger_line *line)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_line *o = &l->lines[i];
        if (same_cell(o, line)) {
            fprintf(stderr, "%s over %s by device %d in %" PRId64 "%s%s\n", o->text, o->saw,
                    o->device, o->tx, was_refused(l, o) ? ", refused" : "",
                    o->rolled_back ? ", rolled back" : "");
        }
    }
}

void ledger_check(const struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_line *line = &l->lines[i];
        char now[24];
        show(l, l->world->reader_db, line, now);
        bool stands = strcmp(now, line->text) == 0 || strcmp(now, "(none)") == 0;
        if (!stands && !line->rolled_back && kept(l->world, line->row, line->text) == 0 &&
            !was_refused(l, line) && !was_seen_and_replaced(l, line)) {
            tell(l, line);
            world_fail(l->world, "lost: %s of device %d in %s; it is %s", line->text, line->device,
                       line->column->name, now);
        }
    }
}
