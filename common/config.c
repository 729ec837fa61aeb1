#include "common/config.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/quantity.h"
#include "common/yaml.h"
#include "proto/problem.h"

#define FILE_MAX     ((size_t)1 << 20) /* bytes of a configuration file */
#define WHY_BYTES    160
#define RANGE_BYTES  96
#define NAME_BYTES   64
#define ENVIRONMENT  "WAYBILL_"
#define FIRST_OPTION 0x1000 /* argp's keys of the table's rows */

enum fixed_key { KEY_CONFIG = 0x100, KEY_CHECK, KEY_REFERENCE, KEY_HELP, KEY_VERSION };
enum { FIXED_OPTIONS = 5 };

/* The command line as it was given. */
struct command {
    const struct config_program *program;
    struct argp argp;
    struct argp_option *options;
    char (*names)[NAME_BYTES]; /* of the table's rows, with '-' */
    char (*helps)[512];        /* with default and range */
    const char **values;       /* by row, NULL: not given */
    const char *file;
    int fixed; /* the last of --help, --version, --check, --config-reference, or 0 */
    struct wb_error err;
};

static const struct quantity_unit *units_of(enum config_type type) {
    return type == CONFIG_BYTES ? quantity_bytes : type == CONFIG_MS ? quantity_ms : NULL;
}

/* "1KiB to 1GiB", "1 to 4096 events", "yes or no". */
static const char *range(const struct config_option *option, char text[RANGE_BYTES]) {
    char from[QUANTITY_TEXT], to[QUANTITY_TEXT];
    const struct quantity_unit *units = units_of(option->type);
    if (option->type == CONFIG_TEXT)
        return "";
    if (option->type == CONFIG_BOOL)
        return "yes or no";
    const char *unit = option->type == CONFIG_NUMBER && option->unit ? option->unit : "";
    snprintf(text, RANGE_BYTES, "%s to %s%s%s", quantity_format(option->min, units, from),
             quantity_format(option->max, units, to), *unit ? " " : "", unit);
    return text;
}

static int parse_bool(const char *text, bool *value) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strcasecmp(text, words[i])) {
            *value = i % 2;
            return 0;
        }
    }
    return -1;
}

static int parse_number(const struct config_option *option, const char *text, int64_t *value,
                        char why[WHY_BYTES]) {
    static const char *const forms[] = {[CONFIG_NUMBER] = "a number",
                                        [CONFIG_BYTES] = "a size such as 512, 64KiB or 1MiB",
                                        [CONFIG_MS] = "a duration such as 500ms, 15s, 5min or 30d"};
    char limits[RANGE_BYTES];
    if (quantity_parse(text, units_of(option->type), value)) {
        snprintf(why, WHY_BYTES, "'%.40s' is not %s", text, forms[option->type]);
        return -1;
    }
    if (*value < option->min || *value > option->max) {
        snprintf(why, WHY_BYTES, "%.40s is out of range, which is %s", text, range(option, limits));
        return -1;
    }
    return 0;
}

/* Stores the value, or says why not. */
static int set_value(const struct config_program *program, const struct config_option *option,
                     const char *text, char why[WHY_BYTES]) {
    void *place = (char *)program->values + option->offset;
    if (option->type == CONFIG_BOOL) {
        if (!parse_bool(text, place))
            return 0;
        snprintf(why, WHY_BYTES, "'%.40s' is neither yes nor no", text);
        return -1;
    }
    if (option->type == CONFIG_TEXT) {
        char *copy = strdup(text);
        if (!copy) {
            snprintf(why, WHY_BYTES, "memory is out");
            return -1;
        }
        free(*(char **)place);
        *(char **)place = copy;
        return 0;
    }
    int64_t value;
    if (parse_number(option, text, &value, why))
        return -1;
    *(int64_t *)place = value;
    return 0;
}

static void option_name(const struct config_option *option, char name[NAME_BYTES]) {
    snprintf(name, NAME_BYTES, "%s", option->name);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : *c;
}

static void environment_name(const struct config_option *option, char name[NAME_BYTES]) {
    snprintf(name, NAME_BYTES, ENVIRONMENT "%s", option->name);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
}

static int load_defaults(const struct config_program *program, struct wb_error *err) {
    char why[WHY_BYTES];
    for (size_t i = 0; i < program->count; i++) {
        const struct config_option *option = &program->options[i];
        if (set_value(program, option, option->value, why))
            return problem(err, WB_E_CONFIG, "the default of %s: %s", option->name, why);
    }
    return 0;
}

