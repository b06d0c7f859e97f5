/* What oracle.c and oracle_judge.c share. */
#ifndef TESTS_SIM_ENGINE_ORACLE_INTERNAL_H
#define TESTS_SIM_ENGINE_ORACLE_INTERNAL_H

#include "tests/sim/engine/oracle.h"

struct oracle_row *oracle_add(struct oracle *o, const struct table *t, const uint8_t id[16]);
struct value oracle_keep(struct oracle *o, const struct value *v);
void oracle_note_place(struct oracle *o, struct oracle_row *row);
void oracle_raise(struct oracle *o, const struct scope_id *scope, int64_t seq);
/* What `before` held and doesn't any more is a loss. */
void oracle_rights_lost(struct oracle *o, const struct oracle_rights *before, int64_t at_ms);
/* What the device's work is judged by: all that is held, and what was lost since it heard. */
void oracle_rights_of_author(const struct oracle *o, const struct oracle_push *push,
                             struct oracle_rights *out);
/* Whether the device can have heard of what has that number in the scope, or has no copy of it. */
bool oracle_heard(struct oracle *o, const struct oracle_push *push, const struct scope_id *scope,
                  int64_t seq);
/* Whether it writes to somebody who is erased. */
bool oracle_forbids(const struct oracle *o, const struct transaction *tx);
void oracle_blank(struct oracle *o, const struct oracle_write *w,
                  const struct oracle_number *numbers, size_t count);

#endif
