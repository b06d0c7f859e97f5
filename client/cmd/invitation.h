/* The code that an invitation gives: lw1,HOST:PORT,CAHASH,SECRET. */
#ifndef CLIENT_CMD_INVITATION_H
#define CLIENT_CMD_INVITATION_H

#include "common/base/base.h"

struct invitation {
    char address[256];   /* host:port */
    uint8_t ca_hash[32]; /* SHA-256 of the authority's SubjectPublicKeyInfo */
    uint8_t secret[20];
};

/* Spaces and line ends around it are forgiven: it is pasted. */
MUST_USE bool invitation_parse(const char *text, struct invitation *out);

#endif
