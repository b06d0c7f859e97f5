/* See erase_late.h. */
#include "common/changelog/server/erase_late.h"

#define STRIPPED_MAX 3

/* ---- transactions ---- */

static struct err hangs_on_erased(struct store *st, const struct change *change, uint8_t column,
                                  bool *out)
{
    struct err err = err_ok();
    for (size_t i = 0; i < change->cell_count && err.code == ERR_OK && !*out; i++) {
        const struct value *v = &change->cells[i].value;
        if (change->cells[i].column == column && v->kind == VALUE_BLOB && v->b.size == 16) {
            err = erase_is_begun(st, TABLE_customer, v->b.at, out);
        }
    }
    return err;
}

struct err erase_forbids(struct store *st, const struct transaction *tx, bool *out)
{
    struct err err = err_ok();
    *out = false;
    for (size_t i = 0; i < tx->change_count && err.code == ERR_OK && !*out; i++) {
        const struct change *change = &tx->changes[i];
        const struct table *t = catalogue_table(change->table);
        if (t == NULL || change->op == CHANGE_DELETE) {
            continue; /* says nothing of anybody */
        }
        if (erase_is_of(t)) {
            err = erase_is_begun(st, t->number, change->id, out);
        }
        if (err.code == ERR_OK && !*out && t->number == TABLE_contact) {
            err = hangs_on_erased(st, change, COLUMN_contact_customer_id, out);
        } else if (err.code == ERR_OK && !*out && t->number == TABLE_media) {
            err = hangs_on_erased(st, change, COLUMN_media_customer_id, out);
        }
    }
    return err;
}

/* ---- rows ---- */

/* By whom a row is somebody's, and what in it is theirs; no column: all of it. */
static const struct {
    uint16_t table;
    uint8_t whose;
    uint16_t subject;
    uint8_t columns[STRIPPED_MAX];
} theirs[] = {
    {TABLE_contact, COLUMN_contact_customer_id, TABLE_customer, {0}},
    {TABLE_media, COLUMN_media_customer_id, TABLE_customer, {0}},
    {TABLE_media, COLUMN_media_created_by, TABLE_person, {0}},
    {TABLE_kept_value, COLUMN_kept_value_row_id, TABLE_person, {0}},
    {TABLE_kept_value, COLUMN_kept_value_row_id, TABLE_contact, {0}},
    {TABLE_kept_value, COLUMN_kept_value_row_id, TABLE_customer, {0}},
    {TABLE_proposal, COLUMN_proposal_row_id, TABLE_person, {0}},
    {TABLE_proposal, COLUMN_proposal_row_id, TABLE_contact, {0}},
    {TABLE_proposal, COLUMN_proposal_row_id, TABLE_customer, {0}},
    {TABLE_book, COLUMN_book_home_of_id, TABLE_person, {COLUMN_book_name}},
    {TABLE_device, COLUMN_device_person_id, TABLE_person, {COLUMN_device_name}},
    {TABLE_visit,
     COLUMN_visit_person_id,
     TABLE_person,
     {COLUMN_visit_lat, COLUMN_visit_lng, COLUMN_visit_acc_m}},
};

static struct value *value_in(const struct rows *one, uint8_t column)
{
    for (size_t i = 0; i < one->column_count; i++) {
        if (one->columns[i] == column) {
            return &one->rows[0].values[i];
        }
    }
    return NULL;
}

static bool strip(const struct rows *one, const uint8_t columns[STRIPPED_MAX])
{
    for (size_t i = 0; i < STRIPPED_MAX && columns[i] != 0; i++) {
        struct value *v = value_in(one, columns[i]);
        if (v != NULL && v->kind != VALUE_NULL) {
            *v = one->table == TABLE_book ? value_text(bytes_text("erased")) : value_null();
        }
    }
    return columns[0] == 0;
}

struct err erase_strip(struct store *st, const struct rows *one, bool *gone)
{
    const struct table *t = catalogue_table(one->table);
    struct err err = err_ok();
    *gone = false;
    if (t != NULL && erase_is_of(t)) {
        err = erase_is_begun(st, t->number, one->rows[0].id, gone);
    }
    for (size_t i = 0; i < count_of(theirs) && err.code == ERR_OK && !*gone; i++) {
        const struct value *whose =
            theirs[i].table == one->table ? value_in(one, theirs[i].whose) : NULL;
        bool erased = false;
        if (whose != NULL && whose->kind == VALUE_BLOB && whose->b.size == 16) {
            err = erase_is_begun(st, theirs[i].subject, whose->b.at, &erased);
        }
        *gone = erased && strip(one, theirs[i].columns);
    }
    return err;
}
