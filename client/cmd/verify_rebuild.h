/* legwork verify --rebuild. */
#ifndef CLIENT_CMD_VERIFY_REBUILD_H
#define CLIENT_CMD_VERIFY_REBUILD_H

#include "client/cmd/app.h"

enum exit_code verify_rebuild(struct app *app);

#endif
