/* The subcommands of `waybill`, and what they share.
 *
 * Each gets its own part of the command line, argv[0] being "waybill NAME", reads it with argp and
 * returns the exit status. Defaults of endpoints come from the environment. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <waybill/error.h>

enum command_exit {
    COMMAND_DONE = 0,   /* all was done */
    COMMAND_FAILED = 1, /* something was not; what, has been said */
    COMMAND_USAGE = 2   /* the command line is not valid (argp exits with it by itself) */
};

/* For brokers that ask for keys, from the options that every command with an endpoint has. NULL:
 * without. */
struct command_keys {
    const char *server_key, *key_file;
};

/* clang-format off */
#define COMMAND_KEY_OPTIONS \
    {"server-key", COMMAND_OPTION_SERVER_KEY, "KEY|FILE", 0, \
     "the broker's public key, or the file it is in (WAYBILL_SERVER_KEY)", 0}, \
    {"key-file", COMMAND_OPTION_KEY_FILE, "FILE", 0, \
     "one's own keys, as waybill keygen writes them (WAYBILL_KEY_FILE)", 0}
/* clang-format on */
enum { COMMAND_OPTION_SERVER_KEY = 1000, COMMAND_OPTION_KEY_FILE };

/* As the environment has them. */
struct command_keys command_keys_default(void);
/* Takes one of COMMAND_KEY_OPTIONS. False if the option is another. */
bool command_take_key(struct command_keys *keys, int option, const char *value);

int command_publish(int argc, char **argv);
int command_tail(int argc, char **argv);
int command_track(int argc, char **argv);
int command_spool(int argc, char **argv);
int command_link(int argc, char **argv);
int command_keygen(int argc, char **argv);
int command_admin(int argc, char **argv);

/* The environment variable's value, the fallback where it is not set or empty. */
const char *command_setting(const char *variable, const char *fallback);

#define COMMAND_INGEST  command_setting("WAYBILL_INGEST", "tcp://127.0.0.1:7411")
#define COMMAND_LIVE    command_setting("WAYBILL_LIVE", "tcp://127.0.0.1:7412")
#define COMMAND_STREAMS command_setting("WAYBILL_STREAMS", "tcp://127.0.0.1:7413")
#define COMMAND_GATEWAY command_setting("WAYBILL_GATEWAY", "http://127.0.0.1:7400")

/* Seconds on the command line to milliseconds: "1.5" gives 1500; -1 if the text is not a number
 * from 0 to 86,400. */
int command_seconds_ms(const char *text);

/* "waybill publish: message: detail (hint)" on standard error. */
void command_complain(const char *command, const struct wb_error *err);

/* Writes out what was printed. False when the output is closed or full, which has then been said;
 * of a closed pipe nothing is said. */
bool command_flush(const char *command);
/* Prints the object in one line and releases it; NULL stands for one that memory was too short for.
 * False as above. */
bool command_print_json(const char *command, json_t *object);

/* SIGINT and SIGTERM set command_stopped and interrupt waiting calls; a second one ends the
 * program. SIGPIPE is ignored, so that writing to a closed pipe is an error like others. */
extern volatile sig_atomic_t command_stopped;
void command_catch_signals(void);

#endif
