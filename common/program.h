/* The life of a program that runs on one loop until it is told to end: configuration, log, SIGTERM
 * and SIGINT, exit status. */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include <uv.h>
#include <waybill/error.h>

struct config_program;

struct program {
    const char *part; /* its name in the log: "broker" */
    const struct config_program *config;
    char *const *log_level; /* where the configuration puts it */
    /* What is needed before anything else, and given back at last. -1 without memory. */
    int (*open)(void);
    void (*close)(void);
    /* Builds the program on the loop. NULL and err: it cannot be; what it left on the loop closes.
     */
    void *(*start)(uv_loop_t *loop, struct wb_error *err);
    /* A signal came (again): finishes what is in flight and closes everything, after which the loop
     * has nothing left. */
    void (*stop)(void *running);
    /* After the loop: frees it and gives the exit status. */
    int (*finish)(void *running);
};

/* From main to its end. 0: done, 1: it had to give up, 2: the configuration is not valid. */
int program_main(const struct program *program, int argc, char **argv);

#endif
