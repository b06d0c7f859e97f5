/* Who is told about what, and at what cost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/net/audience.h"

static const uint8_t key[16] = {7};

static struct scope_id scope(uint8_t kind, uint32_t id)
{
    struct scope_id s = {.kind = kind};
    memcpy(s.id, &id, sizeof id);
    return s;
}

struct told {
    size_t count;
    uint32_t last; /* device number */
    size_t crowd;
};

static void tell(void *context, struct listener *l, size_t crowd)
{
    struct told *t = context;
    t->count++;
    t->last = l->device_number;
    t->crowd = crowd;
}

static struct told touch(struct audience *a, uint8_t kind, uint32_t id, uint32_t author,
                         uint64_t number)
{
    struct told t = {0};
    struct scope_id s = scope(kind, id);
    assert_true(audience_touch(a, &s, author, number, tell, &t));
    return t;
}

static void enter(struct audience *a, struct listener *l, const struct scope_id *scopes,
                  size_t count, bool all)
{
    struct listener *old;
    assert_true(audience_enter(a, l, &old));
    assert_null(old);
    assert_true(audience_hold(a, l, scopes, count, all));
}

/* Rep 5 holds book 7, rep 6 book 8; 9 is an admin. */
struct firm {
    struct audience a;
    struct listener five, six, admin;
};

static void firm_init(struct firm *f)
{
    const struct scope_id five[] = {scope(SCOPE_COMPANY, 1), scope(SCOPE_BOOK, 7),
                                    scope(SCOPE_PRIVATE, 5)};
    const struct scope_id six[] = {scope(SCOPE_COMPANY, 1), scope(SCOPE_BOOK, 8)};
    const struct scope_id admin[] = {scope(SCOPE_COMPANY, 1), scope(SCOPE_PRIVATE, 9),
                                     scope(SCOPE_BOOK, 7), scope(SCOPE_BOOK, 8)};
    memset(f, 0, sizeof *f);
    f->five.device_number = 5;
    f->six.device_number = 6;
    f->admin.device_number = 9;
    assert_true(audience_init(&f->a, key));
    enter(&f->a, &f->five, five, count_of(five), false);
    enter(&f->a, &f->six, six, count_of(six), false);
    enter(&f->a, &f->admin, admin, count_of(admin), true);
}

static void firm_release(struct firm *f)
{
    audience_leave(&f->a, &f->five);
    audience_leave(&f->a, &f->six);
    audience_leave(&f->a, &f->admin);
    audience_release(&f->a);
}

static void test_who_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t kind;
        uint32_t id, author;
        size_t told;
        uint32_t last;
    } cases[] = {
        {"the company's scope, by the server", SCOPE_COMPANY, 1, 0, 3, 9},
        {"five's book, by another device", SCOPE_BOOK, 7, 6, 2, 9},
        {"five's book, by five: the admin alone", SCOPE_BOOK, 7, 5, 1, 9},
        {"five's book, by the admin: five alone", SCOPE_BOOK, 7, 9, 1, 5},
        {"a book that nobody held yet: who sees everything", SCOPE_BOOK, 77, 6, 1, 9},
        {"five's memos: nobody else, whatever they see", SCOPE_PRIVATE, 5, 0, 1, 5},
        {"the same id of another kind", SCOPE_PRIVATE, 7, 0, 0, 0},
        {"a person's scope", SCOPE_USER, 5, 0, 1, 9},
    };
    struct firm f;
    firm_init(&f);
    for (size_t i = 0; i < count_of(cases); i++) {
        struct told t = touch(&f.a, cases[i].kind, cases[i].id, cases[i].author, i + 1);
        if (t.count != cases[i].told || t.last != cases[i].last) {
            fail_msg("%s: %zu told, last %u", cases[i].what, t.count, t.last);
        }
    }
    firm_release(&f);
}

