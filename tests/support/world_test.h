/* A world as the fixture of a cmocka test, and what the simulator's tests ask of it. */
#ifndef TESTS_SUPPORT_WORLD_TEST_H
#define TESTS_SUPPORT_WORLD_TEST_H

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/ledger.h"
#include "tests/support/world.h"

int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* A customer of Ann's that both her devices and the laptop hold. */
void everybody_holds(struct world *w, const char *name, uint8_t id[16]);
bool set_city(struct world_device *d, const uint8_t customer[16], const char *city);
bool set_region(struct world_device *d, const uint8_t customer[16], const char *region);
/* A column of `customer`, as the server or as a device has it. */
void assert_server(struct world *w, const uint8_t customer[16], const char *column,
                   const char *text);
void assert_device(struct world_device *d, const uint8_t customer[16], const char *column,
                   const char *text);
/* The newest open inbox entry of a device: "code" or "" where there is none. */
const char *inbox_code(struct world_device *d, struct seen *to);

#endif
