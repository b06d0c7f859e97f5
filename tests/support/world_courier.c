/* Work that travels as a file: written by a device, taken in by the server, both with the product's
 * own code. */
#include "tests/support/world.h"

#include "common/sync/courier_export.h"

int64_t device_export(struct world_device *d, struct buf *file)
{
    int64_t count = 0;
    buf_init(file, 2 * COURIER_BYTES_MAX);
    world_must(d->world, d->db, courier_export(&d->replica, d->secret_key, file, &count));
    return count;
}

struct err world_import(struct world *w, const struct buf *file, struct courier_report *report)
{
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    return db_end(w->writer_db,
                  courier_import(&w->writer, buf_bytes(file), w->server.wall_ms, report));
}

struct courier_report world_take(struct world *w, const struct buf *file)
{
    struct courier_report report;
    struct err err = world_import(w, file, &report);
    if (err.code != ERR_OK) {
        world_fail(w, "a courier file isn't taken: %s, refusal %d, fault %d: %s",
                   err_name(err.code), (int)report.refusal, (int)report.fault,
                   db_message(w->writer_db));
    }
    return report;
}
