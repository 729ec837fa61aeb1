#include "subscribers/lib/following.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "subscribers/lib/session.h"

#define PLACES_MAX  131072 /* of one subscription; further ones are BUSY */
#define FOLLOW_MAX  256    /* places in one Follow */
#define DROPPED_MAX 512    /* cases dropped by one */
#define AHEAD_MAX   512    /* places that are NAMED at once, about */
#define BUCKETS_MIN 64

enum state { WAITING, NAMED, STANDING, IDLE };

struct wb_place {
    struct following *following;
    wb_place *in_bucket;
    wb_place *next; /* in the list of those that wait, are named or are to be dropped */
    void *owner;
    uint64_t after; /* while WAITING */
    uint8_t state;
    bool again;        /* it stood in an earlier session, and is named anew */
    bool left;         /* unfollowed, but still in a list */
    uint8_t code_from; /* in the text, behind the case number */
    char text[];
};

struct list {
    wb_place *first, *last;
};

struct following {
    struct session *session;
    wb_place_fn *answered; /* NULL: silenced */
    void *arg;
    uint64_t number; /* of the subscription; 0 while there is none */
    struct list waiting, named, dropped;
    size_t named_count;
    size_t again_count; /* of those that wait */
    wb_place **buckets;
    size_t size, count; /* the size is a power of two */
};

/* Lists */

static void push(struct list *list, wb_place *place) {
    place->next = NULL;
    if (list->last)
        list->last->next = place;
    else
        list->first = place;
    list->last = place;
}

static wb_place *pop(struct list *list) {
    wb_place *place = list->first;
    if (!place)
        return NULL;
    list->first = place->next;
    if (!list->first)
        list->last = NULL;
    place->next = NULL;
    return place;
}

static void free_list(struct list *list) {
    for (wb_place *place; (place = pop(list));)
        free(place);
}

/* The table */

static wb_place **bucket_of(const struct following *f, const char *case_no) {
    return &f->buckets[digest_short(case_no, strlen(case_no)) & (f->size - 1)];
}

/* Where memory is short the chains just grow. */
static void grow(struct following *f) {
    struct following larger = *f;
    larger.size = f->size * 2;
    larger.buckets = calloc(larger.size, sizeof(wb_place *));
    if (!larger.buckets)
        return;
    for (size_t i = 0; i < f->size; i++)
        for (wb_place *place; (place = f->buckets[i]);) {
            f->buckets[i] = place->in_bucket;
            wb_place **bucket = bucket_of(&larger, place->text);
            place->in_bucket = *bucket;
            *bucket = place;
        }
    free(f->buckets);
    f->buckets = larger.buckets;
    f->size = larger.size;
}

static void take_out(struct following *f, wb_place *place) {
    wb_place **link = bucket_of(f, place->text);
    while (*link != place)
        link = &(*link)->in_bucket;
    *link = place->in_bucket;
    f->count--;
}

/* The broker knows of another place for the case. */
static bool has_twin(const struct following *f, const char *case_no) {
    for (const wb_place *twin = *bucket_of(f, case_no); twin; twin = twin->in_bucket)
        if ((twin->state == NAMED || twin->state == STANDING) && !strcmp(twin->text, case_no))
            return true;
    return false;
}

/* A place that the broker knows of goes. */
static void leave(struct following *f, wb_place *place) {
    take_out(f, place);
    if (has_twin(f, place->text))
        free(place);
    else
        push(&f->dropped, place);
}

struct following *following_new(struct session *session, wb_place_fn *answered, void *arg) {
    struct following *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->session = session;
    f->answered = answered;
    f->arg = arg;
    f->size = BUCKETS_MIN;
    f->buckets = calloc(f->size, sizeof(wb_place *));
    if (f->buckets)
        return f;
    free(f);
    return NULL;
}

void following_free(struct following *f) {
    if (!f)
        return;
    free_list(&f->dropped);
    for (size_t i = 0; i < f->size; i++)
        for (wb_place *place; (place = f->buckets[i]);) {
            f->buckets[i] = place->in_bucket;
            free(place);
        }
    free(f->buckets);
    free(f);
}

/* Beginning */

static void wait_again(struct following *f, wb_place *place) {
    place->state = WAITING;
    push(&f->waiting, place);
    f->again_count += place->again;
}

/* Those of a list wait, but for those that were left meanwhile. */
static void wait_all(struct following *f, struct list list) {
    for (wb_place *place; (place = pop(&list));)
        if (place->left) {
            take_out(f, place);
            free(place);
        } else {
            wait_again(f, place);
        }
}

void following_begun(struct following *f, uint64_t number, uint64_t cursor) {
    struct list named = f->named, waiting = f->waiting;
    f->named = f->waiting = (struct list){NULL, NULL};
    f->named_count = f->again_count = 0;
    f->number = number;
    free_list(&f->dropped); /* what is not named again is not followed any more */
    for (size_t i = 0; i < f->size; i++)
        for (wb_place *place = f->buckets[i]; place; place = place->in_bucket)
            if (place->state == STANDING) {
                place->again = true;
                place->after = cursor;
                wait_again(f, place);
            }
    wait_all(f, named);
    wait_all(f, waiting);
}

void following_ended(struct following *f) {
    f->number = 0;
}

bool following_complete(const struct following *f) {
    return f->number && !f->again_count;
}

