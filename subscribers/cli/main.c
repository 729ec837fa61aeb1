/* The command line: one table of subcommands. */
#include "command.h"

#include "common/standard_streams.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"publish", "send events from NDJSON, and print what became of each", command_publish},
    {"tail", "follow the log from any place in it", command_tail},
    {"track", "show where an application stands, and follow it", command_track},
    {"spool", "show what waits in a publisher's spool and what was refused", command_spool},
    {"link", "print a case's link and code, and draw the QR code", command_link},
    {"keygen", "make a key pair for a broker, a source or a follower", command_keygen},
    {"admin", "say who may publish and follow, and prove that the log is sound", command_admin},
};

static const size_t command_count = sizeof commands / sizeof *commands;

/* argp looks for it from libc. */
WB_EXPORT const char *argp_program_version = "waybill " WAYBILL_VERSION;

static void print_help(void) {
    puts("Usage: waybill COMMAND [OPTION...]\n\n"
         "Tracks applications to public services.\n");
    for (size_t i = 0; i < command_count; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts(
        "\n'waybill COMMAND --help' describes a command. Endpoints are taken from the options,\n"
        "else from WAYBILL_INGEST, WAYBILL_STREAMS, WAYBILL_LIVE and WAYBILL_GATEWAY, else from\n"
        "the defaults on this machine; keys from --server-key and --key-file, else from\n"
        "WAYBILL_SERVER_KEY and WAYBILL_KEY_FILE. Several brokers that stand by for one another\n"
        "are written with commas between. The exit status is 0 only when all was done, 2 when the\n"
        "command line is not valid.");
}

static int run(const struct command *command, int argc, char **argv) {
    char name[64];
    snprintf(name, sizeof name, "waybill %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

int main(int argc, char **argv) {
    standard_streams_keep();
    argp_err_exit_status = COMMAND_USAGE;
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help();
        return COMMAND_DONE;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        puts(argp_program_version);
        return COMMAND_DONE;
    }
    for (size_t i = 0; i < command_count; i++)
        if (!strcmp(name, commands[i].name))
            return run(&commands[i], argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "waybill: there is no command '%s'; see 'waybill --help'\n", name);
    else
        fputs("waybill: name a command; see 'waybill --help'\n", stderr);
    return COMMAND_USAGE;
}
