/* See machine.h. */
#include "client/machine.h"

#include "common/base/day.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        abort(); /* both clocks exist wherever this program runs */
    }
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t machine_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* Goes on while the device sleeps where the system can tell: the age of a change that was written
 * before a night in the bag counts that night. */
int64_t machine_mono_ms(void)
{
#ifdef CLOCK_BOOTTIME
    return clock_ms(CLOCK_BOOTTIME);
#else
    return clock_ms(CLOCK_MONOTONIC);
#endif
}

/* Linux names each start of the machine by a UUID. Elsewhere: zeros, and ages come from the wall
 * clock. */
static void boot_id(uint8_t boot[16])
{
    memset(boot, 0, 16);
    char text[37] = {0};
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    size_t used = 0;
    if (size == 36 && sodium_hex2bin(boot, 16, text, 36, "-", &used, NULL) == 0 && used == 16) {
        return;
    }
    memset(boot, 0, 16);
}

static void machine_now(void *context, struct clocks *out)
{
    (void)context;
    out->wall_ms = machine_wall_ms();
    out->mono_ms = machine_mono_ms();
    boot_id(out->boot);
}

void machine_random(void *context, uint8_t *to, size_t size)
{
    (void)context;
    randombytes_buf(to, size);
}

struct host machine_host(void)
{
    return (struct host){.now = machine_now, .random = machine_random};
}

void machine_sleep_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL); /* an early end by a signal is what its caller wants */
}

void machine_zone(const char *firm_tz)
{
    const char *own = getenv("TZ");
    if (own == NULL || own[0] == 0) {
        setenv("TZ", firm_tz, 1);
    }
    tzset();
}

int machine_offset_min(int64_t utc_ms)
{
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm tm;
    if (localtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999) {
        return 0;
    }
    struct civil local = {.year = tm.tm_year + 1900,
                          .month = tm.tm_mon + 1,
                          .day = tm.tm_mday,
                          .hour = tm.tm_hour,
                          .minute = tm.tm_min,
                          .second = tm.tm_sec > 59 ? 59 : tm.tm_sec};
    return (int)((civil_to_ms(&local) - (int64_t)seconds * 1000) / 60000);
}

int machine_local_offset_min(void *context, int64_t local_ms)
{
    (void)context;
    /* The offset at the local time read as UTC is right but near a change of clocks; asking again
     * at the instant that it leads to settles that. */
    int first = machine_offset_min(local_ms);
    return machine_offset_min(local_ms - (int64_t)first * 60000);
}

bool machine_line_is_free(void)
{
    const char *said = getenv("LEGWORK_METERED");
    return said != NULL && strcmp(said, "0") == 0;
}
