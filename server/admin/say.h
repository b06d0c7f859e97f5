/* What legworkd's commands say to people, in both languages side by side where it is said.
 * LEGWORK_LANG=zh|en decides, else the locale. Both formats take the same arguments. */
#ifndef SERVER_ADMIN_SAY_H
#define SERVER_ADMIN_SAY_H

#include "common/base/base.h"

/* Exit status of every command. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

#define SAYS __attribute__((format(printf, 1, 3), format(printf, 2, 3)))

bool say_in_chinese(void);
const char *say_choose(const char *english, const char *chinese);
/* A line on stdout. */
void say(const char *english, const char *chinese, ...) SAYS;
/* A line on stderr, behind the program's name. */
void complain(const char *english, const char *chinese, ...) SAYS;
/* The same, and the status to return. */
MUST_USE int refuse_with(const char *english, const char *chinese, ...) SAYS;
MUST_USE int usage_wrong(const char *english, const char *chinese, ...) SAYS;
/* What went wrong with `what` (a file's or a person's name): the error's text and, where it has
 * any, the driver's. `why` and `detail` may be NULL. */
int refuse_err(struct err err, const struct complaint *why, const char *what, const char *detail);

#endif
