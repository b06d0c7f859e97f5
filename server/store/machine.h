/* This machine's clocks and chance, as common/ asks for them. */
#ifndef SERVER_STORE_MACHINE_H
#define SERVER_STORE_MACHINE_H

#include <time.h>

#include "common/changelog/device/replica.h" /* struct host */

struct host machine_host(void); /* any thread may use it */
int64_t machine_wall_ms(void);
int64_t machine_mono_ms(void);
int64_t machine_mono_us(void);
/* `ms` from now, as pthread_cond_timedwait wants it. */
struct timespec machine_deadline(int64_t ms);

#endif
