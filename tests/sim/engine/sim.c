/* The run: time, events, phases. See sim.h. */
#include "tests/sim/engine/sim.h"

#define HEAL_MS      (INT64_C(15) * 60 * 1000) /* in which peace must come */
#define HEAL_STEP_MS 10000
#define RUN_EVENTS   20000

static const struct {
    const char *name, *says;
} invariants[INVARIANT_END] = {
#define INVARIANT(number, name, says) [number] = {#name, says},
#include "tests/sim/engine/invariants.def"
#undef INVARIANT
};

const char *invariant_name(enum invariant i)
{
    return invariants[i].name == NULL ? "-" : invariants[i].name;
}

const char *invariant_says(enum invariant i)
{
    return invariants[i].says == NULL ? "-" : invariants[i].says;
}

/* ---- what is told ---- */

void sim_trace(struct sim *s, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->hash = (s->hash ^ (uint64_t)(s->now_ms - s->began_ms)) * UINT64_C(1099511628211);
    for (int i = 0; i < n && i < (int)sizeof line - 1; i++) {
        s->hash = (s->hash ^ (uint8_t)line[i]) * UINT64_C(1099511628211); /* FNV-1a */
    }
    if (s->tells) {
        printf("%9.3f %s\n", (double)(s->now_ms - s->began_ms) / 1000, line);
    }
}

void sim_break(struct sim *s, enum invariant which, const char *format, ...)
{
    if (s->broken != INV_NONE) {
        return; /* the first one counts */
    }
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    vsnprintf(s->story, sizeof s->story, format, args);
    va_end(args);
    s->broken = which;
    sim_trace(s, "BROKEN I%d %s: %s", (int)which, invariant_name(which), s->story);
}

uint64_t sim_below(struct sim *s, uint64_t n)
{
    return tape_below(&s->tape, n);
}

/* ---- events ---- */

void sim_plan(struct sim *s, enum event_kind kind, int64_t in_ms, int who, int life)
{
    if (s->event_count == SIM_EVENTS) {
        sim_break(s, INV_BOUNDED, "more than %d events wait", SIM_EVENTS);
        return;
    }
    s->events[s->event_count++] = (struct event){
        .at_ms = s->now_ms + in_ms, .order = s->order++, .kind = kind, .who = who, .life = life};
}

static struct event *next_event(struct sim *s)
{
    struct event *first = NULL;
    for (size_t i = 0; i < s->event_count; i++) {
        struct event *e = &s->events[i];
        bool before = first == NULL || e->at_ms < first->at_ms ||
                      (e->at_ms == first->at_ms && e->order < first->order);
        first = before ? e : first;
    }
    return first;
}

static void happen(struct sim *s, const struct event *e)
{
    switch (e->kind) {
    case EVENT_SYNC:
        if (s->devices[e->who].life == e->life) {
            device_sync_begin(&s->devices[e->who]);
        }
        break;
    case EVENT_ARRIVES:
        wire_arrives(s, e->who);
        break;
    case EVENT_GROUP:
        server_group(s);
        break;
    case EVENT_READ:
        server_read(s, e->who);
        break;
    case EVENT_CHUNK:
        wire_chunk(s, e->who);
        break;
    case EVENT_TIMEOUT:
        wire_timeout(s, e->who);
        break;
    case EVENT_DEVICE_UP:
        device_open(&s->devices[e->who]);
        break;
    case EVENT_SERVER_UP:
        server_start(s);
        break;
    }
}

/* Connections are numbered anew for each use; `life` tells a late event of an old one. */
static bool is_stale(const struct sim *s, const struct event *e)
{
    switch (e->kind) {
    case EVENT_ARRIVES:
    case EVENT_READ:
    case EVENT_CHUNK:
    case EVENT_TIMEOUT:
        return !s->conns[e->who].used || s->conns[e->who].life != e->life;
    case EVENT_GROUP:
        return !s->server.up || s->server.life != e->life;
    case EVENT_SYNC:
    case EVENT_DEVICE_UP:
    case EVENT_SERVER_UP:
        break;
    }
    return false;
}

