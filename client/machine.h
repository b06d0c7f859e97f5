/* This device's clocks, zone and chance: what common/ is given of the machine. */
#ifndef CLIENT_MACHINE_H
#define CLIENT_MACHINE_H

#include "common/changelog/device/replica.h" /* struct host */

struct host machine_host(void);
int64_t machine_wall_ms(void);
int64_t machine_mono_ms(void);
void machine_random(void *context, uint8_t *to, size_t size);
/* Whether whoever runs the program says that this line costs nothing (LEGWORK_METERED=0): a phone
 * knows it of its Wi-Fi. Not said: it may cost. */
bool machine_line_is_free(void);
void machine_sleep_ms(int64_t ms); /* a signal ends it early */

/* Days and clock times are those of TZ where the user set it, else of the firm's zone: the same
 * for printing, for reading what people type and for the local day of a recorded fact, so that a
 * list never shows a visit under another day than its report. */
void machine_zone(const char *firm_tz);
int machine_offset_min(int64_t utc_ms);                        /* east is positive */
int machine_local_offset_min(void *context, int64_t local_ms); /* for struct text_rules */

#endif
