/* Messages without columns: greetings, cursors, digests, enrolment, faults. */
#include "protocol/codec_parts.h"

static void put_timeline(struct list_writer *l, const struct timeline *t)
{
    list_put_uint(l, t->counter);
    list_put_id(l, t->id);
}

static void take_timeline(struct list_reader *l, struct timeline *out)
{
    out->counter = (uint32_t)list_take_uint(l, UINT32_MAX);
    list_take_id(l, out->id);
}

/* ---- cursors: [scope, done, pos - done, goal, head_no, head] ---- */

static void put_places(struct list_writer *l, const struct cursor *cursor)
{
    list_put_int(l, cursor->done);
    list_put_int(l, cursor->pos > cursor->done ? cursor->pos - cursor->done : 0);
    list_put_int(l, cursor->goal);
    list_put_int(l, cursor->head_no);
    list_put_id(l, cursor->head);
}

static void take_places(struct list_reader *l, struct cursor *out)
{
    out->done = (int64_t)list_take_uint(l, INT64_MAX);
    out->pos = out->done + (int64_t)list_take_uint(l, (uint64_t)(INT64_MAX - out->done));
    out->goal = (int64_t)list_take_uint(l, INT64_MAX);
    out->head_no = (int64_t)list_take_uint(l, INT64_MAX);
    list_take_id(l, out->head);
}

void cursor_put(struct list_writer *l, const struct cursor *cursor)
{
    list_put_scope(l, &cursor->scope);
    put_places(l, cursor);
}

void cursor_take(struct list_reader *l, struct cursor *out)
{
    list_take_scope(l, &out->scope);
    take_places(l, out);
}

static void put_cursors(struct list_writer *l, const struct cursor *cursors, size_t count)
{
    cbor_put_array(l->w, count);
    for (size_t i = 0; i < count; i++) {
        struct list_writer inner;
        list_begin(&inner, l->w);
        list_put_own_scope(&inner, &cursors[i].scope);
        put_places(&inner, &cursors[i]);
        list_end(&inner);
    }
    list_mark(l, count > 0);
}

static struct cursor *take_cursors(struct list_reader *l, size_t *count)
{
    *count = list_next(l) ? cbor_take_array(l->r) : 0;
    if (*count > SCOPES_MAX) {
        cbor_fail(l->r, WIRE_LIMIT);
    }
    struct cursor *cursors = *count > 0 ? cbor_alloc(l->r, *count, sizeof *cursors) : NULL;
    if (cursors == NULL) {
        *count = 0;
    }
    for (size_t i = 0; i < *count; i++) {
        struct list_reader inner;
        list_open(&inner, l->r);
        list_take_own_scope(&inner, &cursors[i].scope);
        take_places(&inner, &cursors[i]);
        list_close(&inner);
    }
    return cursors;
}

/* ---- hello and answer ---- */

void hello_put(struct list_writer *l, const struct hello *hello)
{
    list_put_uint(l, hello->protocol);
    list_put_uint(l, hello->catalogue);
    list_put_id(l, hello->device);
    list_put_uint(l, hello->epoch);
    list_put_int(l, hello->wall_ms);
    list_put_int(l, hello->mono_ms);
    list_put_id(l, hello->boot);
    list_put_id(l, hello->token);
    put_timeline(l, &hello->timeline);
    list_put_uint(l, hello->verdict_seen);
    list_put_uint(l, hello->cursors_under);
    list_put_uint(l, hello->mask);
    list_put_uint(l, hello->flags);
    put_cursors(l, hello->cursors, hello->cursor_count);
}

void hello_take(struct list_reader *l, struct hello *out)
{
    out->protocol = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->catalogue = (uint32_t)list_take_uint(l, UINT32_MAX);
    list_take_id(l, out->device);
    out->epoch = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->wall_ms = list_take_int(l);
    out->mono_ms = list_take_int(l);
    list_take_id(l, out->boot);
    list_take_id(l, out->token);
    take_timeline(l, &out->timeline);
    out->verdict_seen = list_take_uint(l, INT64_MAX);
    out->cursors_under = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->mask = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->flags = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->cursors = take_cursors(l, &out->cursor_count);
}

void answer_put(struct list_writer *l, const struct answer *answer)
{
    list_put_uint(l, answer->status);
    list_put_uint(l, answer->protocol);
    list_put_uint(l, answer->catalogue);
    list_put_int(l, answer->server_ms);
    put_timeline(l, &answer->timeline);
    list_put_uint(l, answer->epoch);
    list_put_id(l, answer->token);
    list_put_uint(l, answer->mask);
    put_cursors(l, answer->marks, answer->mark_count);
    list_put_key(l, answer->courier_key);
}

void answer_take(struct list_reader *l, struct answer *out)
{
    out->status = (uint8_t)list_take_uint(l, ANSWER_UPGRADE);
    out->protocol = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->catalogue = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->server_ms = list_take_int(l);
    take_timeline(l, &out->timeline);
    out->epoch = (uint32_t)list_take_uint(l, UINT32_MAX);
    list_take_id(l, out->token);
    out->mask = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->marks = take_cursors(l, &out->mark_count);
    list_take_key(l, out->courier_key);
}