static int load_row(const struct config_program *program, const struct yaml_file *file,
                    const struct yaml_node *root, const struct config_option *option,
                    struct wb_error *err) {
    char why[WHY_BYTES];
    const struct yaml_node *node = yaml_get(root, option->name);
    if (!node)
        return 0;
    if (yaml_kind(node) != YAML_TEXT)
        return yaml_problem(file, node, err, "%s: one value is expected, not a list or mapping",
                            option->name);
    if (set_value(program, option, yaml_text(node), why))
        return yaml_problem(file, node, err, "%s: %s", option->name, why);
    return 0;
}

static int load_file(const struct config_program *program, const char *path, struct wb_error *err) {
    struct yaml_file *file = yaml_open(path, FILE_MAX, err);
    const char **known = file ? calloc(program->count + 1, sizeof *known) : NULL;
    if (!known) {
        yaml_close(file);
        return file ? problem(err, WB_E_SYSTEM, "memory is out") : -1;
    }
    for (size_t i = 0; i < program->count; i++)
        known[i] = program->options[i].name;
    const struct yaml_node *root = yaml_root(file);
    int result = root ? yaml_keys(file, root, known, err) : 0;
    for (size_t i = 0; root && !result && i < program->count; i++)
        result = load_row(program, file, root, &program->options[i], err);
    free(known);
    yaml_close(file);
    return result;
}

/* A variable that is set to nothing counts as not set: so do service managers and containers leave
 * a value open. */
static int load_environment(const struct config_program *program, struct wb_error *err) {
    char why[WHY_BYTES], name[NAME_BYTES];
    for (size_t i = 0; i < program->count; i++) {
        const struct config_option *option = &program->options[i];
        environment_name(option, name);
        const char *text = getenv(name);
        if (text && *text && set_value(program, option, text, why)) {
            problem(err, WB_E_CONFIG, "%s in the environment: %s", name, why);
            return problem_hint(err, "correct the variable or unset it");
        }
    }
    return 0;
}

static int load_command(const struct command *command, struct wb_error *err) {
    char why[WHY_BYTES];
    for (size_t i = 0; i < command->program->count; i++) {
        const char *text = command->values[i];
        if (text && set_value(command->program, &command->program->options[i], text, why)) {
            problem(err, WB_E_CONFIG, "--%s: %s", command->names[i], why);
            return problem_hint(err, "see %s --help", command->program->name);
        }
    }
    return 0;
}

static int load_all(const struct command *command, struct wb_error *err) {
    const struct config_program *program = command->program;
    if (load_defaults(program, err) || (command->file && load_file(program, command->file, err)) ||
        load_environment(program, err) || load_command(command, err))
        return -1;
    return program->validate ? program->validate(program->values, err) : 0;
}

/* What getopt could not make sense of: an option without its value, or one that there is not. */
static int option_problem(struct command *command, const char *word) {
    const char *known[command->program->count + FIXED_OPTIONS + 1];
    size_t count = 0;
    for (const struct argp_option *option = command->options; option->name; option++) {
        if (!strncmp(word, "--", 2) && !strcmp(word + 2, option->name))
            return problem(&command->err, WB_E_USAGE, option->arg ? "%s needs a value" : "%s",
                           word);
        known[count++] = option->name;
    }
    known[count] = NULL;
    problem(&command->err, WB_E_USAGE, "there is no option %.80s", word);
    if (strncmp(word, "--", 2) != 0)
        return problem_hint(&command->err, "see %s --help", command->program->name);
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    return problem_hint(&command->err, "did you mean --%s? See %s --help", nearest(name + 2, known),
                        command->program->name);
}

static error_t on_argument(int key, char *argument, struct argp_state *state) {
    struct command *command = state->input;
    if (key >= FIRST_OPTION && key < FIRST_OPTION + (int)command->program->count)
        command->values[key - FIRST_OPTION] = argument;
    else if (key == KEY_CONFIG)
        command->file = argument;
    else if (key >= KEY_CHECK && key <= KEY_VERSION)
        command->fixed = key;
    else if (key == ARGP_KEY_ARG)
        problem(&command->err, WB_E_USAGE, "'%.80s' is not an option, and none is expected here",
                argument);
    else if (key == ARGP_KEY_ERROR && !command->err.code)
        option_problem(command, state->argv[state->next - 1]);
    else
        return ARGP_ERR_UNKNOWN;
    return command->err.code ? EINVAL : 0;
}

static void make_option(struct command *command, size_t row) {
    const struct config_option *option = &command->program->options[row];
    static const char *const arguments[] = {[CONFIG_TEXT] = "TEXT",
                                            [CONFIG_NUMBER] = "N",
                                            [CONFIG_BOOL] = "yes|no",
                                            [CONFIG_BYTES] = "SIZE",
                                            [CONFIG_MS] = "TIME"};
    char limits[RANGE_BYTES];
    bool ranged = option->type != CONFIG_TEXT && option->type != CONFIG_BOOL;
    option_name(option, command->names[row]);
    snprintf(command->helps[row], sizeof command->helps[row], "%s Default: %s%s%s%s", option->help,
             *option->value ? option->value : "none", ranged ? " (" : "",
             ranged ? range(option, limits) : "", ranged ? ")" : "");
    command->options[row] = (struct argp_option){.name = command->names[row],
                                                 .key = FIRST_OPTION + (int)row,
                                                 .arg = arguments[option->type],
                                                 .doc = command->helps[row]};
}