void sim_pass(struct sim *s, int64_t ms)
{
    int64_t until = s->now_ms + ms;
    struct event *next;
    while (s->broken == INV_NONE && (next = next_event(s)) != NULL && next->at_ms <= until) {
        struct event e = *next;
        *next = s->events[--s->event_count];
        s->now_ms = e.at_ms > s->now_ms ? e.at_ms : s->now_ms;
        if (++s->counts.events > RUN_EVENTS) {
            sim_break(s, INV_BOUNDED, "a run without end");
        }
        if (!is_stale(s, &e)) {
            happen(s, &e);
        }
    }
    s->now_ms = until;
}

/* ---- phases ---- */

static void chaos(struct sim *s)
{
    static const enum sim_turn turns[] = {SIM_ANYTHING, SIM_ANYTHING, SIM_ANYTHING, SIM_COPIES,
                                          SIM_RIVALS};
    static const enum sim_turn alone[] = {SIM_RESTORES, SIM_RESTORES, SIM_RESTORES, SIM_CLOCKS};
    const uint64_t with = 2 * count_of(turns); /* the second half of them with features */
    uint64_t steps = 20 + sim_below(s, 100);
    uint64_t turn = sim_below(s, with + count_of(alone));
    s->turn = turn < with ? turns[turn % count_of(turns)] : alone[turn - with];
    if (turn >= count_of(turns) && turn < with) {
        features_draw(s);
    }
    s->phase = PHASE_CHAOS;
    for (uint64_t i = 0; i < steps && s->broken == INV_NONE; i++) {
        operate(s);
        /* Often within the time that a request takes, so that work falls between its messages. */
        sim_pass(s, (int64_t)sim_below(s, sim_below(s, 3) == 0 ? 60000 : 1500));
    }
}

/* The world is kind from now on: machines come up, disks work, lines hold. */
static void heal(struct sim *s)
{
    s->phase = PHASE_HEAL;
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        s->devices[i].away = false;
    }
    simdisk_heal(s->server.disk);
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        simdisk_heal(s->devices[i].disk);
    }
    sim_pass(s, 90000); /* what is still under way ends, well or badly */
}

static void everybody_syncs(struct sim *s)
{
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        struct sim_device *d = &s->devices[i];
        if (d->db != NULL && d->session == NULL && !d->revoked) {
            device_sync_begin(d);
        }
    }
}

static void reach_peace(struct sim *s, enum invariant which)
{
    char why[160] = "";
    int64_t until = s->now_ms + HEAL_MS;
    bool quiet = false;
    while (!quiet && s->broken == INV_NONE && s->now_ms < until) {
        erasure_finish(s);
        everybody_syncs(s);
        sim_pass(s, HEAL_STEP_MS);
        quiet = s->broken == INV_NONE && audit_is_quiet(s, why, sizeof why);
    }
    if (!quiet) {
        sim_break(s, which, "no peace after %d minutes: %s", (int)(HEAL_MS / 60000), why);
    }
}

static void resume(struct sim *s)
{
    s->phase = PHASE_RESUME;
    for (size_t i = 0; i < SIM_DEVICES && s->broken == INV_NONE; i++) {
        if (s->devices[i].db != NULL && !s->devices[i].revoked) {
            work_anything(&s->devices[i]);
        }
    }
}

/* Everything off and on again, from what is durable. */
static void restart_all(struct sim *s)
{
    s->phase = PHASE_AUDIT;
    for (size_t i = 0; i < SIM_DEVICES && s->broken == INV_NONE; i++) {
        device_dies(&s->devices[i], true, 1);
    }
    server_dies(s, true, 1);
    sim_pass(s, 1000);
}

static void run_phases(struct sim *s)
{
    chaos(s);
    if (s->broken == INV_NONE) {
        heal(s);
    }
    if (s->broken == INV_NONE) {
        reach_peace(s, INV_LIVENESS);
    }
    if (s->broken == INV_NONE) {
        audit_all(s);
    }
    if (s->broken == INV_NONE) {
        resume(s);
        reach_peace(s, INV_RESUME);
    }
    if (s->broken == INV_NONE && sim_below(s, 3) == 0) { /* opening everything is dear */
        restart_all(s);
    }
    if (s->broken == INV_NONE) {
        audit_all(s);
    }
    if (s->broken == INV_NONE && sim_below(s, 4) == 3) {
        rot_and_repair(s);
    }
}

/* ---- beginning and end ---- */