/* ---- departures and digests ---- */

void departure_put(struct list_writer *l, const struct departure *departure)
{
    list_put_scope(l, &departure->scope);
    list_put_int(l, departure->seq);
    list_put_uint(l, departure->table);
    list_put_id(l, departure->id);
}

void departure_take(struct list_reader *l, struct departure *out)
{
    list_take_scope(l, &out->scope);
    out->seq = (int64_t)list_take_uint(l, INT64_MAX);
    out->table = (uint16_t)list_take_uint(l, UINT16_MAX);
    list_take_id(l, out->id);
}

static void put_digest_entry(struct cbor_writer *w, const struct digest_entry *entry)
{
    struct list_writer l;
    list_begin(&l, w);
    list_put_scope(&l, &entry->scope);
    list_put_uint(&l, entry->rows);
    list_put_id(&l, entry->sum);
    list_put_uint(&l, entry->table);
    list_end(&l);
}

static void take_digest_entry(struct cbor_reader *r, struct digest_entry *out)
{
    struct list_reader l;
    list_open(&l, r);
    list_take_scope(&l, &out->scope);
    out->rows = list_take_uint(&l, INT64_MAX);
    list_take_id(&l, out->sum);
    out->table = (uint16_t)list_take_uint(&l, UINT16_MAX);
    list_close(&l);
}

void digest_put(struct list_writer *l, const struct digest *digest)
{
    cbor_put_array(l->w, digest->entry_count);
    for (size_t i = 0; i < digest->entry_count; i++) {
        put_digest_entry(l->w, &digest->entries[i]);
    }
    list_mark(l, digest->entry_count > 0);
}

void digest_take(struct list_reader *l, struct digest *out)
{
    size_t count = list_next(l) ? cbor_take_array(l->r) : 0;
    out->entries = cbor_alloc(l->r, count, sizeof *out->entries);
    for (size_t i = 0; i < count && out->entries != NULL; i++) {
        take_digest_entry(l->r, &out->entries[i]);
        out->entry_count++;
    }
}

/* ---- faults and enrolment ---- */

void fault_put(struct list_writer *l, const struct fault *fault)
{
    list_put_text(l, bytes_text(fault->code));
    list_put_text(l, fault->detail);
    list_put_int(l, fault->server_ms);
    list_put_int(l, fault->limit);
}

void fault_take(struct list_reader *l, struct fault *out)
{
    list_take_code(l, out->code, sizeof out->code);
    out->detail = list_take_text(l, NAME_BYTES_MAX);
    out->server_ms = list_take_int(l);
    out->limit = list_take_int(l);
}

void enrol_put(struct list_writer *l, const struct enrol *enrol)
{
    list_put_bytes(l, bytes_of(enrol->secret, sizeof enrol->secret));
    list_put_bytes(l, bytes_of(enrol->public_key, sizeof enrol->public_key));
    list_put_text(l, enrol->name);
    list_put_text(l, enrol->app);
    list_put_uint(l, enrol->protocol);
    list_put_bytes(l, enrol->certificate);
    list_put_id(l, enrol->former);
    list_put_uint(l, enrol->former_epoch);
}

static void take_exactly(struct list_reader *l, uint8_t *to, size_t size)
{
    if (list_next(l)) {
        cbor_take_fixed(l->r, to, size);
    } else {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

void enrol_take(struct list_reader *l, struct enrol *out)
{
    take_exactly(l, out->secret, sizeof out->secret);
    take_exactly(l, out->public_key, sizeof out->public_key);
    out->name = list_take_text(l, NAME_BYTES_MAX);
    out->app = list_take_text(l, NAME_BYTES_MAX);
    out->protocol = (uint32_t)list_take_uint(l, UINT32_MAX);
    out->certificate = list_take_bytes(l, CERTIFICATE_BYTES_MAX);
    list_take_id(l, out->former);
    out->former_epoch = (uint32_t)list_take_uint(l, UINT32_MAX);
}

void enrolled_put(struct list_writer *l, const struct enrolled *enrolled)
{
    list_put_id(l, enrolled->device);
    list_put_uint(l, enrolled->device_number);
    list_put_id(l, enrolled->person);
    list_put_text(l, enrolled->login);
    list_put_uint(l, enrolled->epoch);
    list_put_id(l, enrolled->token);
    put_timeline(l, &enrolled->timeline);
    list_put_id(l, enrolled->digest_key);
    list_put_int(l, enrolled->server_ms);
    list_put_bytes(l, enrolled->certificate);
}

void enrolled_take(struct list_reader *l, struct enrolled *out)
{
    list_take_id(l, out->device);
    out->device_number = (uint32_t)list_take_uint(l, UINT32_MAX);
    list_take_id(l, out->person);
    out->login = list_take_text(l, NAME_BYTES_MAX);
    out->epoch = (uint32_t)list_take_uint(l, UINT32_MAX);
    list_take_id(l, out->token);
    take_timeline(l, &out->timeline);
    list_take_id(l, out->digest_key);
    out->server_ms = list_take_int(l);
    out->certificate = list_take_bytes(l, CERTIFICATE_BYTES_MAX);
}
