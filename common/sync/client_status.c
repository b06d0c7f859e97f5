/* See client_status.h. */
#include "common/sync/client_status.h"

struct err client_status_err(int status)
{
    switch (status) {
    case 401:
        return err_make(ERR_AUTH, status, "client_session");
    case 413:
        return err_make(ERR_LIMIT, status, "client_session");
    case 429:
    case 503:
        return err_make(ERR_BUSY, status, "client_session");
    default: /* the rest of the numbers that HTTP knows */
        return err_make(status >= 500 ? ERR_NETWORK : ERR_PROTOCOL, status, "client_session");
    }
}
