/* Pictures as files: whole or not there, resumed where they were cut, swept only when nothing needs
 * them. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/media/blob_store.h"

#define ONE "one picture"
#define TWO "another picture, longer"

struct place {
    char dir[64];
    struct blob_store store;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    snprintf(p->dir, sizeof p->dir, "/tmp/test_blob_store-%ld", (long)getpid());
    assert_int_equal(blob_store_open(&p->store, p->dir).code, ERR_OK);
    *state = p;
    return 0;
}

static int remove_it(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    struct place *p = *state;
    blob_store_close(&p->store);
    (void)nftw(p->dir, remove_it, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static void file_of(const struct place *p, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%.2s/%s", p->dir, name, name + 2);
}

static bool is_there(struct place *p, const char *name)
{
    int64_t size;
    return blob_size(&p->store, name, &size).code == ERR_OK;
}

static void test_names(void **state)
{
    (void)state;
    char good[BLOB_NAME_SIZE];
    blob_name_of(bytes_text(ONE), good);
    assert_true(blob_name_is_good(good));
    assert_false(blob_name_is_good(""));
    assert_false(
        blob_name_is_good("../../../../../../../../../../../../../../../../../../etc/passwd"));
    good[3] = 'A'; /* one content has one name */
    assert_false(blob_name_is_good(good));
    good[3] = '/';
    assert_false(blob_name_is_good(good));
}

static void test_put_and_read(void **state)
{
    struct place *p = *state;
    char name[BLOB_NAME_SIZE], again[BLOB_NAME_SIZE];
    int64_t size;
    struct buf out;
    assert_int_equal(blob_put(&p->store, bytes_text(ONE), name).code, ERR_OK);
    assert_int_equal(blob_put(&p->store, bytes_text(ONE), again).code, ERR_OK);
    assert_string_equal(name, again);
    assert_int_equal(blob_size(&p->store, name, &size).code, ERR_OK);
    assert_int_equal(size, sizeof ONE - 1);
    buf_init(&out, 100);
    assert_int_equal(blob_read(&p->store, name, 4, 3, &out).code, ERR_OK);
    assert_string_equal(buf_text(&out), "pic");
    buf_release(&out);
    assert_int_equal(blob_check(&p->store, name).code, ERR_OK);
    char path[256];
    file_of(p, name, path);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fputc('0', f);
    fclose(f);
    assert_int_equal(blob_check(&p->store, name).code, ERR_CORRUPT);
    assert_int_equal(blob_remove(&p->store, name).code, ERR_OK);
    assert_int_equal(blob_check(&p->store, name).code, ERR_NOT_FOUND);
    assert_int_equal(blob_remove(&p->store, name).code, ERR_OK);
}

static bool refuse_all(void *context, struct bytes content)
{
    *(size_t *)context = content.size;
    return false;
}

static void test_parts(void **state)
{
    struct place *p = *state;
    char name[BLOB_NAME_SIZE];
    int64_t size;
    size_t seen = 0;
    struct bytes all = bytes_text(TWO);
    blob_name_of(all, name);
    assert_int_equal(blob_part_append(&p->store, name, 7, 0, bytes_of(all.at, 5)).code, ERR_OK);
    assert_int_equal(blob_part_append(&p->store, name, 7, 3, bytes_of(all.at, 5)).code,
                     ERR_INVALID);
    assert_int_equal(blob_part_append(&p->store, name, 8, 5, bytes_text("x")).code, ERR_INVALID);
    assert_int_equal(blob_part_append(&p->store, name, 8, 0, bytes_text("xxx")).code, ERR_OK);
    assert_int_equal(blob_part_size(&p->store, name, 7, &size).code, ERR_OK);
    assert_int_equal(size, 5); /* another owner's bytes don't count */
    assert_int_equal(blob_part_finish(&p->store, name, 7, NULL, NULL).code, ERR_CORRUPT);
    assert_int_equal(blob_part_size(&p->store, name, 7, &size).code, ERR_OK);
    assert_int_equal(size, 0); /* what can't become right is dropped */
    assert_int_equal(blob_part_append(&p->store, name, 7, 0, all).code, ERR_OK);
    assert_int_equal(blob_part_finish(&p->store, name, 7, refuse_all, &seen).code, ERR_REFUSED);
    assert_int_equal(seen, all.size);
    assert_false(is_there(p, name));
    assert_int_equal(blob_part_append(&p->store, name, 7, 0, all).code, ERR_OK);
    assert_int_equal(blob_part_finish(&p->store, name, 7, NULL, NULL).code, ERR_OK);
    assert_true(is_there(p, name));
    assert_int_equal(blob_check(&p->store, name).code, ERR_OK);
}

struct needs {
    const char *name;
    int asked;
};

static struct err is_needed(void *context, const char *name, bool *needed)
{
    struct needs *n = context;
    n->asked++;
    *needed = n->name != NULL && strcmp(n->name, name) == 0;
    return err_ok();
}

static void test_sweep(void **state)
{
    struct place *p = *state;
    char one[BLOB_NAME_SIZE], two[BLOB_NAME_SIZE], path[256];
    assert_int_equal(blob_put(&p->store, bytes_text(ONE), one).code, ERR_OK);
    assert_int_equal(blob_put(&p->store, bytes_text(TWO), two).code, ERR_OK);
    assert_int_equal(blob_part_append(&p->store, two, 3, 0, bytes_text("half")).code, ERR_OK);
    snprintf(path, sizeof path, "%s/part/notes.txt", p->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);

    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct needs needs = {.name = one};
    struct blob_sweep sweep = {.now_ms = (int64_t)st.st_mtim.tv_sec * 1000 + 500,
                               .grace_ms = BLOB_GRACE_MS,
                               .is_needed = is_needed,
                               .context = &needs};
    assert_int_equal(blob_sweep(&p->store, &sweep).code, ERR_OK);
    assert_int_equal(needs.asked, 0); /* all are young: their rows may be on their way */
    assert_int_equal(sweep.removed, 0);

    sweep.now_ms += BLOB_GRACE_MS + 1000;
    assert_int_equal(blob_sweep(&p->store, &sweep).code, ERR_OK);
    assert_int_equal(sweep.removed, 2);
    assert_true(is_there(p, one));
    assert_false(is_there(p, two));
    assert_int_equal(stat(path, &st), 0); /* not a blob: not ours to remove */

    int64_t size;
    needs.name = NULL;
    assert_int_equal(blob_keep(&p->store, one, &size).code, ERR_OK); /* relied on from now on */
    sweep.now_ms -= BLOB_GRACE_MS + 1000;
    assert_int_equal(blob_sweep(&p->store, &sweep).code, ERR_OK);
    assert_true(is_there(p, one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_put_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
