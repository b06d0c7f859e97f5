/* legwork visit photo, legwork order sign: a picture is taken in. Its file is on the disk before
 * its row is written, so a row never names what isn't there; a file whose row was never written is
 * swept later. */
#include "client/cmd/field_work.h"
#include "client/cmd/lookup.h"
#include "client/cmd/photo.h"
#include "client/cmd/rows.h"

/* What the picture belongs to: a row with a customer. */
struct subject {
    uint16_t table;
    uint8_t column; /* of media, that points to it */
    uint8_t id[16];
    uint8_t customer[16];
    uint8_t visit[16]; /* of an order taken during one */
    bool has_visit;
};

static struct err read_subject(struct app *app, struct subject *s)
{
    struct stmt st;
    const char *sql = s->table == TABLE_visit
                          ? "SELECT customer_id, NULL FROM visit WHERE id = ?1"
                          : "SELECT customer_id, visit_id FROM sales_order WHERE id = ?1";
    struct err err = db_use(app->home.db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, s->id);
    bool found = db_step_row(&st);
    if (found) {
        found = col_id(&st, 0, s->customer);
        s->has_visit = col_id(&st, 1, s->visit);
        stmt_reset(&st);
    }
    err = stmt_err(&st, "photo_subject");
    return err.code == ERR_OK && !found ? err_make(ERR_NOT_FOUND, 0, "photo_subject") : err;
}

static void put_picture(struct entry *f, const struct taken_photo *photo)
{
    entry_put(f, COLUMN_media_sha256, value_text(bytes_text(photo->name)));
    entry_put(f, COLUMN_media_format,
              value_text(bytes_text(image_format_name(photo->image.format))));
    entry_put(f, COLUMN_media_size, value_int(photo->size));
    entry_put(f, COLUMN_media_width, value_int(photo->image.width));
    entry_put(f, COLUMN_media_height, value_int(photo->image.height));
    entry_put(f, COLUMN_media_thumb, value_text(photo->thumb));
}

static void put_subject(struct entry *f, const struct subject *s)
{
    entry_put_id(f, COLUMN_media_customer_id, s->customer);
    entry_put_id(f, s->column, s->id);
    if (s->has_visit) {
        entry_put_id(f, COLUMN_media_visit_id, s->visit);
    }
}

static struct err save(struct app *app, struct entry *f, const struct taken_photo *photo,
                       const char *intent, const uint8_t id[16], struct complaint *why)
{
    struct moment now = moment_now(app);
    struct err err = replica_begin(&app->home.replica, intent);
    if (err.code != ERR_OK) {
        return err;
    }
    err = entry_insert(app, &now, f, id, why);
    if (err.code == ERR_OK) {
        err = photo_will_upload(app->home.db, photo->name, photo->size);
    }
    return replica_end(&app->home.replica, err);
}

static enum exit_code take(struct app *app, struct subject *s, struct entry *f, const char *intent)
{
    enum exit_code code;
    struct taken_photo photo;
    struct complaint why = {0};
    uint8_t id[16];
    struct err err = read_subject(app, s);
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    if (!photo_take(app, app->arguments.operands[1], &photo, &code)) {
        return code;
    }
    put_subject(f, s);
    put_picture(f, &photo);
    replica_new_id(&app->home.replica, id);
    err = save(app, f, &photo, intent, id, &why);
    return err.code == ERR_OK ? say_saved(app, f->table, id) : report_failure(app, err, &why);
}

enum exit_code command_visit_photo(struct app *app)
{
    static const uint8_t place[] = {COLUMN_media_lat, COLUMN_media_lng, COLUMN_media_acc_m};
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_media)};
    struct subject s = {.table = TABLE_visit, .column = COLUMN_media_visit_id};
    const struct arguments *a = &app->arguments;
    if (!app_open(app, &code) ||
        !lookup_row(app, catalogue_table(TABLE_visit), a->operands[0], s.id, &code) ||
        !field_place(app, &f, place, &code) ||
        !entry_put_text(app, &f, COLUMN_media_kind, arguments_option(a, "--kind"), &code) ||
        !entry_put_text(app, &f, COLUMN_media_note, arguments_option(a, "--note"), &code)) {
        return code;
    }
    return take(app, &s, &f, "visit.photo");
}

enum exit_code command_order_sign(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_media)};
    struct subject s = {.table = TABLE_sales_order, .column = COLUMN_media_order_id};
    const struct arguments *a = &app->arguments;
    if (!app_open(app, &code) ||
        !lookup_row(app, catalogue_table(TABLE_sales_order), a->operands[0], s.id, &code) ||
        !entry_put_text(app, &f, COLUMN_media_note, arguments_option(a, "--note"), &code)) {
        return code;
    }
    entry_put(&f, COLUMN_media_kind, value_text(bytes_text("signature")));
    return take(app, &s, &f, "order.sign");
}
