/* What the files of the world share and tests don't need. */
#ifndef TESTS_SUPPORT_WORLD_PARTS_H
#define TESTS_SUPPORT_WORLD_PARTS_H

#include "tests/support/world.h"

void world_open_server(struct world *w);
void world_close_server(struct world *w);
/* A ledger in memory, with a key. */
void world_ledger_init(struct world *w);

#endif
