/* The files of protocol/vectors/ as they must be. */
#ifndef TESTS_SUPPORT_VECTOR_FILES_H
#define TESTS_SUPPORT_VECTOR_FILES_H

#include "protocol/arena.h"
#include "protocol/buf.h"

#define VECTOR_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct vector_file {
    const char *name; /* below protocol/vectors/, e.g. "valid/hello.hex" */
    struct bytes content;
};

/* All of them, in the arena; NULL where a vector can't be encoded. */
const struct vector_file *vector_files(struct arena *arena, size_t *count);
/* Bytes from hex digits; blanks are passed over. False: not hex. */
bool vector_unhex(struct bytes hex, struct buf *out);

#endif
