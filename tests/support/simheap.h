/* SQLite's memory for processes that do nothing but parse and forget: blocks by size, given back to
 * their list and never to the system. Nearly half of a simulated run's memory calls are a schema's,
 * of some dozens of bytes each. It finds no mistakes in the use of memory: where sanitizers look
 * for them, SQLite keeps the system's. One thread. */
#ifndef TESTS_SUPPORT_SIMHEAP_H
#define TESTS_SUPPORT_SIMHEAP_H

#include "common/base/base.h"

void simheap_use(void); /* before anything else is asked of SQLite */

#endif