static void make_options(struct command *command) {
    static const struct argp_option fixed[FIXED_OPTIONS] = {
        {"config", KEY_CONFIG, "FILE", 0, "Read this YAML file: a line `name: value` an option",
         -1},
        {"check", KEY_CHECK, NULL, 0, "Say whether the configuration is valid, and leave", -1},
        {"config-reference", KEY_REFERENCE, NULL, 0, "Print all options as a Markdown table", -1},
        {"help", KEY_HELP, NULL, 0, "Print this list", -1},
        {"version", KEY_VERSION, NULL, 0, "Print the version", -1}};
    size_t count = command->program->count;
    for (size_t row = 0; row < count; row++)
        make_option(command, row);
    memcpy(command->options + count, fixed, sizeof fixed);
}

static void command_free(struct command *command) {
    free(command->options);
    free(command->names);
    free(command->helps);
    free(command->values);
    free((char *)command->argp.doc);
}

static int command_make(struct command *command, const struct config_program *program) {
    size_t count = program->count;
    char *doc;
    *command = (struct command){.program = program};
    command->options = calloc(count + FIXED_OPTIONS + 1, sizeof *command->options);
    command->names = calloc(count + 1, sizeof *command->names);
    command->helps = calloc(count + 1, sizeof *command->helps);
    command->values = calloc(count + 1, sizeof *command->values);
    if (!command->options || !command->names || !command->helps || !command->values ||
        asprintf(&doc,
                 "%s\vA value is taken from the command line, else from the environment "
                 "(--some-name is " ENVIRONMENT "SOME_NAME), else from the file given by --config "
                 "(some_name: value), else it is the default.",
                 program->about) < 0) {
        command_free(command);
        return -1;
    }
    make_options(command);
    command->argp = (struct argp){.options = command->options, .parser = on_argument, .doc = doc};
    return 0;
}

static void print_cell(const char *text) {
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

static void print_reference(const struct config_program *program) {
    printf("| option | environment | default | values | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < program->count; i++) {
        const struct config_option *option = &program->options[i];
        char name[NAME_BYTES], limits[RANGE_BYTES];
        environment_name(option, name);
        printf("| `%s` | `%s` | ", option->name, name);
        if (*option->value) {
            putchar('`');
            print_cell(option->value);
            putchar('`');
        }
        printf(" | %s | ", option->type == CONFIG_TEXT ? "text" : range(option, limits));
        print_cell(option->help);
        printf(" |\n");
    }
}

static enum config_outcome invalid(const struct config_program *program,
                                   const struct wb_error *err) {
    char line[600];
    fprintf(stderr, "%s: %s\n", program->name, problem_line(err, line, sizeof line));
    return CONFIG_INVALID;
}

static enum config_outcome run(struct command *command) {
    const struct config_program *program = command->program;
    if (command->fixed == KEY_HELP)
        argp_help(&command->argp, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC,
                  (char *)program->name);
    else if (command->fixed == KEY_VERSION)
        printf("%s %s\n", program->name, WAYBILL_VERSION);
    else if (command->fixed == KEY_REFERENCE)
        print_reference(program);
    else if (load_all(command, &command->err))
        return invalid(program, &command->err);
    else if (command->fixed == KEY_CHECK)
        printf("configuration is valid\n");
    return command->fixed ? CONFIG_DONE : CONFIG_RUN;
}

static void clear_texts(const struct config_program *program, bool allocated) {
    for (size_t i = 0; i < program->count; i++) {
        char **place = (char **)((char *)program->values + program->options[i].offset);
        if (program->options[i].type != CONFIG_TEXT)
            continue;
        if (allocated)
            free(*place);
        *place = NULL;
    }
}

enum config_outcome config_load(const struct config_program *program, int argc, char **argv) {
    struct command command;
    clear_texts(program, false);
    if (command_make(&command, program)) {
        struct wb_error err;
        problem(&err, WB_E_SYSTEM, "memory is out");
        return invalid(program, &err);
    }
    unsigned flags = ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT;
    enum config_outcome outcome = argp_parse(&command.argp, argc, argv, flags, NULL, &command)
                                      ? invalid(program, &command.err)
                                      : run(&command);
    command_free(&command);
    if (outcome != CONFIG_RUN)
        config_free(program);
    return outcome;
}

void config_free(const struct config_program *program) {
    clear_texts(program, true);
}
