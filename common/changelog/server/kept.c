/* See kept.h. */
#include "common/changelog/server/kept.h"

#include "common/catalogue/text.h"

#define JSON_BYTES_MAX 20000               /* as kept_value's columns take */
#define JSON_ROOM      (ROW_BYTES_MAX * 8) /* what no value's JSON reaches */

static struct err person_value(struct work *w, uint32_t author, struct value *out)
{
    const struct author *who = NULL;
    struct err err = store_author(w->st, author, &who);
    *out = value_null();
    if (err.code == ERR_OK && author != 0) {
        *out = value_blob(arena_copy(w->arena, bytes_of(who->person, sizeof who->person)));
        err = out->b.at == NULL ? err_make(ERR_NOMEM, 0, "kept_put") : err;
    }
    return err;
}

/* A value as JSON text that lives in the arena; one too long for its column becomes NULL (the
 * change log has it). */
static struct err json_value(struct work *w, const struct column *c, const struct value *v,
                             struct value *out)
{
    struct buf json;
    buf_init(&json, JSON_ROOM);
    column_json(c, v, &json);
    struct err err = json.bad ? err_make(ERR_NOMEM, 0, "kept_put") : err_ok();
    *out = value_null();
    if (err.code == ERR_OK && json.size <= JSON_BYTES_MAX) {
        *out = value_text(arena_copy(w->arena, buf_bytes(&json)));
        err = out->b.at == NULL ? err_make(ERR_NOMEM, 0, "kept_put") : err;
    }
    buf_release(&json);
    return err;
}

static struct err fill(struct work *w, const struct kept *k, struct work_row *row)
{
    struct value kept_by;
    struct value winner_by;
    struct value kept = value_null();
    struct value winner = value_null();
    struct err err = person_value(w, k->loser.author, &kept_by);
    if (err.code == ERR_OK) {
        err = person_value(w, k->winner.author, &winner_by);
    }
    if (err.code == ERR_OK) {
        err = json_value(w, k->column, k->loser.value, &kept);
    }
    if (err.code == ERR_OK) {
        err = json_value(w, k->column, k->winner.value, &winner);
    }
    struct bytes about = arena_copy(w->arena, bytes_of(k->row->id, sizeof k->row->id));
    if (err.code != ERR_OK || about.at == NULL) {
        return err.code != ERR_OK ? err : err_make(ERR_NOMEM, 0, "kept_put");
    }
    const struct cell cells[] = {
        {.column = COLUMN_kept_value_table_no, .value = value_int(k->row->table->number)},
        {.column = COLUMN_kept_value_row_id, .value = value_blob(about)},
        {.column = COLUMN_kept_value_column_no, .value = value_int(k->column->number)},
        {.column = COLUMN_kept_value_kept, .value = kept},
        {.column = COLUMN_kept_value_winner, .value = winner},
        {.column = COLUMN_kept_value_base, .value = value_int(k->base)},
        {.column = COLUMN_kept_value_kept_by, .value = kept_by},
        {.column = COLUMN_kept_value_kept_at, .value = value_int(k->loser.at_ms)},
        {.column = COLUMN_kept_value_winner_by, .value = winner_by},
        {.column = COLUMN_kept_value_winner_at, .value = value_int(k->winner.at_ms)},
        {.column = COLUMN_kept_value_needs_decision,
         .value = value_int(k->column->type == TYPE_MONEY)}};
    for (size_t i = 0; i < count_of(cells); i++) {
        work_set(row, cells[i].column, &cells[i].value);
    }
    return err_ok();
}

/* The row's author is the server, so that the device whose push made it receives it too. */
struct err kept_put(struct work *w, const struct kept *kept, uint8_t id[16])
{
    struct work_row *row = NULL;
    store_new_id(w->st, w->received_ms, id);
    struct err err = work_new(w, catalogue_table(TABLE_kept_value), id, &row);
    if (err.code == ERR_OK) {
        row->scope = kept->row->scope;
        err = fill(w, kept, row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    struct version sender = w->by;
    w->by.author = 0;
    w->by.epoch = 0;
    w->by.device_seq = 0;
    err = work_put(w, row);
    w->by = sender;
    return err;
}
