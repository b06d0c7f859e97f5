/* What an answer's HTTP status other than 200 means for a sync. */
#ifndef COMMON_SYNC_CLIENT_STATUS_H
#define COMMON_SYNC_CLIENT_STATUS_H

#include "common/base/base.h"

struct err client_status_err(int status);

#endif
