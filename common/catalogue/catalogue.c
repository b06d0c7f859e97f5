/* The lines of tables.def as arrays, and look-ups in them. Look-ups by number are array reads. */
#include "common/catalogue/catalogue.h"

#define UUID            .type = TYPE_UUID
#define REF(t)          .type = TYPE_UUID, .ref = TABLE_##t
#define TEXT(n)         .type = TYPE_TEXT, .limit = (n)
#define NOTE(n)         .type = TYPE_NOTE, .limit = (n)
#define TAGS(n)         .type = TYPE_TAGS, .limit = (n)
#define JSON(n)         .type = TYPE_JSON, .limit = (n)
#define ENUM(names, zh) .type = TYPE_ENUM, .choices = (names), .choices_zh = (zh)
#define INT             .type = TYPE_INT
#define BOOL            .type = TYPE_BOOL
#define MONEY           .type = TYPE_MONEY
#define QUANTITY        .type = TYPE_QUANTITY
#define BASIS_POINTS    .type = TYPE_BASIS_POINTS
#define TIME            .type = TYPE_TIME
#define DAY             .type = TYPE_DAY
#define MINUTES         .type = TYPE_MINUTES
#define DEGREES         .type = TYPE_DEGREES
#define SEES_ALL        SEEN_ALL
#define SEES_MANAGER    SEEN_MANAGER

static const struct column columns[] = {
#define TABLE(...)
#define COLUMN(table_, number_, name_, type_, policy_, group_, writes_, sees_, flags_, since_,     \
               label_, zh_)                                                                        \
    {.table = TABLE_##table_,                                                                      \
     .number = (number_),                                                                          \
     .name = #name_,                                                                               \
     type_,                                                                                        \
     .policy = MERGE_##policy_,                                                                    \
     .group = (group_),                                                                            \
     .writes = BY_##writes_,                                                                       \
     .sees = SEES_##sees_,                                                                         \
     .flags = (flags_),                                                                            \
     .since = (since_),                                                                            \
     .label = (label_),                                                                            \
     .label_zh = (zh_)},
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
};

/* A table's slice of the array: where it begins, and (a byte for each column) how long it is. */
enum {
#define TABLE(number_, name_, ...)          FIRST_##name_, BEFORE_##name_ = FIRST_##name_ - 1,
#define COLUMN(table_, number_, name_, ...) AT_##table_##_##name_,
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
};
struct count_nothing {
    char start;
#define TABLE(number_, name_, ...)                                                                 \
    }                                                                                              \
    ;                                                                                              \
    struct count_##name_ {                                                                         \
        char start;
#define COLUMN(table_, number_, name_, ...) char name_;
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
};

#define SCOPE_COLUMN_NULL        NULL
#define SCOPE_COLUMN_person_id   "person_id"
#define SCOPE_COLUMN_book_id     "book_id"
#define SCOPE_COLUMN_customer_id "customer_id"
#define SCOPE_COLUMN_order_id    "order_id"

static const struct table tables[] = {
#define TABLE(number_, name_, scope_, scope_column_, class_, since_, label_, zh_)                  \
    {.number = (number_),                                                                          \
     .name = #name_,                                                                               \
     .scope = SCOPED_##scope_,                                                                     \
     .scope_column = SCOPE_COLUMN_##scope_column_,                                                 \
     .write_class = CLASS_##class_,                                                                \
     .since = (since_),                                                                            \
     .label = (label_),                                                                            \
     .label_zh = (zh_),                                                                            \
     .columns = &columns[FIRST_##name_],                                                           \
     .column_count = sizeof(struct count_##name_) - 1},
#define COLUMN(...)
#include "common/catalogue/tables.def"
#undef TABLE
#undef COLUMN
};

size_t catalogue_table_count(void)
{
    return count_of(tables);
}

const struct table *catalogue_table_at(size_t index)
{
    assert(index < count_of(tables));
    return &tables[index];
}

const struct table *catalogue_table(uint16_t number)
{
    for (size_t i = 0; i < count_of(tables); i++) {
        if (tables[i].number == number) {
            return &tables[i];
        }
    }
    return NULL;
}

const struct table *catalogue_table_named(const char *name)
{
    for (size_t i = 0; i < count_of(tables); i++) {
        if (strcmp(tables[i].name, name) == 0) {
            return &tables[i];
        }
    }
    return NULL;
}

const struct column *table_column(const struct table *t, uint8_t number)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].number == number) {
            return &t->columns[i];
        }
    }
    return NULL;
}

const struct column *table_column_named(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i].name, name) == 0) {
            return &t->columns[i];
        }
    }
    return NULL;
}

const struct column *table_scope_column(const struct table *t)
{
    return t->scope_column == NULL ? NULL : table_column_named(t, t->scope_column);
}

int column_rank(const struct column *c, struct bytes name)
{
    int rank = 0;
    for (const char *at = c->choices; at != NULL && *at != 0; rank++) {
        size_t size = strcspn(at, " ");
        if (bytes_equal(bytes_of(at, size), name)) {
            return rank;
        }
        at += size + strspn(at + size, " ");
    }
    return -1;
}

struct bytes column_choice(const struct column *c, int rank, bool chinese)
{
    const char *at = chinese && c->choices_zh != NULL ? c->choices_zh : c->choices;
    for (int i = 0; at != NULL && *at != 0; i++) {
        size_t size = strcspn(at, " ");
        if (i == rank) {
            return bytes_of(at, size);
        }
        at += size + strspn(at + size, " ");
    }
    return bytes_of("", 0);
}

uint64_t table_visible(const struct table *t, unsigned mask, uint32_t version)
{
    uint64_t bits = t->since <= version;
    for (size_t i = 0; i < t->column_count; i++) {
        if (((t->columns[i].sees & mask) != 0 || planted(MASK_IGNORED)) &&
            t->columns[i].since <= version) {
            bits |= UINT64_C(1) << t->columns[i].number;
        }
    }
    return bits;
}

const char *column_sql_type(const struct column *c)
{
    switch (c->type) {
    case TYPE_UUID:
        return "BLOB";
    case TYPE_TEXT:
    case TYPE_NOTE:
    case TYPE_TAGS:
    case TYPE_ENUM:
    case TYPE_DAY:
    case TYPE_JSON:
        return "TEXT";
    case TYPE_DEGREES:
        return "REAL";
    case TYPE_INT:
    case TYPE_BOOL:
    case TYPE_MONEY:
    case TYPE_QUANTITY:
    case TYPE_BASIS_POINTS:
    case TYPE_TIME:
    case TYPE_MINUTES:
        return "INTEGER";
    }
    abort(); /* our own bug: a type without a store */
}
