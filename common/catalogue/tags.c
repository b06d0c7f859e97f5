/* See tags.h. */
#include "common/catalogue/tags.h"

#include "common/base/json_read.h"

#include "common/catalogue/text.h"

/* A comma in any of the forms that Chinese and Western keyboards have; its size, 0: none. */
static size_t comma_size(struct bytes text)
{
    static const char *const commas[] = {",", "，", "、", ";", "；"};
    for (size_t i = 0; i < count_of(commas); i++) {
        size_t size = strlen(commas[i]);
        if (text.size >= size && memcmp(text.at, commas[i], size) == 0) {
            return size;
        }
    }
    return 0;
}

static int compare_tags(const void *a, const void *b)
{
    const struct bytes *left = a;
    const struct bytes *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = size == 0 ? 0 : memcmp(left->at, right->at, size);
    return order != 0 ? order : (left->size > right->size) - (left->size < right->size);
}

/* UTF-8 sorts by bytes as it does by code points. */
static bool tags_write(struct bytes *tags, size_t count, struct arena *arena, struct bytes *out)
{
    if (count > 1) {
        qsort(tags, count, sizeof *tags, compare_tags);
    }
    struct buf json;
    buf_init(&json, SIZE_MAX / 2);
    buf_put_u8(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && bytes_equal(tags[i], tags[i - 1])) {
            continue;
        }
        if (i > 0) {
            buf_put_u8(&json, ',');
        }
        json_put_text(tags[i], &json);
    }
    buf_put_u8(&json, ']');
    *out = json.bad ? bytes_of(NULL, 0) : arena_copy(arena, buf_bytes(&json));
    buf_release(&json);
    return out->at != NULL;
}

static bool tags_split(struct bytes text, struct bytes *tags, size_t *count)
{
    *count = 0;
    while (text.size > 0) {
        size_t end = 0;
        while (end < text.size && comma_size(bytes_of(text.at + end, text.size - end)) == 0) {
            end++;
        }
        struct bytes tag = text_trim(bytes_of(text.at, end));
        if (tag.size > 0 && *count == TAGS_MAX) {
            return false;
        }
        if (tag.size > 0) {
            tags[(*count)++] = tag;
        }
        size_t skip = end + comma_size(bytes_of(text.at + end, text.size - end));
        text = bytes_of(text.at + skip, text.size - skip);
    }
    return true;
}

static bool tags_of_json(struct bytes text, struct arena *arena, struct bytes *tags, size_t *count)
{
    json_t *array = NULL;
    bool good = json_read(text, 0, &array).code == ERR_OK && json_is_array(array) &&
                json_array_size(array) <= TAGS_MAX;
    for (size_t i = 0; good && i < json_array_size(array); i++) {
        const json_t *tag = json_array_get(array, i);
        good = json_is_string(tag);
        if (good) {
            tags[i] = arena_copy(arena, bytes_of(json_string_value(tag), json_string_length(tag)));
            good = tags[i].at != NULL;
        }
    }
    *count = good ? json_array_size(array) : 0;
    json_decref(array);
    return good;
}

bool tags_parse(struct bytes text, struct arena *arena, struct bytes *json)
{
    struct bytes *tags = arena_array(arena, TAGS_MAX, sizeof *tags);
    size_t count = 0;
    if (tags == NULL) {
        return false;
    }
    bool is_array = text.size > 0 && text.at[0] == '[';
    if (!(is_array ? tags_of_json(text, arena, tags, &count) : tags_split(text, tags, &count))) {
        return false;
    }
    return tags_write(tags, count, arena, json);
}

void tags_print(struct bytes json, struct buf *out)
{
    json_t *array = json_loadb((const char *)json.at, json.size, 0, NULL);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *tag = json_array_get(array, i);
        buf_put_text(out, i == 0 ? "" : ",");
        buf_put(out, bytes_of(json_string_value(tag), json_string_length(tag)));
    }
    json_decref(array);
}
