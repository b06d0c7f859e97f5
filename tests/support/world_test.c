/* See world_test.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return -1;
    }
    world_init(w, 1);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    world_release(w);
    free(w);
    return 0;
}

void everybody_holds(struct world *w, const char *name, uint8_t id[16])
{
    world_customer(w, ANN, name, id);
    world_heal(w);
    world_pass(w, 60000);
}

bool set_city(struct world_device *d, const uint8_t customer[16], const char *city)
{
    const struct cell cell = cell_text(COLUMN_customer_city, city);
    return device_update(d, TABLE_customer, customer, &cell, 1);
}

bool set_region(struct world_device *d, const uint8_t customer[16], const char *region)
{
    const struct cell cell = cell_text(COLUMN_customer_region, region);
    return device_update(d, TABLE_customer, customer, &cell, 1);
}

void assert_server(struct world *w, const uint8_t customer[16], const char *column,
                   const char *text)
{
    struct seen seen;
    assert_string_equal(db_sees(w, w->reader_db, "customer", customer, column, &seen), text);
}

void assert_device(struct world_device *d, const uint8_t customer[16], const char *column,
                   const char *text)
{
    struct seen seen;
    assert_string_equal(db_sees(d->world, d->db, "customer", customer, column, &seen), text);
}

const char *inbox_code(struct world_device *d, struct seen *to)
{
    struct stmt st;
    world_must(d->world, d->db,
               db_use(d->db, "SELECT code FROM inbox WHERE done IS NULL ORDER BY id DESC", &st));
    bool found = db_step_row(&st);
    snprintf(to->text, sizeof to->text, "%s", found ? col_text(&st, 0) : "");
    stmt_reset(&st);
    return to->text;
}
