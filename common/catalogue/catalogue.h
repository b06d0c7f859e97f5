/* The single source of truth about tables, columns, merge policies and who may write. The lines
 * stand in *.def; tables, triggers, SQL, CSV, JSON and help are composed from them. Numbers go on
 * the wire and are never reused; a shipped line never changes. */
#ifndef COMMON_CATALOGUE_CATALOGUE_H
#define COMMON_CATALOGUE_CATALOGUE_H

#include "common/base/base.h"
#include "protocol/messages.h"

#define CATALOGUE_VERSION        2
#define CATALOGUE_VERSION_OLDEST (CATALOGUE_VERSION > 2 ? CATALOGUE_VERSION - 2 : 1)

enum column_type {
    TYPE_UUID, /* BLOB, 16 bytes; `ref` names the table it points to */
    TYPE_TEXT, /* `limit` characters */
    TYPE_NOTE, /* TEXT of several lines */
    TYPE_TAGS, /* TEXT: JSON array of distinct strings, sorted by code point; `limit` bytes */
    TYPE_ENUM, /* TEXT: a name of `choices`, in rising rank */
    TYPE_INT,
    TYPE_BOOL,         /* INTEGER 0 or 1 */
    TYPE_MONEY,        /* INTEGER minor units of the firm's or the row's currency */
    TYPE_QUANTITY,     /* INTEGER thousandths */
    TYPE_BASIS_POINTS, /* INTEGER */
    TYPE_TIME,         /* INTEGER UTC milliseconds */
    TYPE_DAY,          /* TEXT YYYY-MM-DD, a local day */
    TYPE_MINUTES,      /* INTEGER, e.g. an offset from UTC */
    TYPE_DEGREES,      /* REAL */
    TYPE_JSON          /* TEXT holding JSON; `limit` bytes */
};

enum merge_policy {
    MERGE_LATEST,
    MERGE_FIRST,
    MERGE_FORWARD,
    MERGE_UNION,
    MERGE_KEEP_BOTH,
    MERGE_SERVER
};

enum write_class {
    CLASS_FACT,    /* A: inserted once, corrected by a reversing row */
    CLASS_RECORD,  /* F: merged by field */
    CLASS_DRAFT,   /* D: one writer until submitted, then locked */
    CLASS_MANAGED, /* M: managers and admins, read-only on a rep's device */
    CLASS_SERVER   /* S: the server alone, but for columns that say otherwise */
};

/* Roles as bits: who may write a column, who may see it. A rep's device holds MASK_REP. */
enum role { ROLE_REP = 1, ROLE_MANAGER = 2, ROLE_ADMIN = 4, ROLE_ANALYST = 8 };
#define BY_SERVER    0u /* nobody but the server */
#define BY_ADMIN     ((unsigned)ROLE_ADMIN)
#define BY_MANAGER   ((unsigned)(ROLE_MANAGER | ROLE_ADMIN))
#define BY_REP       ((unsigned)(ROLE_REP | ROLE_MANAGER | ROLE_ADMIN))
#define SEEN_ALL     15u
#define SEEN_MANAGER ((unsigned)(ROLE_MANAGER | ROLE_ADMIN | ROLE_ANALYST))

/* How a row finds its scope. */
enum scope_rule {
    SCOPED_COMPANY, /* the firm's one */
    SCOPED_BOOK,    /* book:<value of scope_column> */
    SCOPED_USER,    /* user:<value of scope_column> */
    SCOPED_PRIVATE, /* private:<value of scope_column> */
    SCOPED_VIA,     /* that of the row which scope_column points to */
    SCOPED_SERVER   /* the server sets it (kept_value: that of the row it is about) */
};

#define COLUMN_REQUIRED 1u /* may not be NULL */
#define COLUMN_ONCE     2u /* written at insert only */
#define COLUMN_INDEXED  4u
#define COLUMN_UNIQUE   8u /* among living rows, checked by the server */

struct column {
    uint16_t table;
    uint8_t number; /* 1 to 62 within its table */
    const char *name;
    enum column_type type;
    uint32_t limit;
    uint16_t ref;           /* table number, 0: none */
    const char *choices;    /* ENUM: names parted by spaces, as stored */
    const char *choices_zh; /* the same in Chinese, for people; NULL: none */
    enum merge_policy policy;
    uint8_t group;   /* columns of one group are in conflict together; 0: none */
    unsigned writes; /* roles */
    unsigned sees;   /* roles */
    unsigned flags;
    uint32_t since;
    const char *label; /* English */
    const char *label_zh;
};

struct table {
    uint16_t number;
    const char *name;
    enum scope_rule scope;
    const char *scope_column; /* or NULL */
    enum write_class write_class;
    uint32_t since;
    const char *label;
    const char *label_zh;
    const struct column *columns; /* by rising number */
    size_t column_count;
};

/* Table numbers, TABLE_customer and so on. */
enum {
#define TABLE(number, name, ...) TABLE_##name = number,
#define COLUMN(...)
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
    TABLE_NUMBER_END
};
/* Column numbers, COLUMN_customer_name and so on. */
enum {
#define TABLE(...)
#define COLUMN(table, number, name, ...) COLUMN_##table##_##name = number,
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
    COLUMN_NUMBER_END
};

size_t catalogue_table_count(void);
const struct table *catalogue_table_at(size_t index); /* by rising number; parents come first */
const struct table *catalogue_table(uint16_t number); /* NULL: unknown */
const struct table *catalogue_table_named(const char *name);
const struct column *table_column(const struct table *t, uint8_t number); /* NULL: unknown */
const struct column *table_column_named(const struct table *t, const char *name);
/* Rank of an ENUM's name, from 0; -1: not one of them. */
int column_rank(const struct column *c, struct bytes name);
/* The name of a rank, as stored or as Chinese readers see it; empty: there is none. */
struct bytes column_choice(const struct column *c, int rank, bool chinese);
/* Bit n: column n is seen by `mask` roles and known to catalogue version `version`; bit 0 always.
 */
uint64_t table_visible(const struct table *t, unsigned mask, uint32_t version);
/* "INTEGER", "TEXT", "BLOB" or "REAL", the same in both stores but for names. */
const char *column_sql_type(const struct column *c);

/* Whether a value fits its column by type, length, form (UTF-8, NFC, day, JSON, enum name) and
 * COLUMN_REQUIRED. Codes: required, wrong_type, too_long, not_utf8, not_nfc, not_a_choice,
 * out_of_range, malformed; no_memory where it couldn't be told (complaint_err). */
MUST_USE bool column_check(const struct column *c, const struct value *v, struct complaint *why);

/* A row's scope rule pointing up: the column that gives it, or NULL for COMPANY and SERVER. */
const struct column *table_scope_column(const struct table *t);

/* CREATE TABLE IF NOT EXISTS (or ALTER TABLE … ADD COLUMN for each column that the file lacks) and
 * indexes of every table, without triggers. `server`: with the columns that only the server keeps.
 * Device columns:  id, <own columns>, _scope INTEGER, _seq INTEGER, _deleted_at INTEGER.
 * Server columns:  the same and _entered INTEGER, _made BLOB, _cols BLOB, _check INTEGER. STRICT,
 * WITHOUT ROWID. */
struct db;
MUST_USE struct err catalogue_create(struct db *db, bool server);

#endif
