/* A new person comes with a home book, where their own new customers go, and with the scopes that
 * are theirs alone. The home book has its person's id: a device knows it from its enrolment on,
 * before the first sync has brought a row. */
#include "common/changelog/server/store_internal.h"

static struct bytes name_of(const struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cells[i].column == COLUMN_person_name && cells[i].value.kind == VALUE_TEXT) {
            return cells[i].value.b;
        }
    }
    return bytes_text("");
}

static struct err scopes_make(struct store *st, const uint8_t person[16])
{
    struct scope_id ids[] = {{.kind = SCOPE_USER}, {.kind = SCOPE_PRIVATE}, {.kind = SCOPE_BOOK}};
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(ids) && err.code == ERR_OK; i++) {
        memcpy(ids[i].id, person, 16);
        int64_t unused = 0;
        err = store_scope(st, &ids[i], true, &unused);
    }
    return err;
}

static struct err home_add(struct store *st, struct server_write *w, int64_t now_ms,
                           const uint8_t person[16], struct bytes name, struct complaint *why)
{
    uint8_t holder[16];
    store_new_id(st, now_ms, holder);
    const struct value whose = value_blob(bytes_of(person, 16));
    const struct cell book_cells[] = {
        {.column = COLUMN_book_name, .value = value_text(name)},
        {.column = COLUMN_book_kind, .value = value_text(bytes_text("home"))},
        {.column = COLUMN_book_home_of_id, .value = whose}};
    const struct cell holder_cells[] = {{.column = COLUMN_book_holder_book_id, .value = whose},
                                        {.column = COLUMN_book_holder_person_id, .value = whose}};
    int64_t seq = 0;
    struct err err = server_write_put(w, catalogue_table(TABLE_book), person, book_cells,
                                      count_of(book_cells), 0, &seq, NULL, why);
    if (err.code == ERR_OK) {
        err = server_write_put(w, catalogue_table(TABLE_book_holder), holder, holder_cells,
                               count_of(holder_cells), 0, &seq, NULL, why);
    }
    return err.code == ERR_OK ? scopes_make(st, person) : err;
}

struct err store_person_add(struct server_write *w, const uint8_t id[16], const struct cell *cells,
                            size_t count, struct complaint *why)
{
    struct store *st = server_write_store(w);
    int64_t seq = 0;
    struct err err =
        server_write_put(w, catalogue_table(TABLE_person), id, cells, count, 0, &seq, NULL, why);
    return err.code == ERR_OK
               ? home_add(st, w, server_write_at_ms(w), id, name_of(cells, count), why)
               : err;
}