static void test_who_missed_something(void **state)
{
    (void)state;
    struct firm f;
    firm_init(&f);
    assert_false(audience_missed(&f.five, 0)); /* nothing happened yet */
    (void)touch(&f.a, SCOPE_BOOK, 7, 6, 1);
    assert_true(audience_missed(&f.five, 0));
    assert_false(audience_missed(&f.five, 1)); /* its sync knew that */
    (void)touch(&f.a, SCOPE_BOOK, 7, 5, 2);    /* its own doing doesn't concern it */
    assert_false(audience_missed(&f.five, 1));
    assert_true(audience_missed(&f.five, 0)); /* nor does it hide what came before */
    assert_true(audience_missed(&f.admin, 1));
    assert_false(audience_missed(&f.six, 0));
    (void)touch(&f.a, SCOPE_BOOK, 70, 6, 3);
    const struct scope_id more[] = {scope(SCOPE_BOOK, 7), scope(SCOPE_BOOK, 70)};
    assert_true(audience_hold(&f.a, &f.five, more, count_of(more), false));
    assert_true(audience_missed(&f.five, 2)); /* touched before it held it */
    firm_release(&f);
}

static void test_holding_changes(void **state)
{
    (void)state;
    struct firm f;
    firm_init(&f);
    const struct scope_id moved[] = {scope(SCOPE_BOOK, 8)};
    assert_true(audience_hold(&f.a, &f.five, moved, count_of(moved), false));
    assert_int_equal(touch(&f.a, SCOPE_BOOK, 7, 0, 1).count, 1); /* the admin */
    assert_int_equal(touch(&f.a, SCOPE_BOOK, 8, 0, 2).count, 3);
    audience_leave(&f.a, &f.six);
    assert_int_equal(touch(&f.a, SCOPE_BOOK, 8, 0, 3).count, 2);
    assert_null(audience_find(&f.a, 6));
    firm_release(&f);
}

static void test_a_second_listener_of_a_device(void **state)
{
    (void)state;
    struct firm f;
    struct listener again = {.device_number = 5}, *old = NULL;
    const struct scope_id held[] = {scope(SCOPE_BOOK, 7)};
    firm_init(&f);
    assert_true(audience_enter(&f.a, &again, &old));
    assert_ptr_equal(old, &f.five);
    assert_true(audience_hold(&f.a, &again, held, 1, false));
    audience_leave(&f.a, &f.five);
    assert_ptr_equal(audience_find(&f.a, 5), &again); /* the old one's leaving takes nothing away */
    assert_int_equal(touch(&f.a, SCOPE_BOOK, 7, 9, 1).last, 5);
    audience_leave(&f.a, &again);
    assert_int_equal(touch(&f.a, SCOPE_BOOK, 7, 9, 2).count, 0);
    firm_release(&f);
}

/* Twenty thousand listeners, each with a book of its own: a touch of one finds one. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    struct audience a;
    struct listener *all = calloc(MANY, sizeof *all);
    assert_non_null(all);
    assert_true(audience_init(&a, key));
    for (uint32_t i = 0; i < MANY; i++) {
        const struct scope_id held[] = {scope(SCOPE_COMPANY, 1), scope(SCOPE_BOOK, i)};
        all[i].device_number = i + 1;
        enter(&a, &all[i], held, count_of(held), false);
    }
    assert_true(a.bucket_count >= MANY / 2); /* so chains stay short */
    for (uint32_t i = 0; i < MANY; i += 111) {
        struct told t = touch(&a, SCOPE_BOOK, i, 0, i + 1);
        assert_int_equal(t.count, 1);
        assert_int_equal(t.last, i + 1);
        assert_int_equal(t.crowd, 1);
    }
    struct told t = touch(&a, SCOPE_COMPANY, 1, 4, MANY + 1);
    assert_int_equal(t.count, MANY - 1);
    assert_int_equal(t.crowd, MANY); /* who tells so many takes its time */
    for (uint32_t i = 0; i < MANY; i++) {
        audience_leave(&a, &all[i]);
    }
    audience_release(&a);
    free(all);
}

static void test_numbers_beyond(void **state)
{
    (void)state;
    struct audience a;
    struct listener far = {.device_number = UINT32_MAX}, *old;
    assert_true(audience_init(&a, key));
    assert_false(audience_enter(&a, &far, &old));
    assert_null(audience_find(&a, UINT32_MAX));
    audience_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_told),
        cmocka_unit_test(test_who_missed_something),
        cmocka_unit_test(test_holding_changes),
        cmocka_unit_test(test_a_second_listener_of_a_device),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_numbers_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
