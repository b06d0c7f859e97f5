/* See transfer.h.
 *
 *   ask: PUT SHA/0, no body ──► offset ──► PUT SHA/offset, a piece ──► offset … ──► offset = size
 *                                          └─► 422: looked at here; right: once more, wrong: lost
 *   fetch: GET SHA/offset ──► a piece … ──► size bytes ──► hash ──► named
 */
#include "client/media/transfer.h"

#include "client/machine.h"

#define PATH_SIZE               128
#define NETWORK_OPTION          "photo_network"
#define SETTING_ARENA_BYTES_MAX ((size_t)256 * 1024)

struct transfer {
    struct sync_loop *loop;
    struct home *home;
    struct blob_store store;
    struct photo_result *result;
};

static void path_of(const char *name, int64_t offset, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "/v1/blob/%s/%" PRId64, name, offset);
}

static struct err take_nothing(void *context, struct bytes piece)
{
    (void)context;
    (void)piece;
    return err_make(ERR_PROTOCOL, 0, "blob: a body where none belongs");
}

/* What an answer other than 200 means for what comes next. */
static struct err refusal_err(const struct http_answer *answer)
{
    switch (answer->status) {
    case 404:
        return err_make(ERR_NOT_FOUND, answer->status, "blob");
    case 413:
    case 422:
        return err_make(ERR_REFUSED, answer->status, "blob");
    case 401:
        return err_make(ERR_AUTH, answer->status, "blob");
    default:
        return err_make(ERR_NETWORK, answer->status, "blob");
    }
}

/* One PUT; `*offset` becomes what the server says that it has. */
static struct err put_piece(struct transfer *t, const char *name, struct bytes piece,
                            int64_t *offset)
{
    char path[PATH_SIZE];
    path_of(name, *offset, path);
    struct http_request request = {.method = "PUT",
                                   .path = path,
                                   .body = piece,
                                   .type = "application/octet-stream",
                                   .received = take_nothing};
    struct http_answer answer;
    struct err err = sync_request(t->loop, &request, &answer, &t->result->fault);
    t->result->retry_after_s = answer.retry_after_s;
    if (err.code == ERR_OK && answer.status != 200) {
        err = refusal_err(&answer);
    } else if (err.code == ERR_OK && answer.offset < 0) {
        err = err_make(ERR_PROTOCOL, 0, "blob: no offset");
    } else if (err.code == ERR_OK) {
        *offset = answer.offset;
    }
    http_answer_release(&answer);
    return err;
}

/* ---- to the server ---- */

static struct err send_next(struct transfer *t, const struct waiting_photo *p, int64_t *offset)
{
    struct buf piece;
    int64_t before = *offset;
    buf_init(&piece, BLOB_PIECE_BYTES_MAX);
    struct err err = blob_read(&t->store, p->name, before, BLOB_PIECE_BYTES_MAX, &piece);
    if (err.code == ERR_OK && piece.size == 0) {
        err = err_make(ERR_CORRUPT, 0, "blob: shorter than it was");
    }
    if (err.code == ERR_OK) {
        err = put_piece(t, p->name, buf_bytes(&piece), offset);
        t->result->sent_bytes += err.code == ERR_OK ? (int64_t)piece.size : 0;
    }
    buf_release(&piece);
    if (err.code == ERR_OK && *offset <= before) {
        return err_make(ERR_NETWORK, 0, "blob: the server took nothing");
    }
    return err;
}

/* From wherever the server is, to the end. */
static struct err send_rest(struct transfer *t, const struct waiting_photo *p)
{
    int64_t offset = 0;
    struct err err = put_piece(t, p->name, bytes_of(NULL, 0), &offset);
    while (err.code == ERR_OK && offset < p->size) {
        err = sync_is_cancelled(t->loop) ? err_make(ERR_CANCELLED, 0, "blob")
                                         : send_next(t, p, &offset);
    }
    return err;
}

static struct err lose(struct transfer *t, const struct waiting_photo *p)
{
    t->result->lost++;
    return photo_lost(&t->home->replica, p->name);
}

static struct err give_up(struct transfer *t, const struct waiting_photo *p, const char *code)
{
    t->result->refused++;
    return photo_refused(t->home->db, p->name, code);
}

/* The server saw other bytes than the name says. If they are wrong here as well, the picture is
 * lost; else they went wrong on their way, or there. */
static struct err after_wrong_hash(struct transfer *t, const struct waiting_photo *p)
{
    struct err err = blob_check(&t->store, p->name);
    if (err.code == ERR_CORRUPT) {
        err = blob_remove(&t->store, p->name);
        return err.code == ERR_OK ? lose(t, p) : err;
    }
    return err.code == ERR_OK ? send_rest(t, p) : err;
}

/* The row isn't known there, or not as this device's. It may come; a picture whose row went from
 * here as well has nowhere to go. */
static struct err after_not_found(struct transfer *t, const struct waiting_photo *p)
{
    struct stmt st;
    struct err err =
        db_use(t->home->db, "SELECT 1 FROM media WHERE sha256 = ?1 AND _deleted_at IS NULL", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, p->name);
    bool has_row = db_step_row(&st);
    err = stmt_err(&st, "after_not_found");
    stmt_reset(&st);
    return err.code == ERR_OK && !has_row ? give_up(t, p, "not_found") : err;
}

