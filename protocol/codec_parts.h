/* The codecs of single messages, each in a file of its own; message_codec.c calls them. A put
 * writes the fields behind the message's kind, a take reads them. */
#ifndef PROTOCOL_CODEC_PARTS_H
#define PROTOCOL_CODEC_PARTS_H

#include "protocol/cbor_list.h"

/* A message that is known to be whole. */
enum wire_error message_take(struct bytes item, struct arena *arena, struct message *out);

void batch_put(struct list_writer *l, const struct batch *batch);
void batch_take(struct list_reader *l, struct batch *out);
void verdicts_put(struct list_writer *l, const struct verdicts *verdicts);
void verdicts_take(struct list_reader *l, struct verdicts *out);
void offer_put(struct list_writer *l, const struct reoffer *offer);
void offer_take(struct list_reader *l, struct reoffer *out);
void rows_put(struct list_writer *l, const struct rows *rows);
void rows_take(struct list_reader *l, struct rows *out);

void hello_put(struct list_writer *l, const struct hello *hello);
void hello_take(struct list_reader *l, struct hello *out);
void answer_put(struct list_writer *l, const struct answer *answer);
void answer_take(struct list_reader *l, struct answer *out);
void departure_put(struct list_writer *l, const struct departure *departure);
void departure_take(struct list_reader *l, struct departure *out);
void cursor_put(struct list_writer *l, const struct cursor *cursor);
void cursor_take(struct list_reader *l, struct cursor *out);
void digest_put(struct list_writer *l, const struct digest *digest);
void digest_take(struct list_reader *l, struct digest *out);

void ask_put(struct list_writer *l, const struct ask *ask);
void ask_take(struct list_reader *l, struct ask *out);
void parts_put(struct list_writer *l, const struct parts *parts);
void parts_take(struct list_reader *l, struct parts *out);
void want_put(struct list_writer *l, const struct want *want);
void want_take(struct list_reader *l, struct want *out);
void end_put(struct list_writer *l, const struct end *end);
void end_take(struct list_reader *l, struct end *out);

void fault_put(struct list_writer *l, const struct fault *fault);
void fault_take(struct list_reader *l, struct fault *out);
void enrol_put(struct list_writer *l, const struct enrol *enrol);
void enrol_take(struct list_reader *l, struct enrol *out);
void enrolled_put(struct list_writer *l, const struct enrolled *enrolled);
void enrolled_take(struct list_reader *l, struct enrolled *out);

/* Column numbers as bytes: each above the one before, at most 63. */
bool columns_are_rising(struct bytes columns, uint8_t flag);

#endif
