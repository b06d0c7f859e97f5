/* See store_db.h. */
#include "tests/support/store_db.h"

#include "server/store/postgres.h"

static const char *cluster_of_this_run(void)
{
    return getenv("LEGWORK_TEST_POSTGRES");
}

bool store_db_is_shared(void)
{
    return cluster_of_this_run() != NULL;
}

/* Letters and digits of the path: temporary folders' names differ in them. */
static void schema_of(const char *path, char schema[60])
{
    size_t size = 0;
    schema[size++] = 't';
    for (const char *at = path; *at != 0 && size < 59; at++) {
        bool plain =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (plain) {
            schema[size++] = *at;
        }
    }
    schema[size] = 0;
}

struct err store_db_open(struct db **out, const char *path, const struct db_options *options)
{
    char schema[60];
    struct buf why;
    if (cluster_of_this_run() == NULL) {
        return db_open(out, path, options);
    }
    schema_of(path, schema);
    buf_init(&why, 1000);
    const struct postgres_options ours = {.conninfo = cluster_of_this_run(),
                                          .schema = schema,
                                          .creates = options->mode == DB_CREATE,
                                          .connect_timeout_s = 10,
                                          .lock_timeout_ms = options->busy_timeout_ms};
    struct err err = postgres_open(out, &ours, &why);
    if (err.code != ERR_OK) {
        (void)fprintf(stderr, "%s\n", buf_text(&why));
    }
    buf_release(&why);
    return err;
}
