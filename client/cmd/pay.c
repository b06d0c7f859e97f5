/* legwork pay CUSTOMER AMOUNT: money collected. A fact: what was wrong is reversed by another one
 * (`legwork new payment … reverses_id=…`), never changed. */
#include "client/cmd/field_work.h"
#include "client/cmd/entry.h"
#include "client/cmd/rows.h"

static bool read_fields(struct app *app, struct entry *f, enum exit_code *code)
{
    const struct arguments *a = &app->arguments;
    return entry_put_text(app, f, COLUMN_payment_amount, a->operands[1], code) &&
           entry_put_text(app, f, COLUMN_payment_method, arguments_option(a, "--method"), code) &&
           entry_put_text(app, f, COLUMN_payment_currency, arguments_option(a, "--currency"),
                          code) &&
           entry_put_text(app, f, COLUMN_payment_ref_no, arguments_option(a, "--ref"), code) &&
           entry_put_text(app, f, COLUMN_payment_note, arguments_option(a, "--note"), code);
}

enum exit_code command_pay(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_payment)};
    struct complaint why = {0};
    uint8_t customer[16];
    uint8_t id[16];
    struct open_visit open;
    if (!app_open(app, &code) || !field_customer(app, 0, customer, &code) ||
        !read_fields(app, &f, &code)) {
        return code;
    }
    if (f.cells[0].value.kind != VALUE_INT || f.cells[0].value.i <= 0) {
        return usage_error(app, PHRASE_USAGE_AMOUNT, app->arguments.operands[1]);
    }
    struct moment now = moment_now(app);
    replica_new_id(&app->home.replica, id);
    entry_put_id(&f, COLUMN_payment_customer_id, customer);
    struct err err = field_open_visit(app, &open);
    if (open.found && memcmp(open.customer, customer, sizeof customer) == 0) {
        entry_put_id(&f, COLUMN_payment_visit_id, open.id);
    }
    if (err.code == ERR_OK) {
        err = replica_begin(&app->home.replica, "pay");
    }
    if (err.code == ERR_OK) {
        err = entry_insert(app, &now, &f, id, &why);
        err = replica_end(&app->home.replica, err);
    }
    return err.code == ERR_OK ? say_saved(app, f.table, id) : report_failure(app, err, &why);
}
