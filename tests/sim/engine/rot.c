/* A bit that turns in a device's file by itself, inside a value that somebody wrote: no program
 * error tells of it, but where an index knows better. The next look at the contents must find it,
 * and bring what the server has. */
#include "tests/sim/engine/sim.h"

#include "tests/support/simdisk_internal.h"

#define TEXTS_MAX 256

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Where the texts of this run ("w17.") stand in the file; the place of a digit. */
static size_t find_texts(struct bytes file, size_t places[TEXTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i + 2 < file.size && count < TEXTS_MAX; i++) {
        size_t end = i + 1;
        while (end < file.size && is_digit(file.at[end])) {
            end++;
        }
        if (file.at[i] == 'w' && end > i + 1 && end < file.size && file.at[end] == '.') {
            places[count++] = end - 1;
        }
    }
    return count;
}

static bool turn_bit(struct sim_device *d)
{
    size_t places[TEXTS_MAX];
    size_t count = 0;
    const struct simfile *f = simdisk_find(d->disk, SIM_DEVICE_PATH);
    if (f != NULL) {
        count = find_texts(bytes_of(f->shown, f->size), places);
    }
    return count > 0 && simdisk_rot(d->disk, SIM_DEVICE_PATH, places[sim_below(d->sim, count)], 0);
}

void rot_and_repair(struct sim *s)
{
    struct sim_device *d = &s->devices[sim_below(s, SIM_DEVICES)];
    if (d->db == NULL || d->session != NULL || d->revoked || d->was_rolled_back || !s->server.up) {
        return;
    }
    s->phase = PHASE_HEAL;
    device_close(d); /* what stood in its log is in the file now */
    bool turned = turn_bit(d);
    d->rotten = turned;
    device_open(d);
    if (!turned) {
        return;
    }
    s->counts.disk_faults++;
    sim_trace(s, "a bit turns on device %d", d->index);
    bool looked = false; /* a device that believes in an older server can't */
    for (int round = 0; round < 3 && s->broken == INV_NONE; round++) {
        device_sync_begin(d);
        sim_pass(s, 20000);
        looked = looked || d->looked;
    }
    if (s->broken == INV_NONE && d->db != NULL && looked && !d->found) {
        audit_device_content(d);
    }
    if (s->broken == INV_EQUAL) {
        s->broken = INV_ROT;
    }
}