/* Naming */

static size_t take_waiting(struct following *f, Waybill__V1__Place *bodies,
                           Waybill__V1__Place **places) {
    size_t count = 0;
    while (count < FOLLOW_MAX && f->waiting.first) {
        wb_place *place = pop(&f->waiting);
        f->again_count -= place->again;
        if (place->left) {
            take_out(f, place);
            free(place);
            continue;
        }
        waybill__v1__place__init(&bodies[count]);
        bodies[count].case_no = place->text;
        bodies[count].code = place->text + place->code_from;
        bodies[count].after_offset = place->after;
        bodies[count].again = place->again;
        places[count] = &bodies[count];
        count++;
        place->state = NAMED;
        push(&f->named, place);
    }
    f->named_count += count;
    return count;
}

static void send_follow(struct following *f) {
    Waybill__V1__Place bodies[FOLLOW_MAX], *places[FOLLOW_MAX];
    char *dropped[DROPPED_MAX];
    struct list told = {NULL, NULL};
    Waybill__V1__Follow body = WAYBILL__V1__FOLLOW__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_FOLLOW;
    message.follow = &body;
    body.subscription = f->number;
    body.dropped = dropped;
    while (body.n_dropped < DROPPED_MAX && f->dropped.first) {
        push(&told, pop(&f->dropped));
        dropped[body.n_dropped++] = told.last->text;
    }
    body.places = places;
    if (!f->dropped.first) /* what is dropped and then followed anew is told in that order */
        body.n_places = take_waiting(f, bodies, places);
    if (body.n_dropped || body.n_places)
        session_send(f->session, &message);
    free_list(&told);
}

void following_tend(struct following *f) {
    while (f->number && session_is_open(f->session) &&
           (f->dropped.first || (f->waiting.first && f->named_count < AHEAD_MAX)))
        send_follow(f);
}

/* Answers */

static bool in_order(const wb_place_answer *answer) {
    uint64_t last = 0;
    for (size_t i = 0; i < answer->n_records; i++) {
        const wb_record *record = answer->records[i];
        if (!record->event || record->offset <= last || record->offset > answer->through_offset)
            return false;
        last = record->offset;
    }
    return true;
}

static void tell(struct following *f, wb_place *place, const wb_place_answer *answer) {
    bool stands = answer->outcome == WB_OUTCOME(FOLLOWED) || answer->outcome == WB_OUTCOME(BEHIND);
    /* It goes on as if nothing had been. */
    bool silent = place->again && answer->outcome == WB_OUTCOME(FOLLOWED) && answer->n_records == 0;
    place->again = false;
    place->state = stands ? STANDING : IDLE;
    if (place->left)
        leave(f, place);
    else if (f->answered && !silent)
        f->answered(f->arg, place, answer);
}

bool following_answer(struct following *f, const Waybill__V1__Followed *followed) {
    for (size_t i = 0; i < followed->n_places; i++) {
        const wb_place_answer *answer = followed->places[i];
        if (!f->named.first || strcmp(f->named.first->text, answer->case_no) != 0 ||
            !in_order(answer))
            return false;
        f->named_count--;
        tell(f, pop(&f->named), answer);
    }
    return true;
}

void following_silence(struct following *f) {
    f->answered = NULL;
}

/* What the user does */

static int check(const struct following *f, const char *case_no, const char *code,
                 struct wb_error *err) {
    if (!*case_no || strlen(case_no) > LIMIT_CASE_NO_BYTES || strlen(code) > LIMIT_CASE_NO_BYTES)
        return problem(err, WB_E_USAGE, "a case number of 1 to %d bytes and its code are wanted",
                       LIMIT_CASE_NO_BYTES);
    if (f->count >= PLACES_MAX)
        return problem(err, WB_E_BUSY, "%d places are followed", PLACES_MAX);
    return 0;
}

wb_place *following_add(struct following *f, const char *case_no, const char *code,
                        uint64_t after_offset, void *owner, struct wb_error *err) {
    if (check(f, case_no, code, err))
        return NULL;
    if (f->count >= f->size)
        grow(f);
    size_t case_bytes = strlen(case_no) + 1, code_bytes = strlen(code) + 1;
    wb_place *place = malloc(sizeof *place + case_bytes + code_bytes);
    if (!place) {
        problem(err, WB_E_SYSTEM, "%s", strerror(ENOMEM));
        return NULL;
    }
    *place = (wb_place){.following = f,
                        .owner = owner,
                        .after = after_offset,
                        .state = WAITING,
                        .code_from = (uint8_t)case_bytes};
    memcpy(place->text, case_no, case_bytes);
    memcpy(place->text + case_bytes, code, code_bytes);
    wb_place **bucket = bucket_of(f, case_no);
    place->in_bucket = *bucket;
    *bucket = place;
    f->count++;
    push(&f->waiting, place);
    session_kick(f->session);
    return place;
}

void wb_unfollow(wb_place *place) {
    if (!place || place->left)
        return;
    if (place->state == WAITING || place->state == NAMED)
        place->left = true; /* freed when its turn or its answer has come */
    else
        leave(place->following, place);
}

void wb_place_own(wb_place *place, void *owner) {
    place->owner = owner;
}

void *wb_place_owner(const wb_place *place) {
    return place->owner;
}