/* This picture alone; ERR_OK also where it can't be helped and the next one's turn has come. */
static struct err upload(struct transfer *t, const struct waiting_photo *p)
{
    int64_t here = -1;
    int64_t there = 0;
    struct err err = blob_size(&t->store, p->name, &here);
    if (err.code == ERR_NOT_FOUND) {
        err = put_piece(t, p->name, bytes_of(NULL, 0), &there); /* it may have arrived before */
        if (err.code == ERR_OK && there < p->size) {
            return lose(t, p);
        }
    } else if (err.code == ERR_OK) {
        err = send_rest(t, p);
    }
    if (err.code == ERR_CORRUPT ||
        (err.code == ERR_REFUSED && strcmp(t->result->fault.code, "wrong_hash") == 0)) {
        err = after_wrong_hash(t, p);
    }
    if (err.code == ERR_OK) {
        t->result->sent++;
        return photo_uploaded(t->home->db, p->name, replica_now_ms(&t->home->replica));
    }
    if (err.code == ERR_REFUSED) {
        return give_up(t, p, t->result->fault.code);
    }
    return err.code == ERR_NOT_FOUND ? after_not_found(t, p) : err;
}

struct err photos_upload(struct sync_loop *loop, struct home *home, struct photo_result *out)
{
    struct transfer t = {.loop = loop, .home = home, .result = out};
    struct waiting_photo p;
    struct waiting_photo before;
    *out = (struct photo_result){.sent = 0};
    struct err err = photos_wanted_again(home->db);
    if (err.code == ERR_OK) {
        err = photo_next_waiting(home->db, NULL, &p);
    }
    if (err.code != ERR_OK) { /* mostly: nothing waits */
        return err.code == ERR_NOT_FOUND ? err_ok() : err;
    }
    err = photos_open(home, &t.store);
    while (err.code == ERR_OK) {
        err = upload(&t, &p);
        before = p;
        if (err.code == ERR_OK) {
            err = photo_next_waiting(home->db, &before, &p);
        }
    }
    if (err.code == ERR_NOT_FOUND) {
        *out = (struct photo_result){.sent = out->sent,
                                     .sent_bytes = out->sent_bytes,
                                     .lost = out->lost,
                                     .refused = out->refused};
        err = photos_sweep(home, &t.store, machine_wall_ms());
    }
    blob_store_close(&t.store);
    return err;
}

/* ---- from the server ---- */

#define FETCH_OWNER 0 /* the device is alone with its store */

static struct err on_piece(void *context, struct bytes piece)
{
    struct buf *all = context;
    buf_put(all, piece);
    return all->bad ? err_make(ERR_PROTOCOL, 0, "blob: too long a piece") : err_ok();
}

/* One GET; what came of it is kept however it ended. */
static struct err get_piece(struct transfer *t, const char *name, int64_t *offset,
                            struct sync_fault *fault)
{
    char path[PATH_SIZE];
    struct buf piece;
    struct http_answer answer;
    path_of(name, *offset, path);
    buf_init(&piece, BLOB_PIECE_BYTES_MAX);
    struct http_request request = {.method = "GET",
                                   .path = path,
                                   .accepts = "image/",
                                   .received = on_piece,
                                   .context = &piece};
    struct err err = sync_request(t->loop, &request, &answer, fault);
    if (err.code == ERR_OK && answer.status != 200) {
        err = refusal_err(&answer);
    } else if (err.code == ERR_OK && piece.size == 0) {
        err = err_make(ERR_PROTOCOL, 0, "blob: shorter than its row says");
    }
    if (piece.size > 0) {
        struct err kept =
            blob_part_append(&t->store, name, FETCH_OWNER, *offset, buf_bytes(&piece));
        *offset += kept.code == ERR_OK ? (int64_t)piece.size : 0;
        err = kept.code == ERR_OK ? err : kept;
    }
    http_answer_release(&answer);
    buf_release(&piece);
    return err;
}

static struct err fetch(struct transfer *t, const char *name, int64_t size,
                        struct sync_fault *fault)
{
    int64_t offset;
    struct err err = blob_part_size(&t->store, name, FETCH_OWNER, &offset);
    while (err.code == ERR_OK && offset < size) {
        err = sync_is_cancelled(t->loop) ? err_make(ERR_CANCELLED, 0, "blob")
                                         : get_piece(t, name, &offset, fault);
    }
    return err.code == ERR_OK ? blob_part_finish(&t->store, name, FETCH_OWNER, NULL, NULL) : err;
}

struct err photo_fetch(struct sync_loop *loop, struct home *home, const char *name, int64_t size,
                       struct sync_fault *fault)
{
    struct transfer t = {.loop = loop, .home = home};
    int64_t here;
    *fault = (struct sync_fault){.limit = 0};
    struct err err = photos_open(home, &t.store);
    if (err.code == ERR_OK && blob_size(&t.store, name, &here).code != ERR_OK) {
        err = fetch(&t, name, size, fault);
    }
    blob_store_close(&t.store);
    return err;
}

/* ---- which lines ---- */

struct err photo_network_get(struct home *home, enum photo_network *out)
{
    struct arena arena;
    struct bytes text;
    arena_init(&arena, SETTING_ARENA_BYTES_MAX);
    struct err err = home_setting(home->db, NETWORK_OPTION, &arena, &text);
    *out = bytes_equal(text, bytes_text("unmetered")) ? NETWORK_UNMETERED : NETWORK_ANY;
    arena_release(&arena);
    return err;
}

struct err photo_network_put(struct home *home, enum photo_network network)
{
    return home_setting_put(home->db, NETWORK_OPTION,
                            bytes_text(network == NETWORK_UNMETERED ? "unmetered" : "any"));
}

bool photos_may_go(enum photo_network network)
{
    return network == NETWORK_ANY || machine_line_is_free();
}
