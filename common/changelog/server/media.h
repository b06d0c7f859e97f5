/* Who may bring or fetch the bytes of a picture: whoever holds a row that names it, by the same
 * scopes as all else. And the server's record of those that came whole.
 *
 * Knowing a hash isn't having the picture: whoever has read one could name it in a row of his own.
 * So bytes are given only through a row whose author brought them whole once (a proof), and to whom
 * hasn't, the server is one that has nothing. */
#ifndef CHANGELOG_SERVER_MEDIA_H
#define CHANGELOG_SERVER_MEDIA_H

#include "common/changelog/server/permit.h"
#include "common/media/image.h"

struct media_claim { /* what a row says of the picture that it names */
    int64_t size, width, height;
    enum image_format format;
};

/* `bringing`: the row's author may bring it also after its customer went to another book.
 * `*proven`, bringing: this person brought it once; else: the author of a row that this person
 * holds did. ERR_NOT_FOUND: no living row that this person holds names it, or it can't be a picture
 * of ours. A transaction of its own. */
MUST_USE struct err media_find(struct store *st, const uint8_t person[16], const char *sha256,
                               bool bringing, struct media_claim *out, bool *proven);
/* Whether the bytes are the picture that the row speaks of. */
bool media_fits(const struct media_claim *claim, struct bytes content);

/* Whole and on the disk, brought by this device of its person; again is fine. Inside a transaction.
 */
MUST_USE struct err media_came(struct store *st, const char *sha256, int64_t size, int64_t now_ms,
                               const struct store_device *by);
/* Each picture that came whole at `since_ms` or later, first come first. */
typedef void (*media_each)(void *context, uint32_t device_number, int64_t size, int64_t whole_ms);
MUST_USE struct err media_came_since(struct store *st, int64_t since_ms, media_each each,
                                     void *context);
MUST_USE struct err media_has_come(struct store *st, const char *sha256, bool *out);

/* Whether a living row names it. */
MUST_USE struct err media_is_needed(struct store *st, const char *sha256, bool *needed);
/* Of those that came whole and are needed, the first behind `after` (NULL: from the start) by name;
 * ERR_NOT_FOUND: no more. */
struct media_whole {
    char sha256[65];
    int64_t size;
};
MUST_USE struct err media_next_whole(struct store *st, const char *after, struct media_whole *out);
/* Pictures that rows name and that never came: on their way, or still on a device. */
MUST_USE struct err media_count_awaited(struct store *st, int64_t *count);
/* Its file is gone or wrong: no longer counted as having come, and every row that names it asks for
 * it again (`wanted_at`), so that a device that still has it brings it. A transaction of its own.
 */
MUST_USE struct err media_ask_again(struct store *st, const char *sha256, int64_t now_ms);
/* Drops the record of those that no living row names. Inside a transaction. */
MUST_USE struct err media_forget_unneeded(struct store *st);

#endif
