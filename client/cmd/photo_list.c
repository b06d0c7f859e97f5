/* legwork photo list, legwork photo show: the pictures that this device knows of, and where their
 * bytes are. */
#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"
#include "client/cmd/photo.h"
#include "client/cmd/rows.h"

#include <sodium.h>

#define LIST_COLUMNS  6
#define LIST_DEFAULT  100
#define LIST_MAX      1000000
#define LIST_JSON_MAX ((size_t)4096)

static const struct {
    const char *name;
    enum phrase phrase;
} places[] = {
    [PHOTO_HERE] = {"here", PHRASE_PHOTO_HERE},
    [PHOTO_WAITING] = {"waiting", PHRASE_PHOTO_WAITING},
    [PHOTO_REFUSED] = {"refused", PHRASE_PHOTO_REFUSED},
    [PHOTO_SERVER] = {"server", PHRASE_PHOTO_SERVER},
    [PHOTO_LOST] = {"lost", PHRASE_PHOTO_LOST},
};

/* What a list shows of one. */
struct shown {
    uint8_t id[16], customer[16], subject[16];
    bool has_subject;
    char name[BLOB_NAME_SIZE];
    char kind[16], day[DAY_TEXT_SIZE], format[8];
    int64_t size;
    enum photo_place place;
};

static bool read_limit(struct app *app, int64_t *limit, enum exit_code *code)
{
    const char *text = arguments_option(&app->arguments, "--limit");
    char *end = NULL;
    *limit = text != NULL ? strtoll(text, &end, 10) : LIST_DEFAULT;
    if (text != NULL && (end == text || *end != 0 || *limit < 1 || *limit > LIST_MAX)) {
        *code = usage_error(app, PHRASE_USAGE_MALFORMED, text);
        return false;
    }
    return true;
}

static void read_shown(const struct stmt *st, struct shown *p)
{
    *p = (struct shown){.size = col_int(st, 6)};
    (void)col_id(st, 0, p->id);
    (void)col_id(st, 1, p->customer);
    p->has_subject = col_id(st, 2, p->subject);
    (void)snprintf(p->kind, sizeof p->kind, "%s", col_text(st, 3));
    (void)snprintf(p->day, sizeof p->day, "%s", col_text(st, 4));
    (void)snprintf(p->name, sizeof p->name, "%s", col_text(st, 5));
    (void)snprintf(p->format, sizeof p->format, "%s", col_text(st, 7));
}

static void put_json(const struct shown *p, const char *before)
{
    char id[37], customer[37];
    id_text(p->id, id);
    id_text(p->customer, customer);
    printf("%s{\"id\":\"%s\",\"customer_id\":\"%s\",\"kind\":\"%s\",\"taken_day\":\"%s\","
           "\"sha256\":\"%s\",\"size\":%" PRId64 ",\"format\":\"%s\",\"place\":\"%s\"}",
           before, id, customer, p->kind, p->day, p->name, p->size, p->format,
           places[p->place].name);
}

static void put_line(struct app *app, const struct shown *p, struct grid *grid)
{
    char id[37];
    struct buf customer;
    buf_init(&customer, ROW_BYTES_MAX);
    lookup_short_id(app->home.db, catalogue_table(TABLE_media), p->id, id);
    lookup_label(app->home.db, catalogue_table(TABLE_customer), p->customer, &customer);
    grid_put_text(grid, id);
    grid_put_text(grid, p->day);
    grid_put(grid, buf_bytes(&customer));
    const struct column *kind = table_column(catalogue_table(TABLE_media), COLUMN_media_kind);
    grid_put(grid, column_choice(kind, column_rank(kind, bytes_text(p->kind)), app->chinese));
    grid_put_text(grid, size_text(p->size).text);
    grid_put_text(grid, phrase_text(places[p->place].phrase, app->chinese));
    buf_release(&customer);
}

