/* Whose data was erased, and what then stands in its place. From its beginning on nothing that a
 * device wrote to them is taken. */
#include "tests/sim/engine/oracle_internal.h"

static void note(struct oracle *o, uint16_t table, const uint8_t id[16])
{
    if (!oracle_is_erased(o, table, id) && o->erased_count < ORACLE_ERASED_MAX) {
        o->erased[o->erased_count].table = table;
        memcpy(o->erased[o->erased_count++].id, id, 16);
    }
}

bool oracle_is_erased(const struct oracle *o, uint16_t table, const uint8_t id[16])
{
    for (size_t i = 0; i < o->erased_count; i++) {
        if (o->erased[i].table == table && memcmp(o->erased[i].id, id, 16) == 0) {
            return true;
        }
    }
    return false;
}

void oracle_erase(struct oracle *o, uint16_t table, const uint8_t id[16])
{
    note(o, table, id);
    for (size_t i = 0; i < o->row_count && table == TABLE_customer; i++) {
        const struct oracle_row *row = o->rows[i];
        const struct value *v = &row->values[COLUMN_contact_customer_id];
        if (row->table->number == TABLE_contact && row->purged == ORACLE_STAYS &&
            v->kind == VALUE_BLOB && memcmp(v->b.at, id, 16) == 0) {
            note(o, TABLE_contact, row->id);
        }
    }
}

bool oracle_erases(uint16_t table, uint8_t column)
{
    static const uint8_t contact[] = {COLUMN_contact_name,     COLUMN_contact_title,
                                      COLUMN_contact_phones,   COLUMN_contact_email,
                                      COLUMN_contact_birthday, COLUMN_contact_note};
    static const uint8_t customer[] = {
        COLUMN_customer_name, COLUMN_customer_postal_code, COLUMN_customer_address,
        COLUMN_customer_lat,  COLUMN_customer_lng,         COLUMN_customer_geo_accuracy_m,
        COLUMN_customer_note, COLUMN_customer_geo_source,  COLUMN_customer_phones};
    const uint8_t *columns = table == TABLE_contact ? contact : customer;
    size_t count = table == TABLE_contact    ? count_of(contact)
                   : table == TABLE_customer ? count_of(customer)
                                             : 0;
    return memchr(columns, column, count) != NULL;
}

bool oracle_forbids(const struct oracle *o, const struct transaction *tx)
{
    for (size_t i = 0; i < tx->change_count; i++) {
        const struct change *c = &tx->changes[i];
        if (c->op == CHANGE_DELETE) {
            continue;
        }
        if (oracle_is_erased(o, c->table, c->id)) {
            return true;
        }
        uint8_t hangs_on = c->table == TABLE_contact ? COLUMN_contact_customer_id
                           : c->table == TABLE_media ? COLUMN_media_customer_id
                                                     : 0;
        for (size_t k = 0; k < c->cell_count && hangs_on != 0; k++) {
            const struct value *v = &c->cells[k].value;
            if (c->cells[k].column == hangs_on && v->kind == VALUE_BLOB && v->b.size == 16 &&
                oracle_is_erased(o, TABLE_customer, v->b.at)) {
                return true;
            }
        }
    }
    return false;
}

/* Pictures of a customer go as a whole. */
static void blank_picture(struct oracle *o, struct oracle_row *row, int64_t seq,
                          const struct oracle_version *by)
{
    static const uint8_t columns[] = {COLUMN_media_lat,  COLUMN_media_lng,   COLUMN_media_acc_m,
                                      COLUMN_media_note, COLUMN_media_thumb, COLUMN_DELETED};
    row->seq = seq;
    row->deleted_at = row->deleted_at == 0 ? by->at_ms : row->deleted_at;
    for (size_t i = 0; i < count_of(columns); i++) {
        if (columns[i] != COLUMN_DELETED) {
            row->values[columns[i]] = value_null();
        }
        row->versions[columns[i]] = *by;
        row->versions[columns[i]].seq = seq;
    }
    oracle_note_place(o, row);
}

/* A row after its turn: names become a word, whose language is the firm's; the rest is gone. */
void oracle_blank(struct oracle *o, const struct oracle_write *w,
                  const struct oracle_number *numbers, size_t count)
{
    const struct oracle_version by = {.at_ms = w->at_ms};
    for (size_t i = 0; i < count; i++) {
        struct oracle_row *row = oracle_find(o, numbers[i].table, numbers[i].id);
        if (row != NULL && row->table->number == TABLE_media) {
            blank_picture(o, row, numbers[i].seq, &by);
            continue;
        }
        if (row == NULL || !oracle_is_erased(o, row->table->number, row->id)) {
            continue;
        }
        bool is_contact = row->table->number == TABLE_contact;
        uint8_t name = is_contact ? COLUMN_contact_name : COLUMN_customer_name;
        uint8_t at = is_contact ? COLUMN_contact_erased_at : COLUMN_customer_erased_at;
        row->seq = numbers[i].seq;
        for (size_t k = 0; k < row->table->column_count; k++) {
            uint8_t column = row->table->columns[k].number;
            struct value blank = column == name ? value_text(bytes_text("已删除")) : value_null();
            blank = column == at ? value_int(w->erased_ms) : blank;
            bool goes = column == at || oracle_erases(row->table->number, column);
            if (goes && !value_equal(&row->values[column], &blank)) {
                row->values[column] = oracle_keep(o, &blank);
                row->versions[column] = by;
                row->versions[column].seq = row->seq;
            }
        }
        oracle_note_place(o, row);
    }
}
