/* See courier_import.h. */
#include "common/sync/courier_import.h"

#include "common/changelog/server/store_internal.h"
#include "common/sync/courier_quarantine.h"
#include "common/sync/server_session.h"
#include "protocol/signature.h"

struct import {
    struct store *st;
    int64_t now_ms;
    struct courier_file file;
    struct store_device device;
    struct courier_report *report;
};

static struct err refuse_file(struct import *i, enum courier_refusal why)
{
    i->report->refusal = why;
    return err_make(ERR_REFUSED, (int)why, "courier_import");
}

static struct err fault_of(struct import *i, enum courier_fault fault)
{
    i->report->fault = fault;
    return fault == COURIER_OK ? err_ok() : refuse_file(i, COURIER_NOT_OPENED);
}

/* The key that signed is one that this server enrolled, for the device that the file names. */
static struct err find_device(struct import *i)
{
    const struct courier_head *h = &i->file.head;
    char keyid[SIGNATURE_KEYID_MAX + 1];
    signature_keyid(h->public_key, keyid);
    struct err err = store_device_by_key(i->st, keyid, &i->device);
    if (err.code == ERR_NOT_FOUND) {
        return refuse_file(i, COURIER_UNKNOWN_DEVICE);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool same = memcmp(i->device.public_key, h->public_key, sizeof h->public_key) == 0 &&
                memcmp(i->device.device, h->device, sizeof h->device) == 0;
    i->report->device = same ? i->device.number : 0;
    return same ? err_ok() : refuse_file(i, COURIER_UNKNOWN_DEVICE);
}

static enum courier_refusal refusal_of(enum answer_status status)
{
    switch (status) {
    case ANSWER_OK:
        return COURIER_TAKEN;
    case ANSWER_NEW_EPOCH:
    case ANSWER_REENROL:
        return COURIER_SET_BACK;
    case ANSWER_NEW_TIMELINE:
        return COURIER_OTHER_TIMELINE;
    case ANSWER_UPGRADE:
        break;
    }
    return COURIER_OTHER_VERSION;
}

static struct err judge_request(struct import *i, struct bytes request)
{
    struct server_session *s = NULL;
    struct server_tally tally;
    struct err err = server_session_new(request, i->device.number, i->now_ms, &i->st->host, &s);
    if (err.code == ERR_PROTOCOL || err.code == ERR_LIMIT) {
        err = refuse_file(i, COURIER_MALFORMED);
    } else if (err.code == ERR_OK) {
        server_session_by_courier(s, &i->file.head.timeline, i->file.head.made_ms);
        err = server_session_judge(s, i->st);
    }
    if (err.code == ERR_OK && server_session_next(s) == SERVER_FAULT) {
        err = refuse_file(i, COURIER_MALFORMED); /* its hello is another device's */
    }
    if (err.code == ERR_OK && server_session_status(s) != ANSWER_OK) {
        err = refuse_file(i, refusal_of(server_session_status(s)));
    }
    if (err.code == ERR_OK) {
        server_session_tally(s, &tally);
        for (size_t k = 0; k < count_of(tally.outcomes); k++) {
            i->report->outcomes[k] += tally.outcomes[k];
        }
        i->report->known += tally.known;
    }
    server_session_free(s);
    return err;
}

static struct err take_requests(struct import *i, struct bytes requests)
{
    struct bytes request;
    struct err err = err_ok();
    while (err.code == ERR_OK && courier_next(&requests, &request)) {
        err = i->device.revoked ? courier_quarantine(i->st, &i->device, request, i->now_ms,
                                                     &i->report->quarantined)
                                : judge_request(i, request);
        if (err.code == ERR_PROTOCOL || err.code == ERR_LIMIT) {
            err = refuse_file(i, COURIER_MALFORMED);
        }
    }
    return err.code == ERR_OK && requests.size > 0 ? refuse_file(i, COURIER_MALFORMED) : err;
}

struct err courier_import(struct store *st, struct bytes file, int64_t now_ms,
                          struct courier_report *out)
{
    struct buf requests;
    struct import i = {.st = st, .now_ms = now_ms, .report = out};
    *out = (struct courier_report){.refusal = COURIER_TAKEN};
    store_refresh(st);
    buf_init(&requests, COURIER_BYTES_MAX);
    struct err err = fault_of(&i, courier_read(file, &i.file));
    if (err.code == ERR_OK) {
        err = fault_of(&i, courier_open(&i.file, st->courier_secret, &requests));
    }
    if (err.code == ERR_OK) {
        err = find_device(&i);
    }
    if (err.code == ERR_OK) {
        err = take_requests(&i, buf_bytes(&requests));
    }
    buf_release(&requests);
    return err;
}
