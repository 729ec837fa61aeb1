/* Goes once through files and folders with a target, where there is no libFuzzer:
 *     build/bin/fuzz_event tests/fuzz/corpus/event
 * A folder that does not exist or is empty is a mistake. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define FILE_MAX (2 << 20)

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    return 0;
}

static int fail(const char *path, const char *what) {
    dprintf(2, "%s: %s\n", path, what);
    return -1;
}

/* In memory of its own size, so that a sanitizer sees a read behind it. */
static int run(const char *path) {
    static uint8_t contents[FILE_MAX];
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail(path, "cannot be opened");
    size_t bytes = fread(contents, 1, sizeof contents, file);
    fclose(file);
    uint8_t *data = malloc(bytes);
    if (!data && bytes)
        return fail(path, "no memory");
    if (bytes)
        memcpy(data, contents, bytes);
    /* Should the target abort, this is the last line. */
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return 0;
}

static int not_hidden(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int run_folder(const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, not_hidden, alphasort), failed = 0;
    if (count < 0)
        return fail(path, "cannot be read");
    if (count == 0)
        failed = fail(path, "is empty");
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        failed |= run(name);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv) {
    struct stat info;
    int failed = argc < 2 ? fail("usage", "give files or folders") : 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        failed |=
            stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode) ? run_folder(argv[i]) : run(argv[i]);
    return failed ? 1 : 0;
}