static struct err list(struct app *app, struct blob_store *s, struct stmt *st)
{
    struct grid grid;
    grid_init(&grid, &app->arena, LIST_COLUMNS);
    static const enum phrase titles[LIST_COLUMNS] = {
        PHRASE_PHOTO_TITLE_ID,   PHRASE_PHOTO_TITLE_DAY,  PHRASE_PHOTO_TITLE_CUSTOMER,
        PHRASE_PHOTO_TITLE_KIND, PHRASE_PHOTO_TITLE_SIZE, PHRASE_PHOTO_TITLE_PLACE};
    for (size_t i = 0; i < count_of(titles); i++) {
        grid_put_text(&grid, phrase_text(titles[i], app->chinese));
    }
    const char *before = "[";
    struct err err = err_ok();
    while (err.code == ERR_OK && db_step_row(st)) {
        struct shown p;
        read_shown(st, &p);
        err = photo_place(app->home.db, s, p.name, &p.place);
        if (app->arguments.json) {
            put_json(&p, before);
            before = ",\n";
        } else {
            put_line(app, &p, &grid);
        }
    }
    err = err.code == ERR_OK ? stmt_err(st, "photo_list") : err;
    if (app->arguments.json) {
        printf("%s]\n", before[0] == '[' ? "[" : "");
    } else {
        grid_print(&grid, stdout);
    }
    return err;
}

enum exit_code command_photo_list(struct app *app)
{
    enum exit_code code;
    int64_t limit;
    char day[DAY_TEXT_SIZE];
    uint8_t customer[16];
    const char *on = arguments_option(&app->arguments, "--day");
    const char *who = arguments_option(&app->arguments, "--customer");
    if (!read_limit(app, &limit, &code) || !app_open(app, &code) ||
        (on != NULL && !moment_day(app, on, day, &code)) ||
        (who != NULL && !lookup_row(app, catalogue_table(TABLE_customer), who, customer, &code))) {
        return code;
    }
    struct blob_store s;
    struct stmt st;
    struct err err = photos_open(&app->home, &s);
    if (err.code == ERR_OK) {
        err = db_use(app->home.db,
                     "SELECT id, customer_id, coalesce(order_id, visit_id), kind, taken_day,"
                     " sha256, size, format FROM media WHERE _deleted_at IS NULL"
                     " AND (?1 IS NULL OR taken_day = ?1) AND (?2 IS NULL OR customer_id = ?2)"
                     " ORDER BY taken_at DESC, id DESC LIMIT ?3",
                     &st);
    }
    if (err.code == ERR_OK) {
        bind_text(&st, 1, on != NULL ? day : NULL);
        if (who != NULL) {
            bind_id(&st, 2, customer);
        }
        bind_int(&st, 3, limit);
        err = list(app, &s, &st);
    }
    blob_store_close(&s);
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}

/* ---- show ---- */

static bool write_thumb(struct app *app, struct bytes base64, const char *path,
                        enum exit_code *code)
{
    uint8_t *jpeg = arena_alloc(&app->arena, base64.size + 1);
    size_t size = 0;
    if (jpeg == NULL ||
        sodium_base642bin(jpeg, base64.size + 1, (const char *)base64.at, base64.size, NULL, &size,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
        *code = report_error(app, err_make(ERR_CORRUPT, 0, "thumb"));
        return false;
    }
    return photo_write_file(app, path, bytes_of(jpeg, size), code);
}

static bool write_files(struct app *app, const uint8_t id[16], enum exit_code *code)
{
    const char *thumb = arguments_option(&app->arguments, "--thumb");
    const char *to = arguments_option(&app->arguments, "--to");
    const struct table *t = catalogue_table(TABLE_media);
    struct stored_row row;
    struct err err = row_get(app->home.db, t, id, &app->arena, &row);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    char name[BLOB_NAME_SIZE];
    struct bytes sha256 = stored_value(&row, t, COLUMN_media_sha256)->b;
    (void)snprintf(name, sizeof name, "%.*s", (int)sha256.size, (const char *)sha256.at);
    return (thumb == NULL ||
            write_thumb(app, stored_value(&row, t, COLUMN_media_thumb)->b, thumb, code)) &&
           (to == NULL || photo_write_whole(app, name, to, code));
}

enum exit_code command_photo_show(struct app *app)
{
    enum exit_code code;
    uint8_t id[16];
    const struct table *t = catalogue_table(TABLE_media);
    if (!app_open(app, &code) || !lookup_row(app, t, app->arguments.operands[0], id, &code) ||
        !write_files(app, id, &code)) {
        return code;
    }
    struct err err = row_show(app, t, id);
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}