static uint64_t chance_of(void *context, uint64_t n)
{
    return sim_below(context, n);
}

static void host_begin(struct sim *s, struct sim_host *h, uint64_t number)
{
    h->sim = s;
    h->boot_ms = s->now_ms - 1000;
    fake_host_init(&h->chance, number * 31, 0);
}

/* Ann's phone and the laptop are right; her tablet is a year ahead, Bob's phone a year behind. */
static void begin(struct sim *s, const struct sim_firm *firm)
{
    static const struct {
        enum sim_person who;
        int64_t error_ms;
    } devices[SIM_DEVICES] = {
        {SIM_ANN, 0}, {SIM_ANN, SIM_YEAR_MS}, {SIM_BOB, -SIM_YEAR_MS}, {SIM_BOSS, 0}};
    s->firm = firm;
    s->now_ms = s->began_ms = firm->now_ms;
    arena_init(&s->arena, (size_t)64 * 1024 * 1024);
    oracle_init(&s->oracle);
    past_begin(s);
    host_begin(s, &s->server.host, 1);
    s->server.disk = simdisk_new("server-disk", chance_of, s);
    for (int i = 0; i < SIM_DEVICES; i++) {
        struct sim_device *d = &s->devices[i];
        d->sim = s;
        d->index = i;
        d->who = devices[i].who;
        d->conn = -1;
        host_begin(s, &d->host, (uint64_t)i + 2);
        d->host.wall_error_ms = devices[i].error_ms;
        (void)snprintf(d->name, sizeof d->name, "device%d-disk", i);
        d->disk = simdisk_new(d->name, chance_of, s);
    }
}

static void know_row(struct sim *s, uint16_t table, const uint8_t id[16])
{
    s->rows[s->row_count].table = table;
    memcpy(s->rows[s->row_count++].id, id, 16);
}

void sim_boot(struct sim *s, const struct sim_firm *firm)
{
    begin(s, firm);
    simdisk_load(s->server.disk, firm->store);
    s->server.log_no = -1;
    server_start(s);
    oracle_load(&s->oracle, s->server.writer_db);
    oracle_load_holders(&s->oracle, s->server.writer_db);
    s->past.timeline = s->server.writer.timeline.counter;
    for (int i = 0; i < SIM_DEVICES; i++) {
        simdisk_load(s->devices[i].disk, firm->devices[i]);
        device_open(&s->devices[i]);
        s->devices[i].number = s->devices[i].replica.number;
        memcpy(s->devices[i].id, s->devices[i].replica.device, 16);
        oracle_author(&s->oracle, s->devices[i].number, s->devices[i].id);
    }
    for (int i = 0; i < SIM_CUSTOMERS; i++) {
        know_row(s, TABLE_customer, firm->customers[i]);
    }
    s->oracle.commit++;
}

/* From here on chance is the seed's: until now all worlds were one. */
static void part(struct sim *s, uint64_t seed)
{
    s->seed = seed;
    s->began_ms = s->now_ms;
    s->counts = (struct sim_counts){0};
    s->hash = UINT64_C(14695981039346656037);
    s->server.host.chance.random += seed;
    for (int i = 0; i < SIM_DEVICES; i++) {
        s->devices[i].host.chance.random += seed;
    }
}

void sim_run(struct sim *s, uint64_t seed)
{
    part(s, seed);
    run_phases(s);
    s->counts.device_ms = (s->now_ms - s->began_ms - s->idle_ms) * SIM_DEVICES;
    sim_trace(s, "end: %" PRId64 " transactions", s->counts.transactions);
}

void sim_release(struct sim *s)
{
    for (int i = 0; i < SIM_CONNS; i++) {
        if (s->conns[i].used) {
            server_drop(s, &s->conns[i]);
            wire_drop(&s->conns[i]);
        }
    }
    for (int i = 0; i < SIM_DEVICES; i++) {
        struct sim_device *d = &s->devices[i];
        client_session_free(d->session);
        d->session = NULL;
        device_close(d);
        simdisk_free(d->disk);
        simdisk_image_free(d->copy);
    }
    courier_release_files(s);
    server_stop(s);
    simdisk_free(s->server.disk);
    past_release(s);
    oracle_release(&s->oracle);
    arena_release(&s->arena);
    tape_release(&s->tape);
}
