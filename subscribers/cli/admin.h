/* waybill admin: what its parts share. */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/admin.h>

struct buffer;

/* A part or an action of one; gets its own part of the command line, argv[0] being the words up to
 * it, "waybill admin source add". */
struct admin_action {
    const char *name, *summary;
    int (*run)(const struct admin_action *action, int argc, char **argv);
    const void *data; /* what run makes of it */
};

/* Runs the one that argv[1] names; the list ends with a name that is NULL. */
int admin_dispatch(const char *words, const struct admin_action *actions, int argc, char **argv);

/* For those who have the action already in argv[0]. */
int admin_source(const struct admin_action *action, int argc, char **argv);
int admin_follower(const struct admin_action *action, int argc, char **argv);
int admin_token(const struct admin_action *action, int argc, char **argv);
int admin_reader(const struct admin_action *action, int argc, char **argv);
int admin_readers(const struct admin_action *action, int argc, char **argv);
int admin_item(const struct admin_action *action, int argc, char **argv);
int admin_audit(const struct admin_action *action, int argc, char **argv);
int admin_partitions(const struct admin_action *action, int argc, char **argv);
int admin_verify(const struct admin_action *action, int argc, char **argv);

/* What every action takes: --database and --json. */
struct admin_common {
    const char *database;
    bool json;
};
enum { ADMIN_OPTION_JSON = 2000 };
#define ADMIN_OPTIONS                                                                              \
    {"database", 'd', "CONNINFO", 0, "waybilld's database, as libpq takes it (WAYBILL_DATABASE)",  \
     -1},                                                                                          \
        {"json", ADMIN_OPTION_JSON, NULL, 0, "JSON, one object a line", -1}, {                     \
        NULL, 0, NULL, 0, NULL, 0                                                                  \
    }
#define ADMIN_OPTION_KEY                                                                           \
    { "key", 'k', "KEY|FILE.pub", 0, "its public key, or the file of it that keygen made", 0 }
#define ADMIN_COMMON_INIT                                                                          \
    { .database = command_setting("WAYBILL_DATABASE", "dbname=waybill") }
/* False if the option is none of them. */
bool admin_parse(struct admin_common *common, int key, char *text);

/* The one name that an action takes; two or none are usage errors. True if the key was about it. */
bool admin_parse_name(const char **name, const char *what, int key, char *text,
                      struct argp_state *state);

/* "waybill admin: …" on standard error. Gives the exit status: for a wrong command line, too. */
int admin_complain(const struct wb_error *err);

/* A key as the command line has it: 40 characters, or the name of a file that keygen made. Exits by
 * argp_error if it is neither. The text is the caller's to free. */
char *admin_key(struct argp_state *state, const char *text);
/* The same for an option that may be given once. */
void admin_take_key(struct argp_state *state, const char *text, char **key);
/* The first characters of a key. */
#define ADMIN_KEY_SHORT 16
const char *admin_short_key(const char *key, char text[ADMIN_KEY_SHORT]);
/* The two keys of a source or follower, shortened: "rq:rM>}U… ab:cd>}U…", or "none". */
void admin_put_keys(struct buffer *out, const char *const keys[2]);
json_t *admin_keys_json(const char *const keys[2]);

/* Local time to the minute for people, RFC 3339 for programs. */
#define ADMIN_TIME 40
const char *admin_time(int64_t us, char text[ADMIN_TIME]);
json_t *admin_time_json(int64_t us); /* null for 0 */

#endif
