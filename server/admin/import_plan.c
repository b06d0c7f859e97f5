/* See import_plan.h. */
#include "common/base/base.h"

#include "server/admin/import_plan.h"
#include "server/admin/say.h"

#define PLAN_BYTES_MAX (1 << 20)

void plan_init(struct plan *p, const struct table *t)
{
    *p = (struct plan){.table = t};
    arena_init(&p->arena, PLAN_BYTES_MAX);
}

void plan_release(struct plan *p)
{
    arena_release(&p->arena);
}

/* A copy of a piece of text, ended by a zero; "" without memory. */
static const char *keep(struct plan *p, struct bytes text)
{
    struct bytes copy = arena_copy(&p->arena, text);
    return copy.at == NULL ? "" : (const char *)copy.at;
}

/* The piece up to `end` (or all); `*rest` stands behind it, NULL at the end. */
static struct bytes piece(const char *text, char end, const char **rest)
{
    const char *at = strchr(text, end);
    *rest = at == NULL ? NULL : at + 1;
    return at == NULL ? bytes_text(text) : bytes_of(text, (size_t)(at - text));
}

static const struct column *field_named(const struct plan *p, const char *name)
{
    const struct column *c = table_column_named(p->table, name);
    if (c == NULL) {
        complain("%s has no field %s", "%s 没有字段 %s", p->table->name, name);
    }
    return c;
}

static bool bind_key(struct plan_target *t, const char *key)
{
    const struct table *other = t->column->ref == 0 ? NULL : catalogue_table(t->column->ref);
    if (other == NULL) {
        complain("%s refers to no other table", "%s 不引用其他表", t->column->name);
        return false;
    }
    t->key = table_column_named(other, key);
    if (t->key == NULL) {
        complain("%s has no field %s", "%s 没有字段 %s", other->name, key);
        return false;
    }
    (void)snprintf(t->find_sql, sizeof t->find_sql,
                   "SELECT id FROM %s WHERE %s = ?1 AND _deleted_at IS NULL LIMIT 2", other->name,
                   t->key->name);
    return true;
}

/* A reference whose field wasn't named goes by what people call such a row. */
static void bind_usual_key(struct plan_target *t)
{
    static const char *const usual[] = {"no", "sku", "login", "name"};
    const struct table *other = catalogue_table(t->column->ref);
    int size = 0;
    t->takes_id = true;
    for (size_t i = 0; i < count_of(usual); i++) {
        const struct column *key = table_column_named(other, usual[i]);
        if (key != NULL) {
            size += snprintf(t->find_sql + size, sizeof t->find_sql - (size_t)size,
                             "%sSELECT id FROM %s WHERE %s = ?1 AND _deleted_at IS NULL",
                             t->key == NULL ? "" : " UNION ", other->name, key->name);
            t->key = key;
        }
    }
    (void)snprintf(t->find_sql + size, sizeof t->find_sql - (size_t)size, " LIMIT 2");
}

/* A new target for "field" or "field:key". */
static struct plan_target *target_add(struct plan *p, struct bytes what)
{
    const char *key;
    const char *name = keep(p, piece(keep(p, what), ':', &key));
    const struct column *c = field_named(p, name);
    if (c == NULL) {
        return NULL;
    }
    if (plan_target_of(p, c->number) != NULL) {
        complain("%s is given twice", "%s 重复", name);
        return NULL;
    }
    if (p->target_count == PLAN_TARGETS_MAX) {
        complain("too many fields", "字段过多");
        return NULL;
    }
    struct plan_target *t = &p->targets[p->target_count++];
    *t = (struct plan_target){.column = c};
    if (key == NULL && c->ref != 0) {
        bind_usual_key(t);
    }
    return key == NULL || bind_key(t, key) ? t : NULL;
}

const struct plan_target *plan_target_of(const struct plan *p, uint8_t column)
{
    for (size_t i = 0; i < p->target_count; i++) {
        if (p->targets[i].column->number == column) {
            return &p->targets[i];
        }
    }
    return NULL;
}

/* ---- --map ---- */

static bool head_find(const struct plan *p, const char *name, size_t *index)
{
    for (size_t i = 0; i < p->head_count; i++) {
        if (strcmp(p->head[i], name) == 0) {
            *index = i;
            return true;
        }
    }
    complain("line 1: the file has no column %s", "第 1 行：文件没有 %s 列", name);
    return false;
}

