/* Who may bring a picture and who is given it: through a living row that names it, which the person
 * holds (or, bringing, wrote), and whose author brought it whole once. */
#include "tests/sim/engine/oracle_internal.h"

static bool has_proof(const struct oracle *o, const uint8_t person[16], const char *sha256)
{
    for (size_t i = 0; i < o->proof_count; i++) {
        if (strcmp(o->proofs[i].sha256, sha256) == 0 &&
            memcmp(o->proofs[i].person, person, 16) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_named(const struct oracle_row *row, const char *sha256)
{
    return row->table->number == TABLE_media && row->deleted_at == 0 &&
           bytes_equal(row->values[COLUMN_media_sha256].b, bytes_text(sha256));
}

void oracle_picture(const struct oracle *o, const uint8_t person[16], const char *sha256,
                    bool brings, bool *may, bool *proven)
{
    struct oracle_rights rights;
    oracle_rights(o, person, &rights);
    *may = false;
    *proven = false;
    for (size_t i = 0; i < o->row_count; i++) {
        const struct oracle_row *row = o->rows[i];
        if (!is_named(row, sha256)) {
            continue;
        }
        const uint8_t *author = row->values[COLUMN_media_created_by].b.at;
        bool own = brings && memcmp(author, person, 16) == 0;
        if (own || rights_hold(&rights, &row->scope)) {
            *may = true;
            *proven |= has_proof(o, brings ? person : author, sha256);
        }
    }
}

void oracle_proof(struct oracle *o, const uint8_t person[16], const char *sha256)
{
    if (has_proof(o, person, sha256) || o->proof_count == ORACLE_PROOFS_MAX) {
        return;
    }
    (void)snprintf(o->proofs[o->proof_count].sha256, sizeof o->proofs[0].sha256, "%s", sha256);
    memcpy(o->proofs[o->proof_count++].person, person, 16);
}

void oracle_sweep(struct oracle *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->proof_count; i++) {
        bool needed = false;
        for (size_t k = 0; k < o->row_count && !needed; k++) {
            needed = is_named(o->rows[k], o->proofs[i].sha256);
        }
        if (needed) {
            o->proofs[kept++] = o->proofs[i];
        }
    }
    o->proof_count = kept;
}
