/* An event made ready for each audience. The first byte chooses the disclosure. */
#include "broker/audience/redact.h"

#include <stdlib.h>
#include <string.h>

#include "broker/audience/mask.h"
#include "common/arena.h"
#include "fuzz.h"
#include "proto/bounds.h"
#include "proto/validate.h"
#include "proto/wire.h"
#include "valid.h"

static enum disclosure ask(const void *arg, struct slice item_code) {
    FUZZ_CHECK(item_code.length <= LIMIT_EVENT_BYTES);
    return *(const enum disclosure *)arg;
}

/* Every text but the case's numbers, which are what a number may be spared for. */
static void check_texts(const ProtobufCMessage *message, const char *case_no) {
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *member = (const char *)message + field->offset;
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
        size_t count =
            list ? *(const size_t *)((const char *)message + field->quantifier_offset) : 1;
        ProtobufCMessage *const *parts = list ? *(ProtobufCMessage *const *const *)(void *)member
                                              : (ProtobufCMessage *const *)(void *)member;
        if (field->type == PROTOBUF_C_TYPE_STRING && !strstr(field->name, "case_no")) {
            char *text = strdup(*(char *const *)(void *)member);
            struct slice spared = {(const uint8_t *)case_no, strlen(case_no)};
            FUZZ_CHECK(text && mask_text((uint8_t *)text, strlen(text), spared) == 0);
            free(text);
        }
        for (size_t k = 0; field->type == PROTOBUF_C_TYPE_MESSAGE && k < count; k++)
            if (parts[k])
                check_texts(parts[k], case_no);
    }
}

static void check_public(const wb_event *event) {
    FUZZ_CHECK(!event->event_id[0] && !event->case_no[0] && !event->parent_case_no[0]);
    FUZZ_CHECK(!event->step[0] && !event->handler && !event->n_notices && !event->decision);
    FUZZ_CHECK(!event->special || (!event->special->reason[0] && !event->special->approver[0]));
    FUZZ_CHECK(!event->extension || !event->extension->approver[0]);
}

static void check_event(Waybill__V1__Audience audience, struct slice made) {
    struct arena arena;
    arena_init(&arena, VALID_ARENA);
    wb_event *event = waybill__v1__event__unpack(&arena.protobuf, made.length, made.data);
    FUZZ_CHECK(event && event->n_attributes == 0 && !event->traceparent[0]);
    FUZZ_CHECK(event->base.n_unknown_fields == 0);
    bool numbered = audience != WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC;
    check_texts(&event->base, numbered ? event->case_no : "");
    if (!numbered)
        check_public(event);
    arena_free(&arena);
}

/* Made ready twice is the same as once; but for the titles, which are made of names. */
static void check_again(Waybill__V1__Audience audience, enum disclosure disclosure,
                        struct slice made) {
    uint8_t *again = malloc(REDACT_ROOM(made.length));
    FUZZ_CHECK(again);
    size_t length = redact_event(audience, ask, &disclosure, made, again);
    if (disclosure != DISCLOSURE_TITLE)
        FUZZ_CHECK(length == made.length && memcmp(again, made.data, length) == 0);
    free(again);
}

static void check(Waybill__V1__Audience audience, enum disclosure disclosure, struct slice event,
                  bool valid) {
    uint8_t *out = malloc(REDACT_ROOM(event.length)); /* a sanitizer knows its end */
    FUZZ_CHECK(out);
    struct slice made = {out, redact_event(audience, ask, &disclosure, event, out)};
    FUZZ_CHECK(made.length <= REDACT_ROOM(event.length));
    FUZZ_CHECK(!valid || made.length > 0);
    if (made.length && made.length <= LIMIT_EVENT_BYTES && valid) {
        check_event(audience, made);
        check_again(audience, disclosure, made);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct arena arena;
    wb_event *event;
    if (bytes < 1)
        return 0;
    enum disclosure disclosure = (enum disclosure)(data[0] % 4);
    struct slice slice = {data + 1, bytes - 1};
    arena_init(&arena, VALID_ARENA);
    bool valid = event_decode(slice.data, slice.length, &arena, &event, NULL) == 0;
    for (int a = WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF; a <= WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC;
         a++)
        check((Waybill__V1__Audience)a, disclosure, slice, valid);
    arena_free(&arena);
    return 0;
}