static bool bind_sources(struct plan *p, struct plan_target *t, struct bytes names, int *status)
{
    for (const char *rest = keep(p, names); rest != NULL;) {
        struct bytes name = text_trim(piece(rest, '+', &rest));
        if (t->source_count == PLAN_SOURCES_MAX) {
            complain("%s: at most %d columns", "%s：最多 %d 列", t->column->name, PLAN_SOURCES_MAX);
            return false;
        }
        if (!head_find(p, keep(p, name), &t->sources[t->source_count])) {
            *status = EXIT_REFUSED; /* what was typed may be right for another file */
            return false;
        }
        t->source_count++;
    }
    return true;
}

/* "a=x" or "a+b=x:key". */
static bool take_map_item(struct plan *p, const char *item, int *status)
{
    const char *field;
    struct bytes names = piece(item, '=', &field);
    if (field == NULL || names.size == 0) {
        complain("--map %s: column=field is needed", "--map %s：应为 列=字段", item);
        return false;
    }
    struct plan_target *t = target_add(p, text_trim(bytes_text(field)));
    return t != NULL && bind_sources(p, t, names, status);
}

static bool take_map(struct plan *p, const struct option *map, int *status)
{
    for (size_t i = 0; i < map->count; i++) {
        for (const char *rest = map->values[i]; rest != NULL;) {
            const char *item = keep(p, piece(rest, ',', &rest));
            if (!take_map_item(p, item, status)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_source(const struct plan *p, size_t column)
{
    for (size_t i = 0; i < p->target_count; i++) {
        for (size_t k = 0; k < p->targets[i].source_count; k++) {
            if (p->targets[i].sources[k] == column) {
                return true;
            }
        }
    }
    return false;
}

/* Columns that are called as a field is. References are left out: whose ids are they? */
static bool take_same_names(struct plan *p)
{
    for (size_t i = 0; i < p->head_count; i++) {
        const struct column *c = table_column_named(p->table, p->head[i]);
        if (c == NULL || c->type == TYPE_UUID || is_source(p, i) ||
            plan_target_of(p, c->number) != NULL) {
            continue;
        }
        struct plan_target *t = target_add(p, bytes_text(c->name));
        if (t == NULL) {
            return false;
        }
        t->sources[t->source_count++] = i;
    }
    return true;
}

/* ---- --set, --value, --key ---- */

static bool take_set(struct plan *p, const struct option *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const char *value;
        struct bytes field = piece(set->values[i], '=', &value);
        struct plan_target *t = value == NULL ? NULL : target_add(p, field);
        if (t == NULL) {
            complain("--set %s: field=value is needed", "--set %s：应为 字段=值", set->values[i]);
            return false;
        }
        t->constant = value;
    }
    return true;
}

/* "field:theirs=ours", or "theirs=ours" for the field of the item before. */
static bool take_value_item(struct plan *p, const char *item, const struct column **column)
{
    const char *pair;
    struct bytes name = piece(item, ':', &pair);
    const struct column *named = pair == NULL ? NULL : table_column_named(p->table, keep(p, name));
    if (named != NULL) {
        *column = named;
    } else {
        pair = item;
    }
    const char *ours;
    struct bytes theirs = piece(pair, '=', &ours);
    if (*column == NULL || ours == NULL || p->value_count == PLAN_VALUES_MAX) {
        complain("--value %s: field:theirs=ours is needed", "--value %s：应为 字段:原值=新值",
                 item);
        return false;
    }
    p->values[p->value_count++] =
        (struct plan_value){.column = *column, .theirs = keep(p, theirs), .ours = ours};
    return true;
}

static bool take_values(struct plan *p, const struct option *value)
{
    for (size_t i = 0; i < value->count; i++) {
        const struct column *column = NULL;
        for (const char *rest = value->values[i]; rest != NULL;) {
            const char *item = keep(p, piece(rest, ',', &rest));
            if (!take_value_item(p, item, &column)) {
                return false;
            }
        }
    }
    return true;
}

static bool take_keys(struct plan *p, const struct option *key)
{
    const char *rest = key->count == 0 ? NULL : key->values[0];
    int size = snprintf(p->key_sql, sizeof p->key_sql, "SELECT id FROM %s WHERE ", p->table->name);
    while (rest != NULL) {
        const struct column *c = field_named(p, keep(p, text_trim(piece(rest, ',', &rest))));
        if (c == NULL) {
            return false;
        }
        if (plan_target_of(p, c->number) == NULL || p->key_count == PLAN_KEYS_MAX) {
            complain("--key %s: no column of the file goes there, or too many",
                     "--key %s：没有对应的列，或过多", c->name);
            return false;
        }
        p->keys[p->key_count++] = c;
        size += snprintf(p->key_sql + size, sizeof p->key_sql - (size_t)size, "%s = ?%zu AND ",
                         c->name, p->key_count);
    }
    (void)snprintf(p->key_sql + size, sizeof p->key_sql - (size_t)size,
                   "_deleted_at IS NULL LIMIT 2");
    return true;
}

static bool take_head(struct plan *p, const struct csv_row *head, int *status)
{
    for (size_t i = 0; i < head->count; i++) {
        p->head[i] = keep(p, text_trim(head->fields[i]));
        for (size_t k = 0; k < i; k++) {
            if (strcmp(p->head[k], p->head[i]) == 0) {
                complain("line 1: two columns are called %s", "第 1 行：有两列都叫 %s", p->head[i]);
                *status = EXIT_REFUSED;
                return false;
            }
        }
    }
    p->head_count = head->count;
    return true;
}

bool plan_make(struct plan *p, const struct plan_typed *typed, const struct csv_row *head,
               int *status)
{
    *status = EXIT_USAGE;
    p->null_text = typed->null_text;
    bool good = take_head(p, head, status) && take_map(p, typed->map, status) &&
                take_set(p, typed->set) && take_same_names(p) && take_values(p, typed->value) &&
                take_keys(p, typed->key);
    if (good && p->target_count == 0) {
        complain("line 1: no column of the file goes into %s", "第 1 行：没有任何列对应 %s",
                 p->table->name);
        *status = EXIT_REFUSED;
        good = false;
    }
    return good && !p->arena.full;
}

/* ---- use ---- */

static bool is_null(const struct plan *p, struct bytes cell)
{
    return cell.size == 0 || (p->null_text != NULL && bytes_equal(cell, bytes_text(p->null_text)));
}

static struct bytes map_value(const struct plan *p, const struct column *c, struct bytes text)
{
    const char *other = NULL;
    for (size_t i = 0; i < p->value_count; i++) {
        const struct plan_value *v = &p->values[i];
        if (v->column != c) {
            continue;
        }
        if (bytes_equal(text, bytes_text(v->theirs))) {
            return bytes_text(v->ours);
        }
        other = strcmp(v->theirs, "*") == 0 ? v->ours : other;
    }
    return other != NULL ? bytes_text(other) : text;
}

static struct bytes join(const struct plan *p, const struct plan_target *t,
                         const struct csv_row *row, struct arena *arena)
{
    struct buf joined;
    buf_init(&joined, CSV_ROW_BYTES_MAX);
    for (size_t i = 0; i < t->source_count; i++) {
        struct bytes cell = text_trim(row->fields[t->sources[i]]);
        if (!is_null(p, cell)) {
            buf_put_text(&joined, joined.size > 0 ? " " : "");
            buf_put(&joined, cell);
        }
    }
    struct bytes out = joined.size == 0 ? bytes_of(NULL, 0) : arena_copy(arena, buf_bytes(&joined));
    buf_release(&joined);
    return out;
}

struct bytes plan_text(const struct plan *p, const struct plan_target *t, const struct csv_row *row,
                       struct arena *arena)
{
    struct bytes text;
    if (t->constant != NULL) {
        return bytes_text(t->constant);
    }
    if (t->source_count == 1) {
        struct bytes cell = row->fields[t->sources[0]];
        text = t->column->type == TYPE_NOTE ? cell : text_trim(cell);
    } else {
        text = join(p, t, row, arena);
    }
    return is_null(p, text) ? bytes_of(NULL, 0) : map_value(p, t->column, text);
}

void plan_print(const struct plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->target_count; i++) {
        const struct plan_target *t = &p->targets[i];
        buf_put_text(out, "  ");
        for (size_t k = 0; k < t->source_count; k++) {
            buf_printf(out, "%s%s", k == 0 ? "" : " + ", p->head[t->sources[k]]);
        }
        if (t->constant != NULL) {
            buf_printf(out, "\"%s\"", t->constant);
        }
        buf_printf(out, " → %s", t->column->name);
        if (t->key != NULL && !t->takes_id) {
            buf_printf(out, " (%s.%s)", catalogue_table(t->column->ref)->name, t->key->name);
        }
        buf_put_u8(out, '\n');
    }
    for (size_t i = 0, ignored = 0; i < p->head_count; i++) {
        if (!is_source(p, i)) {
            buf_put_text(out, ignored++ == 0 ? say_choose("  ignored: ", "  忽略：") : ", ");
            buf_put_text(out, p->head[i]);
        }
    }
    buf_put_u8(out, '\n');
}
