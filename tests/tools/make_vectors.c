/* make_vectors DIR: writes the files of protocol/vectors/ anew, from tests/support/vector_set.c.
 * Run it after a change of the protocol, and read the difference before it is committed. */
#include "tests/support/vector_files.h"

#include <stdio.h>

static bool write_file(const char *dir, const struct vector_file *file)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file->name);
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        perror(path);
        return false;
    }
    bool whole = fwrite(file->content.at, 1, file->content.size, f) == file->content.size;
    return fclose(f) == 0 && whole;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: make_vectors DIR\n", stderr);
        return 2;
    }
    struct arena arena;
    arena_init(&arena, VECTOR_ARENA_BYTES_MAX);
    size_t count;
    const struct vector_file *files = vector_files(&arena, &count);
    bool good = files != NULL;
    for (size_t i = 0; i < count && good; i++) {
        good = write_file(argv[1], &files[i]);
    }
    (void)printf("%zu files\n", count);
    arena_release(&arena);
    return good ? 0 : 1;
}
