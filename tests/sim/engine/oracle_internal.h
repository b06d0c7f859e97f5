/* What oracle.c and oracle_judge.c share. */
#ifndef TESTS_SIM_ENGINE_ORACLE_INTERNAL_H
#define TESTS_SIM_ENGINE_ORACLE_INTERNAL_H

#include "tests/sim/engine/oracle.h"

struct oracle_row *oracle_add(struct oracle *o, const struct table *t, const uint8_t id[16]);
struct value oracle_keep(struct oracle *o, const struct value *v);
void oracle_note_place(struct oracle *o, struct oracle_row *row);
void oracle_raise(struct oracle *o, const struct scope_id *scope, int64_t seq);

#endif
